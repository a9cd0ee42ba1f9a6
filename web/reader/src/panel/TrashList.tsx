/** What was deleted: to be restored, or destroyed on the person's word. */
import type { Highlight, LibraryClient, Note } from "crdt-sync";
import { useHighlights, useNotes } from "crdt-sync/react";
import { useMemo, useState } from "react";
import type { ReactNode } from "react";
import { shownColor } from "../marks/colors";
import { Modal } from "../parts/Modal";
import { VirtualList } from "../parts/VirtualList";
import { usePlaceName, useTexts } from "../texts";

const ROW_HEIGHT = 104;

export function TrashList({ library, canEdit }: { library: LibraryClient; canEdit: boolean }): ReactNode {
  const texts = useTexts();
  const placeName = usePlaceName();
  const highlights = useHighlights({ trashed: true });
  const notes = useNotes({ trashed: true });
  const [asked, setAsked] = useState<string | null>(null);
  const items = useMemo(
    () => [...highlights, ...notes].sort((one, other) => (other.deletedAtMs ?? 0) - (one.deletedAtMs ?? 0)),
    [highlights, notes],
  );
  if (!items.length) return <p className="empty">{texts.trashEmpty}</p>;
  return (
    <>
      <p className="hint">{texts.trashHint}</p>
      <VirtualList<Highlight | Note> items={items} rowHeight={ROW_HEIGHT} label={texts.trash} keyOf={({ id }) => id}
        row={(item) => (
          <div className="row">
            {"anchor" in item && <span className="row-bar" data-color={shownColor(item.color)} />}
            <span className="row-head">
              <strong dir="auto">{"anchor" in item ? placeName(item.anchor.source) : item.title || texts.untitled}</strong>
            </span>
            <span className="row-quote one" dir="auto">{"anchor" in item ? (item.anchor.quote?.exact ?? "") : item.text}</span>
            {canEdit && (
              <span className="row-actions">
                <button type="button" className="button" onClick={() => library.restore(item.id)}>{texts.restore}</button>
                <button type="button" className="button danger" onClick={() => setAsked(item.id)}>{texts.purge}</button>
              </span>
            )}
          </div>
        )}
      />
      {asked !== null && (
        <Modal title={texts.purge} className="narrow" onClose={() => setAsked(null)}>
          <p>{texts.purgeSure}</p>
          <div className="modal-actions">
            <button type="button" className="button" onClick={() => setAsked(null)}>{texts.cancel}</button>
            <button type="button" className="button danger"
              onClick={() => {
                library.purge(asked);
                setAsked(null);
              }}
            >
              {texts.purgeYes}
            </button>
          </div>
        </Modal>
      )}
    </>
  );
}

/** One highlight, opened: its words, colour, comment, tags and notes. Beside its mark, or from below on a phone. */
import type { Highlight, LibraryClient, Note } from "crdt-sync";
import { useEffect, useRef } from "react";
import type { ReactNode } from "react";
import { Icon } from "../parts/Icon";
import { Tags } from "../parts/Tags";
import { useDraft } from "../parts/useDraft";
import { usePlaceName, useTexts } from "../texts";
import { COLORS, shownColor } from "./colors";

export interface HighlightCardProps {
  highlight: Highlight;
  /** All that lie where it was opened, itself among them. */
  ids: readonly string[];
  rect: DOMRect | null;
  library: LibraryClient;
  notes: readonly Note[];
  knownTags: readonly string[];
  canEdit: boolean;
  isUnsure: boolean;
  discussion: ReactNode;
  onSwitch: (id: string) => void;
  onNote: (note: string | null) => void;
  onDelete: () => void;
  onClose: () => void;
}

export function HighlightCard(props: HighlightCardProps): ReactNode {
  const { highlight, ids, rect, library, notes, knownTags, canEdit, isUnsure, discussion, onSwitch, onNote, onDelete, onClose } = props;
  const texts = useTexts();
  const placeName = usePlaceName();
  const card = useRef<HTMLDivElement>(null);
  const { id } = highlight;
  useEffect(() => card.current?.focus({ preventScroll: true }), [id]);
  const [comment, type, flush] = useDraft(highlight.comment, (text) => {
    if (library.highlight(id)) library.editHighlight(id, { comment: text });
  });
  const place = placeName(highlight.anchor.source);
  return (
    <div ref={card} className="card" role="dialog" aria-label={texts.highlightAt(place)} tabIndex={-1} style={at(rect)}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        onClose();
      }}
    >
      <header>
        <h2>{place}</h2>
        {ids.length > 1 && (
          <div className="also" role="group" aria-label={texts.highlights}>
            {ids.map((each) => {
              const other = library.highlight(each);
              return (
                other && (
                  <button key={each} type="button" className="dot-button" aria-pressed={each === id} onClick={() => onSwitch(each)}
                    aria-label={texts.openHighlight((other.anchor.quote?.exact ?? "").slice(0, 60))}>
                    <span className="dot" data-color={shownColor(other.color)} />
                  </button>
                )
              );
            })}
          </div>
        )}
        <button type="button" className="icon-button" aria-label={texts.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <blockquote dir="auto" lang="en" data-color={shownColor(highlight.color)}>
        {highlight.anchor.quote?.exact ?? ""}
      </blockquote>
      {isUnsure && <p className="hint">{texts.unsure}</p>}
      {canEdit && (
        <div className="swatches" role="radiogroup" aria-label={texts.color}>
          {COLORS.map((color) => (
            <label key={color} title={texts.colors[color]}>
              <input type="radio" name={`color-${id}`} checked={highlight.color === color} aria-label={texts.colors[color]}
                onChange={() => library.editHighlight(id, { color })} />
              <span className="swatch" data-color={color} />
            </label>
          ))}
        </div>
      )}
      <label className="field">
        <span>{texts.comment}</span>
        <textarea value={comment} rows={2} dir="auto" readOnly={!canEdit} placeholder={texts.commentHint} onChange={(event) => type(event.target.value)} onBlur={flush} />
      </label>
      <div className="field">
        <span>{texts.tags}</span>
        <Tags tags={highlight.tags} known={knownTags} canEdit={canEdit} onAdd={(tag) => library.editHighlight(id, { addTags: [tag] })}
          onRemove={(tag) => library.editHighlight(id, { removeTags: [tag] })} />
      </div>
      {notes.length > 0 && (
        <div className="field">
          <span>{texts.notesOnThis}</span>
          <ul className="note-links">
            {notes.map((note) => (
              <li key={note.id}>
                <button type="button" className="link-button" dir="auto" onClick={() => onNote(note.id)}>
                  <Icon name="note" />
                  {note.title || note.text.slice(0, 60) || texts.untitled}
                </button>
              </li>
            ))}
          </ul>
        </div>
      )}
      {discussion}
      <footer>
        {canEdit && (
          <button type="button" className="button" onClick={() => onNote(null)}>
            <Icon name="note" />
            {texts.addNote}
          </button>
        )}
        <span className="byline" dir="auto">{highlight.createdBy && texts.madeBy(highlight.createdBy)}</span>
        {canEdit && (
          <button type="button" className="button danger" onClick={onDelete}>
            <Icon name="trash" />
            {texts.delete}
          </button>
        )}
      </footer>
    </div>
  );
}

const WIDTH = 352;
const HEIGHT = 430;

/** Below its mark if there is room, else above; on a phone the style sheet puts it at the bottom. */
function at(rect: DOMRect | null): object {
  if (!rect) return { "--x": `${Math.max(16, innerWidth / 2 - WIDTH / 2)}px`, "--y": "88px" };
  const x = Math.min(Math.max(rect.left, 16), innerWidth - WIDTH - 16);
  const below = rect.bottom + 10;
  const y = below + HEIGHT < innerHeight ? below : Math.max(72, Math.min(rect.top - HEIGHT - 10, innerHeight - HEIGHT - 16));
  return { "--x": `${x}px`, "--y": `${y}px` };
}

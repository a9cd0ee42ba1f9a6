/** The panel beside the text (over it on a phone): highlights, notes, the trash, and a note that is open. */
import type { Highlight, LibraryClient } from "crdt-sync";
import { Suspense, lazy, useId, useState } from "react";
import type { KeyboardEvent, ReactNode, RefObject } from "react";
import type { Chapter } from "../bible/place";
import { Icon } from "../parts/Icon";
import { useTexts } from "../texts";
import { HighlightList, NO_FILTERS } from "./HighlightList";
import { NoteList } from "./NoteList";
import { TrashList } from "./TrashList";

const NoteView = lazy(() => import("../notes/NoteView"));

export const TABS = ["highlights", "notes", "trash"] as const;
export type Tab = (typeof TABS)[number];

export interface PanelProps {
  library: LibraryClient;
  here: Chapter;
  tab: Tab;
  onTab: (tab: Tab) => void;
  note: string | null;
  onNote: (id: string | null) => void;
  tags: readonly string[];
  activeId: string | null;
  canEdit: boolean;
  search: RefObject<HTMLInputElement | null>;
  onOpen: (highlight: Highlight) => void;
  onNewNote: () => void;
  onClose: () => void;
}

export function Panel({ library, here, tab, onTab, note, onNote, tags, activeId, canEdit, search, onOpen, onNewNote, onClose }: PanelProps): ReactNode {
  const texts = useTexts();
  const base = useId();
  const [filters, setFilters] = useState(NO_FILTERS);
  const [noteText, setNoteText] = useState("");
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]!;
    onTab(next);
    document.getElementById(`${base}-${next}`)?.focus();
  };
  return (
    <aside className="panel" aria-label={texts.panel} onKeyDown={(event) => event.key === "Escape" && (note === null ? onClose() : onNote(null))}>
      <header className="panel-head">
        <div role="tablist" aria-label={texts.panel} onKeyDown={onKeyDown}>
          {TABS.map((each) => (
            <button key={each} id={`${base}-${each}`} type="button" role="tab" aria-selected={tab === each} aria-controls={`${base}-panel`}
              tabIndex={tab === each ? 0 : -1}
              onClick={() => {
                onTab(each);
                onNote(null);
              }}
            >
              {texts[each]}
            </button>
          ))}
        </div>
        <button type="button" className="icon-button" aria-label={texts.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div id={`${base}-panel`} className="panel-body" role="tabpanel" aria-labelledby={`${base}-${tab}`}>
        {tab === "highlights" && <HighlightList {...{ here, filters, tags, activeId, search, onOpen }} onFilters={setFilters} />}
        {tab === "notes" && note === null && <NoteList text={noteText} onText={setNoteText} canEdit={canEdit} search={search} onOpen={onNote} onNew={onNewNote} />}
        {tab === "notes" && note !== null && (
          <Suspense fallback={<p className="empty" role="status">{texts.loading}</p>}>
            <NoteView key={note} id={note} library={library} tags={tags} canEdit={canEdit} onNote={onNote} onHighlight={onOpen} />
          </Suspense>
        )}
        {tab === "trash" && <TrashList library={library} canEdit={canEdit} />}
      </div>
    </aside>
  );
}

/** The notes, newest first, with a search over their texts. */
import type { Note } from "crdt-sync";
import { useNotes } from "crdt-sync/react";
import { useDeferredValue } from "react";
import type { ReactNode, RefObject } from "react";
import { Icon } from "../parts/Icon";
import { VirtualList } from "../parts/VirtualList";
import { useTexts } from "../texts";

const ROW_HEIGHT = 76;

export interface NoteListProps {
  text: string;
  onText: (text: string) => void;
  canEdit: boolean;
  search: RefObject<HTMLInputElement | null>;
  onOpen: (id: string) => void;
  onNew: () => void;
}

export function NoteList({ text, onText, canEdit, search, onOpen, onNew }: NoteListProps): ReactNode {
  const texts = useTexts();
  const words = useDeferredValue(text).trim();
  const notes = useNotes(words ? { text: words } : {});
  return (
    <>
      <div className="filters">
        <input ref={search} type="search" value={text} placeholder={texts.searchNotes} aria-label={texts.searchNotes} dir="auto" onChange={(event) => onText(event.target.value)} />
        <div className="filter-row">
          {canEdit && (
            <button type="button" className="button" onClick={onNew}>
              <Icon name="plus" />
              {texts.newNote}
            </button>
          )}
          <span className="count" role="status">{texts.notesShown(notes.length)}</span>
        </div>
      </div>
      {notes.length ? (
        <VirtualList items={notes} rowHeight={ROW_HEIGHT} label={texts.notes} keyOf={keyOf}
          row={(note) => (
            <button type="button" className="row" onClick={() => onOpen(note.id)}>
              <span className="row-head">
                <strong dir="auto">{note.title || texts.untitled}</strong>
                {note.tags.slice(0, 3).map((tag) => <span key={tag} className="tag" dir="auto">{tag}</span>)}
              </span>
              <span className="row-text" dir="auto">{note.text}</span>
            </button>
          )}
        />
      ) : (
        <p className="empty">{words ? texts.nothingFound : texts.noNotes}</p>
      )}
    </>
  );
}

const keyOf = ({ id }: Note): string => id;

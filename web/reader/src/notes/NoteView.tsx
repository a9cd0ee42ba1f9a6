/** A note, open: title, body, tags, what it is on and what links to it. Loaded when the first note is opened. */
import type { Highlight, LibraryClient } from "crdt-sync";
import { useNotes } from "crdt-sync/react";
import { useEffect, useMemo, useRef } from "react";
import type { ReactNode } from "react";
import { parsePlace } from "../bible/place";
import { shownColor } from "../marks/colors";
import { Icon } from "../parts/Icon";
import { Tags } from "../parts/Tags";
import { useToast } from "../parts/Toasts";
import { useDraft } from "../parts/useDraft";
import { goTo } from "../reading/route";
import { usePlaceName, useTexts } from "../texts";
import { NoteEditor } from "./NoteEditor";
import { backlinksOf } from "./backlinks";
import type { Target } from "./links";

export interface NoteViewProps {
  id: string;
  library: LibraryClient;
  tags: readonly string[];
  canEdit: boolean;
  onNote: (id: string | null) => void;
  onHighlight: (highlight: Highlight) => void;
}

export default function NoteView({ id, library, tags, canEdit, onNote, onHighlight }: NoteViewProps): ReactNode {
  const texts = useTexts();
  const toast = useToast();
  const placeName = usePlaceName();
  const notes = useNotes();
  const note = notes.find((each) => each.id === id);
  const [title, type, flush] = useDraft(note?.title ?? "", (text) => {
    if (library.note(id)) library.editNote(id, { title: text });
  });
  const titleField = useRef<HTMLInputElement>(null);
  const isNew = useRef(note !== undefined && !note.title && !note.text);
  useEffect(() => {
    if (isNew.current) titleField.current?.focus();
  }, []);
  const backlinks = useMemo(() => (note ? backlinksOf(library, notes, note) : []), [library, notes, note]);
  if (!note) return <p className="empty">{texts.nothingFound}</p>;
  const highlight = note.highlightId === null ? undefined : library.highlight(note.highlightId);

  const follow = (target: Target) => {
    if (target.kind === "web") open(target.url, "_blank", "noopener,noreferrer");
    else if (target.kind === "note" && library.note(target.id)) onNote(target.id);
    else if (target.kind === "highlight") {
      const linked = library.highlight(target.id);
      if (linked) onHighlight(linked);
    } else if (target.kind === "verse") {
      const place = parsePlace(target.source);
      if (place) goTo(place);
    }
  };
  const remove = () => {
    library.trash(id);
    onNote(null);
    toast({ text: texts.noteDeleted, action: { label: texts.undo, run: () => library.restore(id) } });
  };
  return (
    <div className="note">
      <div className="note-bar">
        <button type="button" className="link-button" onClick={() => onNote(null)}>
          <Icon name="back" />
          {texts.notes}
        </button>
        {canEdit && (
          <button type="button" className="icon-button" aria-label={texts.delete} title={texts.delete} onClick={remove}>
            <Icon name="trash" />
          </button>
        )}
      </div>
      <input ref={titleField} className="note-title" value={title} placeholder={texts.noteTitle} aria-label={texts.noteTitle} dir="auto" readOnly={!canEdit}
        onChange={(event) => type(event.target.value)} onBlur={flush} />
      {highlight && (
        <button type="button" className="note-on" onClick={() => onHighlight(highlight)} aria-label={texts.onHighlight}>
          <span className="row-bar" data-color={shownColor(highlight.color)} />
          <strong>{placeName(highlight.anchor.source)}</strong>
          <span dir="auto" lang="en">{highlight.anchor.quote?.exact ?? ""}</span>
        </button>
      )}
      <NoteEditor id={id} library={library} notes={notes} canEdit={canEdit} onFollow={follow} />
      <Tags tags={note.tags} known={tags} canEdit={canEdit} onAdd={(tag) => library.editNote(id, { addTags: [tag] })}
        onRemove={(tag) => library.editNote(id, { removeTags: [tag] })} />
      {backlinks.length > 0 && (
        <section className="backlinks">
          <h3>{texts.backlinks}</h3>
          <ul>
            {backlinks.map((each) => (
              <li key={each.id}>
                <button type="button" className="link-button" dir="auto" onClick={() => onNote(each.id)}>
                  <Icon name="note" />
                  {each.title || texts.untitled}
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

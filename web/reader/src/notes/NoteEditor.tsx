/** The body of a note in TipTap, over the library's document: several people may type in it at once. */
import type { LibraryClient, Note } from "crdt-sync";
import { useSession } from "crdt-sync/react";
import { Editor, Extension } from "@tiptap/core";
import { Collaboration } from "@tiptap/extension-collaboration";
import { yCursorPlugin } from "@tiptap/y-tiptap";
import { useEffect, useId, useRef, useState, useSyncExternalStore } from "react";
import type { FormEvent, ReactNode } from "react";
import type { Awareness } from "y-protocols/awareness";
import { personOf } from "../../../src/library/person";
import { Icon } from "../parts/Icon";
import type { IconName } from "../parts/Icon";
import { useTexts } from "../texts";
import type { Texts } from "../texts";
import { Carets, caret } from "./carets";
import { hrefOf, targetOf } from "./links";
import type { Target } from "./links";
import { BODY_EXTENSIONS } from "./schema";

/** TipTap would parse no content as a text of HTML, and the page's Trusted Types let nobody parse HTML. */
const EMPTY = { type: "doc", content: [{ type: "paragraph" }] };

export interface NoteEditorProps {
  id: string;
  library: LibraryClient;
  notes: readonly Note[];
  canEdit: boolean;
  onFollow: (target: Target) => void;
}

export function NoteEditor({ id, library, notes, canEdit, onFollow }: NoteEditorProps): ReactNode {
  const texts = useTexts();
  const { session } = useSession();
  const place = useRef<HTMLDivElement>(null);
  const [editor, setEditor] = useState<Editor | null>(null);
  const follow = useRef(onFollow);
  const label = texts.noteBody;
  const awareness = session?.provider.awareness;
  follow.current = onFollow;

  useEffect(() => {
    if (!place.current || !awareness) return;
    const made = new Editor({
      element: place.current,
      editable: canEdit,
      injectCSS: false, // the page takes no style but its own
      content: EMPTY,
      extensions: [
        ...BODY_EXTENSIONS,
        Collaboration.configure({ fragment: library.noteBody(id) }),
        caretsOf(awareness),
      ],
      editorProps: {
        attributes: { "aria-label": label, "aria-multiline": "true", role: "textbox", dir: "auto", class: "note-body" },
        handleClick: (_, __, event) => {
          const target = targetOf((event.target as Element).closest("a")?.getAttribute("data-href"));
          if (!target) return false;
          follow.current(target);
          return true;
        },
      },
    });
    setEditor(made);
    return () => {
      awareness.setLocalStateField("cursor", null);
      made.destroy();
      setEditor(null);
    };
  }, [id, library, awareness, canEdit, label]);

  return (
    <div className="editor">
      {editor && canEdit && <FormatBar editor={editor} notes={notes} texts={texts} />}
      <div ref={place} />
    </div>
  );
}

function caretsOf(awareness: Awareness): Extension {
  return Extension.create({
    name: "carets",
    addProseMirrorPlugins: () => [yCursorPlugin(new Carets(awareness, personOf) as unknown as Awareness, { cursorBuilder: caret, selectionBuilder: selected })],
  });
}

const selected = ({ color }: { color: string }) => ({ class: "caret-selection", style: `--person: ${/^#[0-9a-f]{6}$/.test(color) ? color : "#777777"}` });

interface Button {
  readonly icon: IconName;
  readonly label: (texts: Texts) => string;
  readonly isOn: (editor: Editor) => boolean;
  readonly run: (editor: Editor) => void;
}

const BUTTONS: readonly Button[] = [
  { icon: "bold", label: (texts) => texts.bold, isOn: (editor) => editor.isActive("bold"), run: (editor) => editor.chain().focus().toggleBold().run() },
  { icon: "italic", label: (texts) => texts.italic, isOn: (editor) => editor.isActive("italic"), run: (editor) => editor.chain().focus().toggleItalic().run() },
  { icon: "strike", label: (texts) => texts.strike, isOn: (editor) => editor.isActive("strike"), run: (editor) => editor.chain().focus().toggleStrike().run() },
  { icon: "heading", label: (texts) => texts.heading, isOn: (editor) => editor.isActive("heading"), run: (editor) => editor.chain().focus().toggleHeading({ level: 2 }).run() },
  { icon: "bullets", label: (texts) => texts.bulletList, isOn: (editor) => editor.isActive("bulletList"), run: (editor) => editor.chain().focus().toggleBulletList().run() },
  { icon: "numbers", label: (texts) => texts.orderedList, isOn: (editor) => editor.isActive("orderedList"), run: (editor) => editor.chain().focus().toggleOrderedList().run() },
  { icon: "quote", label: (texts) => texts.quote, isOn: (editor) => editor.isActive("blockquote"), run: (editor) => editor.chain().focus().toggleBlockquote().run() },
];

function FormatBar({ editor, notes, texts }: { editor: Editor; notes: readonly Note[]; texts: Texts }): ReactNode {
  const [linking, setLinking] = useState(false);
  // what is on where the caret stands, as a text: it is compared at each transaction
  const on = useSyncExternalStore(
    (listener) => {
      editor.on("transaction", listener);
      return () => editor.off("transaction", listener);
    },
    () => (editor.isDestroyed ? "" : [...BUTTONS.map(({ isOn }) => (isOn(editor) ? "1" : "0")), editor.isActive("link") ? "1" : "0"].join("")),
  );
  return (
    <>
      <div className="format-bar" role="toolbar" aria-label={texts.format} onMouseDown={(event) => event.preventDefault()} /* the focus stays in the text */>
        {BUTTONS.map(({ icon, label, run }, at) => (
          <button key={icon} type="button" className="icon-button" aria-label={label(texts)} title={label(texts)} aria-pressed={on[at] === "1"} onClick={() => run(editor)}>
            <Icon name={icon} />
          </button>
        ))}
        <button type="button" className="icon-button" aria-label={texts.link} title={texts.link} aria-pressed={on[BUTTONS.length] === "1"} onClick={() => setLinking(!linking)}>
          <Icon name="link" />
        </button>
      </div>
      {linking && <LinkField editor={editor} notes={notes} texts={texts} onDone={() => setLinking(false)} />}
    </>
  );
}

function LinkField({ editor, notes, texts, onDone }: { editor: Editor; notes: readonly Note[]; texts: Texts; onDone: () => void }): ReactNode {
  const field = useId();
  const [typed, setTyped] = useState(() => String(editor.getAttributes("link").href ?? ""));
  const [isBad, setBad] = useState(false);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const href = hrefOf(typed, notes);
    if (href === null) return setBad(true);
    const chain = editor.chain().focus();
    if (editor.state.selection.empty && !editor.isActive("link"))
      chain.insertContent({ type: "text", text: typed.trim(), marks: [{ type: "link", attrs: { href } }] }).run();
    else chain.extendMarkRange("link").setMark("link", { href }).run();
    onDone();
  };
  return (
    <form className="link-field" onSubmit={submit}>
      <label htmlFor={field}>{texts.linkTo}</label>
      <input id={field} autoFocus value={typed} placeholder={texts.linkHint} list={`${field}-titles`} aria-invalid={isBad} aria-describedby={`${field}-error`}
        onChange={(event) => {
          setTyped(event.target.value);
          setBad(false);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          onDone();
          editor.commands.focus();
        }}
      />
      <datalist id={`${field}-titles`}>
        {notes.filter(({ title }) => title).slice(0, 100).map(({ id, title }) => <option key={id} value={title} />)}
      </datalist>
      <p id={`${field}-error`} className="error" role="alert">{isBad ? texts.linkBad : ""}</p>
      <div className="modal-actions">
        {editor.isActive("link") && (
          <button type="button" className="button"
            onClick={() => {
              editor.chain().focus().extendMarkRange("link").unsetMark("link").run();
              onDone();
            }}
          >
            {texts.linkRemove}
          </button>
        )}
        <button type="submit" className="button primary">{texts.linkSet}</button>
      </div>
    </form>
  );
}

/** A chapter: its verses with their marks, what is selected in it, and the keys that go through it. */
import type { Highlight } from "crdt-sync";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { KeyboardEvent, MouseEvent, ReactNode } from "react";
import type { BookText, VerseText } from "../bible/text";
import { COLORS } from "../marks/colors";
import { standingOf, useMarks } from "../marks/useMarks";
import { SelectionBar } from "./SelectionBar";
import { Verse, noMarks } from "./Verse";
import { readSelection, versesChosen } from "./selection";
import type { Chosen } from "./selection";

export interface ChapterProps {
  book: BookText;
  chapter: number;
  target: number | null;
  heading: string;
  highlights: readonly Highlight[];
  annotated: ReadonlySet<string>;
  activeId: string | null;
  canEdit: boolean;
  onColor: (chosen: Chosen, color: string) => void;
  onNote: (chosen: Chosen) => void;
  onCopy: (chosen: Chosen) => void;
  onOpen: (ids: readonly string[], rect: DOMRect) => void;
}

export function Chapter({ book, chapter, target, heading, highlights, annotated, activeId, canEdit, onColor, onNote, onCopy, onOpen }: ChapterProps): ReactNode {
  const root = useRef<HTMLElement>(null);
  const verses = book.chapters[chapter - 1]!;
  const marks = useMarks(book, chapter, highlights, annotated);
  const [current, setCurrent] = useState(target ?? 1);
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const from = useRef<number | null>(null); // where a choice of verses began

  useEffect(() => {
    const read = () => {
      if (root.current?.contains(document.activeElement) && from.current !== null) return;
      const selected = root.current && readSelection(root.current, verses);
      setChosen((before) => selected ?? (before?.verses ? before : null));
    };
    let timer: ReturnType<typeof setTimeout>;
    const onChange = () => {
      clearTimeout(timer);
      timer = setTimeout(read, 180);
    };
    document.addEventListener("selectionchange", onChange);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("selectionchange", onChange);
    };
  }, [verses]);

  useEffect(() => {
    if (target === null) scrollTo({ top: 0 });
    else root.current?.querySelector(`[data-verse="${target}"]`)?.scrollIntoView({ block: "center" });
  }, [target, verses]);

  const leave = useCallback(() => {
    from.current = null;
    setChosen(null);
    getSelection()?.removeAllRanges();
  }, []);
  const use = (act: (chosen: Chosen) => void) => () => {
    if (chosen) act(chosen);
    const verse = chosen?.verses?.[1];
    leave();
    if (verse) focusVerse(root.current, verse);
  };
  const choose = (verse: number, extend: boolean) => {
    from.current = extend ? (from.current ?? verse) : verse;
    setChosen(versesChosen(root.current!, verses, from.current, verse));
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const color = Number(event.key);
    if (step !== undefined && (event.target as Element).closest(".verse-number, .selection-bar")) {
      event.preventDefault();
      const next = Math.min(Math.max(current + step, 1), verses.length);
      setCurrent(next);
      focusVerse(root.current, next);
      if (event.shiftKey) {
        from.current ??= current;
        setChosen(versesChosen(root.current!, verses, from.current, next));
      } else leave();
    } else if (event.key === "Escape" && chosen) {
      event.stopPropagation();
      leave();
      focusVerse(root.current, current);
    } else if (chosen && canEdit && color >= 1 && color <= 6 && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      use((one) => onColor(one, COLORS[color - 1]!))();
    } else if (chosen && canEdit && event.key.toLowerCase() === "n" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      use(onNote)();
    }
  };
  // with words selected by the pointer the focus is on the body
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (root.current?.contains(event.target as Node) || (event.target as Element).closest?.("input, textarea, [contenteditable], dialog")) return;
      if (chosen) onKeyDown(event as unknown as KeyboardEvent);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });

  const touched = useMemo(
    () =>
      chosen
        ? highlights.filter((each) => {
            const standing = each.anchor.source?.startsWith(`${book.id}.`) ? standingOf(book, each) : null;
            return standing && standing.start < chosen.end && chosen.start < standing.end;
          })
        : [],
    [chosen, highlights, book],
  );

  const onClick = (event: MouseEvent) => {
    const element = event.target as Element;
    const number = element.closest<HTMLElement>(".verse-number");
    if (number) {
      const verse = Number(number.parentElement!.dataset.verse);
      setCurrent(verse);
      choose(verse, event.shiftKey);
      return;
    }
    const mark = element.closest<HTMLElement>("mark");
    if (mark?.dataset.ids && getSelection()?.isCollapsed !== false) onOpen(mark.dataset.ids.split(" "), mark.getBoundingClientRect());
    else if (chosen?.verses) leave();
  };

  const rangeOf = chosen?.verses ?? [0, -1];
  return (
    <article ref={root} className="chapter" aria-label={heading} onClick={onClick} onKeyDown={onKeyDown}>
      {paragraphsOf(verses).map((paragraph) => (
        <p key={paragraph[0]!.number} dir="auto">
          {paragraph.map((verse) => (
            <Verse key={verse.number} verse={verse} marks={marks.get(verse.number) ?? noMarks} isCurrent={verse.number === current}
              isChosen={verse.number >= rangeOf[0]! && verse.number <= rangeOf[1]!} isTarget={verse.number === target} activeId={activeId} />
          ))}
        </p>
      ))}
      {chosen && (
        <SelectionBar chosen={chosen} touched={touched} canEdit={canEdit} onColor={(color) => use((one) => onColor(one, color))()} onNote={use(onNote)}
          onCopy={use(onCopy)} onClose={leave}
          onOpen={(id) => {
            const { rect } = chosen;
            leave();
            onOpen([id], rect);
          }}
        />
      )}
    </article>
  );
}



function focusVerse(root: HTMLElement | null, verse: number): void {
  const button = root?.querySelector<HTMLElement>(`[data-verse="${verse}"] .verse-number`);
  button?.focus({ preventScroll: true });
  button?.scrollIntoView({ block: "nearest" });
}

function paragraphsOf(verses: readonly VerseText[]): VerseText[][] {
  const paragraphs: VerseText[][] = [];
  for (const verse of verses)
    if (verse.beginsParagraph || !paragraphs.length) paragraphs.push([verse]);
    else paragraphs.at(-1)!.push(verse);
  return paragraphs;
}

/** One verse: its number, which is what the keyboard goes by, and its text in pieces. */
import { memo } from "react";
import type { ReactNode } from "react";
import type { VerseText } from "../bible/text";
import { segmentsOf } from "../marks/segments";
import type { Mark, Segment } from "../marks/segments";
import { useTexts } from "../texts";

export interface VerseProps {
  verse: VerseText;
  marks: readonly Mark[];
  isCurrent: boolean;
  isChosen: boolean;
  isTarget: boolean;
  activeId: string | null;
}

const NONE: readonly Mark[] = [];
export const noMarks = NONE;

export const Verse = memo(function Verse({ verse, marks, isCurrent, isChosen, isTarget, activeId }: VerseProps): ReactNode {
  const texts = useTexts();
  return (
    <span className="verse" data-verse={verse.number} data-chosen={isChosen || undefined} data-target={isTarget || undefined}>
      <button type="button" className="verse-number" tabIndex={isCurrent ? 0 : -1} aria-label={texts.verse(verse.number)} aria-pressed={isChosen}>
        {verse.number}
      </button>
      {"\u2060" /* a number never ends a line */}
      <span className="verse-text" lang="en" dir="auto">
        {segmentsOf(verse.text.length, marks, verse.italics).map((segment) => (
          <Piece key={segment.start} text={verse.text.slice(segment.start, segment.end)} segment={segment} activeId={activeId} />
        ))}
      </span>{" "}
    </span>
  );
}, alike);

function Piece({ text, segment, activeId }: { text: string; segment: Segment; activeId: string | null }): ReactNode {
  const words = segment.isItalic ? <i>{text}</i> : text;
  const top = segment.marks.at(-1);
  if (!top) return words;
  const under = segment.marks.at(-2);
  return (
    <mark
      data-ids={segment.marks.map(({ id }) => id).join(" ")}
      data-color={top.color}
      data-under={under?.color}
      data-unsure={segment.marks.some(({ isUnsure }) => isUnsure) || undefined}
      data-noted={segment.marks.some(({ hasNote, end }) => hasNote && end === segment.end) || undefined}
      data-active={segment.marks.some(({ id }) => id === activeId) || undefined}
    >
      {words}
    </mark>
  );
}

function alike(one: VerseProps, other: VerseProps): boolean {
  if (one.verse !== other.verse || one.isCurrent !== other.isCurrent || one.isChosen !== other.isChosen || one.isTarget !== other.isTarget) return false;
  if (one.activeId !== other.activeId && [...one.marks, ...other.marks].some(({ id }) => id === one.activeId || id === other.activeId)) return false;
  return one.marks === other.marks || JSON.stringify(one.marks) === JSON.stringify(other.marks);
}

/** Overlapping highlights cut into pieces of one kind each: what a verse is rendered from. */

export interface Mark {
  readonly id: string;
  readonly color: string;
  readonly start: number;
  readonly end: number;
  readonly isUnsure: boolean;
  readonly hasNote: boolean;
}

export interface Segment {
  readonly start: number;
  readonly end: number;
  readonly isItalic: boolean;
  /** The highlights that cover it, the one on top last. */
  readonly marks: readonly Mark[];
}

/** Cuts `[0, length)` wherever a mark or an italic begins or ends. A shorter mark lies on top of a longer one. */
export function segmentsOf(length: number, marks: readonly Mark[], italics: readonly (readonly [number, number])[]): Segment[] {
  const cuts = new Set([0, length]);
  for (const { start, end } of marks) cuts.add(start).add(end);
  for (const [start, end] of italics) cuts.add(start).add(end);
  const at = [...cuts].filter((cut) => cut >= 0 && cut <= length).sort((one, other) => one - other);
  const ordered = [...marks].sort((one, other) => other.end - other.start - (one.end - one.start) || (one.id < other.id ? -1 : 1));
  return at.slice(0, -1).map((start, index) => {
    const end = at[index + 1]!;
    return {
      start,
      end,
      isItalic: italics.some(([from, to]) => from <= start && end <= to),
      marks: ordered.filter((mark) => mark.start <= start && end <= mark.end),
    };
  });
}

/** What is selected in a chapter, in the units of the book's text. */
import type { VerseText } from "../bible/text";

export interface Chosen {
  readonly start: number;
  readonly end: number;
  /** Where it is on the screen. */
  readonly rect: DOMRect;
  /** The verses that were chosen by the keyboard, and not words by the pointer. */
  readonly verses: readonly [first: number, last: number] | null;
}

/** Reads the browser's selection; null if it holds no words of the chapter. */
export function readSelection(chapter: HTMLElement, verses: readonly VerseText[]): Chosen | null {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  if (!range.intersectsNode(chapter)) return null;
  let start = Infinity;
  let end = -Infinity;
  for (const element of chapter.querySelectorAll<HTMLElement>(".verse-text")) {
    if (!range.intersectsNode(element)) continue;
    const verse = verses[Number(element.parentElement!.dataset.verse) - 1];
    if (!verse) continue;
    const from = element.contains(range.startContainer) ? lengthBefore(element, range.startContainer, range.startOffset) : 0;
    const to = element.contains(range.endContainer) ? lengthBefore(element, range.endContainer, range.endOffset) : verse.text.length;
    if (from >= to) continue;
    start = Math.min(start, verse.start + from);
    end = Math.max(end, verse.start + to);
  }
  return start < end ? { start, end, rect: range.getBoundingClientRect(), verses: null } : null;
}

function lengthBefore(element: HTMLElement, node: Node, offset: number): number {
  const range = document.createRange();
  range.setStart(element, 0);
  range.setEnd(node, offset);
  return range.toString().length;
}

/** Returns whole verses as a choice. */
export function versesChosen(chapter: HTMLElement, verses: readonly VerseText[], one: number, other: number): Chosen | null {
  const [first, last] = one < other ? [one, other] : [other, one];
  const [from, to] = [verses[first - 1], verses[last - 1]];
  const element = chapter.querySelector(`[data-verse="${other}"]`);
  if (!from || !to || !element) return null;
  return { start: from.start, end: to.start + to.text.length, rect: element.getBoundingClientRect(), verses: [first, last] };
}

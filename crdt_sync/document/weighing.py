"""Compares a quote and what surrounded it with a place of a text, all folded: how alike they are, and where it ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein
from rapidfuzz.distance._initialize import Opcode

from crdt_sync.document.anchors import Quote
from crdt_sync.document.folding import Folded
from crdt_sync.document.seeking import Cluster

__all__ = ["LONG", "Place", "Sought", "aligned", "ends_joined", "place", "shared", "trimmed"]

LONG = 1024
"""A quote that is longer, with what surrounds it, is compared by its two ends and by samples between them."""
END = 400
_SAMPLES, _SAMPLE = 8, 32
_REACH, _EDGE, _AROUND = 160, 64, 32
_FITS, _FITS_ROUGHLY = 0.85, 0.65
_PAUSES, _PAUSE = tuple(".,:;!?"), 12
_STARTS, _ENDS = re.compile(r"(?<!\S)\S"), re.compile(r"\S(?!\S)|\w(?!\w)")


@dataclass(frozen=True, slots=True)
class Sought:
    """A quote and its surroundings, folded: `text[start:end]` is the quote, without white space at its ends."""

    text: str
    start: int
    end: int

    @classmethod
    def of(cls, quote: Quote) -> Sought:
        """Fold a quote together with what surrounds it, as it is folded in a text."""
        folded = Folded(quote.prefix + quote.exact + quote.suffix)
        end = folded.folded(len(quote.prefix) + len(quote.exact))
        start = min(folded.folded(len(quote.prefix)), end)
        while start < end and folded.text[start] == " ":
            start += 1
        while end > start and folded.text[end - 1] == " ":
            end -= 1
        return cls(folded.text, start, end)

    @property
    def quote(self) -> str:
        """The quote alone."""
        return self.text[self.start : self.end]

    @property
    def is_long(self) -> bool:
        """Whether it is compared by its ends."""
        return len(self.text) > LONG

    def ends(self) -> tuple[Sought, Sought]:
        """Return its beginning and its end, each with what is around it, to be looked for by themselves."""
        tail_from = self.end - END
        head = Sought(self.text[: self.start + END], self.start, self.start + END)
        return head, Sought(self.text[tail_from:], 0, END)


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of the folded text: how alike its words are to the quote, and with its surroundings, 0 to 1."""

    start: int
    end: int
    words: float
    score: float


def place(text: str, sought: Sought, start: int, end: int, words: float | None = None) -> Place:
    """Weigh a place; each character counts alike, those around the quote too. `words` is known or compared."""
    quote, prefix, suffix = sought.quote, sought.text[: sought.start], sought.text[sought.end :]
    if words is None:
        words = Levenshtein.normalized_similarity(quote, text[start:end])
    before = Levenshtein.normalized_similarity(prefix, text[max(start - len(prefix), 0) : start]) * len(prefix)
    after = Levenshtein.normalized_similarity(suffix, text[end : end + len(suffix)]) * len(suffix)
    return Place(start, end, words, (words * len(quote) + before + after) / max(len(sought.text), 1))


def aligned(text: str, sought: Sought, cluster: Cluster) -> Place:
    """Return the place at which the pieces of a cluster say that the quote is."""
    (first_at, first_hit), (last_at, last_hit) = cluster.first, cluster.last
    low = max(first_hit - first_at, 0)
    high = max(min(last_hit + len(sought.text) - last_at, len(text)), low)
    opcodes = list(Levenshtein.opcodes(sought.text, text[low:high]))
    start, end = low + _start(opcodes, sought.start), low + _end(opcodes, sought.end)
    return place(text, sought, min(start, end), end)


def shared(text: str, sought: Sought, found: Place) -> tuple[int, str]:
    """Return the offset in `sought` of the longest stretch that it shares with a place, and that stretch."""
    low = max(found.start - sought.start, 0)
    near = text[low : found.end + len(sought.text) - sought.end]
    equal = [each for each in Levenshtein.opcodes(sought.text, near) if each.tag == "equal"]
    if not equal:
        return 0, ""
    longest = max(equal, key=lambda each: each.src_end - each.src_start)
    return longest.src_start, sought.text[longest.src_start : longest.src_end]


def ends_joined(text: str, sought: Sought, heads: Sequence[Place], tails: Sequence[Place]) -> list[Place]:
    """Return the places of a long quote: where its beginning is, and its end not too near and not too far after it."""
    quote, joined = sought.quote, []
    samples = [quote[at : at + _SAMPLE] for at in range(END, len(quote) - END, max(len(quote) // _SAMPLES, _SAMPLE))]
    for head in heads:
        for tail in tails:
            if len(quote) <= 2 * (tail.end - head.start) <= 4 * len(quote):
                between = text[head.start : tail.end]
                kept = sum(sample in between for sample in samples) / len(samples) if samples else 1.0
                words = (head.words + tail.words + kept) / 3
                joined.append(Place(head.start, tail.end, words, (head.score + tail.score + kept) / 3))
    return joined


def trimmed(text: str, sought: Sought, found: Place) -> Place:
    """Return a place whose ends are where the words at the quote's ends fit best: whole words, if those were whole."""
    if sought.is_long or not sought.quote:
        return found
    quote, start, end = sought.quote, found.start, found.end
    if sought.start == 0 or not (sought.text[sought.start - 1].isalnum() and quote[0].isalnum()):
        edge = _Edge(text, sought.text[: sought.start][-_AROUND:], quote[:_EDGE])
        start = edge.best(start, lambda low, high: [at for at in _starts(text, low, high) if at < end])
    if sought.end == len(sought.text) or not (sought.text[sought.end].isalnum() and quote[-1].isalnum()):
        edge = _Edge(text, quote[-_EDGE:], sought.text[sought.end :][:_AROUND])
        end = edge.best(end, lambda low, high: [at for at in _ends(text, low, high) if at > start])
    return place(text, sought, start, end)


@dataclass(frozen=True, slots=True)
class _Edge:
    """One end of a quote: what should stand before and after it."""

    text: str
    before: str
    after: str

    def best(self, expected: int, within: Callable[[int, int], list[int]]) -> int:
        """Return the place that fits best, looking no further than is needed."""
        best = expected
        for reach, enough in ((0, _FITS), (_REACH // 4, _FITS_ROUGHLY), (_REACH, 0.0)):
            if several := within(max(expected - reach, 0), expected + reach):
                best, fit = self._best_of(several, expected)
                if fit >= enough:
                    break
        return best

    def _best_of(self, several: list[int], expected: int) -> tuple[int, float]:
        """Return the place on whose sides most characters are as wanted, and their share; of two alike the nearer."""
        text, before, after = self.text, self.before, self.after
        wanted = max(len(before) + len(after), 1)
        is_end = bool(after) and bool(before) and before.rstrip()[-1:] in _PAUSES
        best, most = expected, -1.0
        for at in sorted(several, key=lambda at: (abs(at - expected), at)):
            pause = _PAUSE if is_end and text[max(at - 2, 0) : at].rstrip()[-1:] in _PAUSES else 0
            left = Levenshtein.normalized_similarity(before, text[max(at - len(before), 0) : at]) * len(before)
            if (left + len(after) + pause) / wanted > most:  # else it cannot be better, whatever follows
                right = Levenshtein.normalized_similarity(after, text[at : at + len(after)]) * len(after)
                fit = (left + right + pause) / wanted
                if fit > most:
                    best, most = at, fit
        return best, most


def _starts(text: str, low: int, high: int) -> list[int]:
    return [each.start() for each in _STARTS.finditer(text, low, high + 1)]


def _ends(text: str, low: int, high: int) -> list[int]:
    return [each.end() for each in _ENDS.finditer(text, max(low - 1, 0), high)]


def _start(opcodes: Sequence[Opcode], offset: int) -> int:
    """Return where in the other text what starts at `offset` starts."""
    for code in opcodes:
        if code.src_start <= offset < code.src_end:
            width = code.dest_end - code.dest_start
            return int(code.dest_start + (offset - code.src_start) * width // (code.src_end - code.src_start))
    return int(opcodes[-1].dest_end) if opcodes else 0


def _end(opcodes: Sequence[Opcode], offset: int) -> int:
    """Return where in the other text what ends at `offset` ends."""
    for code in opcodes:
        if code.src_start < offset <= code.src_end:
            width = code.dest_end - code.dest_start
            return int(code.dest_end - (code.src_end - offset) * width // (code.src_end - code.src_start))
    return int(opcodes[0].dest_start) if opcodes else 0

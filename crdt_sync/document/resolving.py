"""Where an anchor stands in a text, and how sure that is: no answer is better than a wrong one given with confidence.

The steps are those of the W3C Web Annotation Data Model for several selectors of one target: the position, checked
against the quote; the quote to the letter; the quote folded (`document/folding.py`); what is most alike. The numbers
below were chosen on two editions of one text, the King James and the American Standard Version (docs/anchors.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import log10
from typing import Any

from crdt_sync.document.anchors import Anchor, Position, Quote
from crdt_sync.document.folding import Folded
from crdt_sync.document.offsets import whole_characters
from crdt_sync.document.resolution import Candidate, FoundBy, Resolution, Verdict
from crdt_sync.document.seeking import FOUND_BY_PIECES, MAX_OCCURRENCES, Pieces, clusters_near, occurrences
from crdt_sync.document.weighing import Place, Sought, aligned, ends_joined, place, shared, trimmed
from crdt_sync.errors import InvalidEdit

__all__ = ["AROUND", "Text"]

AROUND = 32
"""How many code points before and after a quote an anchor keeps."""
ENOUGH = 0.6
"""The score from which on a place near the recorded position is believed, for a long quote; a short one needs more."""
SHORT = 14
"""How much more: so many characters' worth. With 71 characters, a word and what is around it, it comes to 0.8."""
ENOUGH_ELSEWHERE = 0.8
"""The same for a place that is not near, or when no position was recorded."""
NEAR, NEAR_AT_LEAST = 0.01, 2048
"""What is near: so much of the text's length, or so many characters. Another edition moves a passage less."""
MARGIN, MARGIN_OF_KIN = 0.1, 0.3
"""How much better the best place must be than the next; the second, where the next is of its kind and no stranger."""
KIN = 0.5
"""The score from which on two places are of a kind, as formulas and parallel passages are. Strangers have less."""
SAME_WORDS = 0.4
"""How alike the quote itself must be, however well its surroundings fit."""
WEIGHT = 24
"""How many characters must agree, in the quote and around it; one of a script without spaces counts as 3."""
IN_SHORT_TEXT = 3.5
"""How many suffice for each power of ten of the text's length, if all stand there to the letter and only there."""
_RARE = 1 / 1000
_COUNTED = 65_536
_SHOWN, _KEPT = 5, 20
_IN_QUESTION = 0.25


class Text:
    """A text in which anchors are made and looked for. It is folded when that is first needed, once.

    Raises `InvalidEdit` if it holds half a character (a lone surrogate). All offsets are code points; for JavaScript's
    and others' see `Offsets`.
    """

    def __init__(self, text: str) -> None:
        whole_characters(text)
        self.text = text
        self._folding: Folded | None = None

    # Making anchors

    def anchor(
        self,
        start: int,
        end: int,
        *,
        work: Mapping[str, Any] | None = None,
        source: str | None = None,
        heading: str | None = None,
        page: str | None = None,
    ) -> Anchor:
        """Return the anchor of `text[start:end]`: the words, what surrounds them, the position and the progression.

        Raises `InvalidEdit` if there is no such stretch, or it is empty.
        """
        if not 0 <= start < end <= len(self.text):
            raise InvalidEdit(
                f"a highlight has a start from 0 on and ends after it, within the text's {len(self.text)} code points; "
                f"this one goes from {start} to {end}"
            )
        return self.moved(Anchor(work=work or {}, source=source or "", heading=heading, page=page), start, end, source)

    def moved(self, anchor: Anchor, start: int, end: int, source: str | None = None) -> Anchor:
        """Return the anchor as it is when it stands at `text[start:end]`; what else it says stays."""
        before, after = self.text[max(start - AROUND, 0) : start], self.text[end : end + AROUND]
        return replace(
            anchor,
            source=anchor.source if source is None else source,
            quote=Quote(self.text[start:end], before, after),
            position=Position(start, end),
            progression=start / max(len(self.text), 1),
        )

    # Looking for them

    def find(self, words: str) -> list[tuple[int, int]]:
        """Return where words stand, as (start, end), in order: in any case, over line ends, at most 1,001 places."""
        sought = Sought.of(Quote(words)).text.strip()
        if not sought:
            return []
        starts = occurrences(self._folded.text, sought)
        return [(self._folded.start(at), self._folded.end(at + len(sought))) for at in starts]

    def resolve(self, anchor: Anchor) -> Resolution:
        """Say where an anchor stands in this text."""
        return self.resolve_all([anchor])[0]

    def resolve_all(self, anchors: Iterable[Anchor]) -> list[Resolution]:
        """Say where each anchor stands. A thousand take little longer than one: the text is gone through once."""
        anchors = list(anchors)
        answers = [self._at_position(anchor) for anchor in anchors]
        open_ = {
            at: Sought.of(anchor.quote)
            for at, anchor in enumerate(anchors)
            if answers[at] is None and anchor.quote is not None
        }
        if open_:
            pieces = Pieces(self._folded.text, _pieces_of(open_.values()))
            for at, sought in open_.items():
                answers[at] = self._searched(anchors[at], sought, pieces)
        return [answer or Resolution(Verdict.ORPHAN) for answer in answers]

    @property
    def _folded(self) -> Folded:
        if self._folding is None:
            self._folding = Folded(self.text)
        return self._folding

    def _at_position(self, anchor: Anchor) -> Resolution | None:
        """Answer what the position answers: that all stands as it did; or None."""
        quote, at = anchor.quote, anchor.position
        if quote is None or not (quote.exact or quote.prefix or quote.suffix):
            if at is None or at.end > len(self.text):
                return Resolution(Verdict.ORPHAN)
            return Resolution(Verdict.AMBIGUOUS, candidates=(Candidate(at.start, at.end, 0.0),))  # nothing to check it
        if at is None or at.end - at.start != len(quote.exact) or at.start < len(quote.prefix):
            return None
        whole, start = quote.prefix + quote.exact + quote.suffix, at.start - len(quote.prefix)
        if not self.text.startswith(whole, start) or not self._is_no_chance(whole, start):
            return None
        found = Candidate(at.start, at.end, 1.0)
        return Resolution(Verdict.EXACT, 1.0, at.start, at.end, FoundBy.POSITION, (found,))

    def _is_no_chance(self, whole: str, start: int) -> bool:
        """Whether what stands at the recorded position would hardly stand there in a text that has moved."""
        if _weight(whole) >= WEIGHT:
            return True
        around = self.text[max(start - _COUNTED, 0) : start + _COUNTED]
        return around.count(whole) <= max(_RARE * len(around), 1)

    def _searched(self, anchor: Anchor, sought: Sought, pieces: Pieces) -> Resolution:
        text = self._folded.text
        whole = pieces.occurrences(sought.text) if sought.text else []
        found = _apart(Place(at + sought.start, at + sought.end, 1.0, 1.0) for at in whole)
        is_only = len(whole) == 1 and (anchor.position is None or self._is_near(anchor, found[0]))
        if len(whole) <= 1 and not is_only:
            if not found and len(sought.quote) >= FOUND_BY_PIECES:
                quotes = pieces.occurrences(sought.quote)
                found = [place(text, sought, at, at + len(sought.quote), 1.0) for at in quotes]
            if len(found) <= MAX_OCCURRENCES:
                found += self._alike(anchor, sought, pieces)
                found += self._rivals(sought, found, pieces)
        return self._judged(anchor, sought, found, is_only)

    def _alike(self, anchor: Anchor, sought: Sought, pieces: Pieces) -> list[Place]:
        """Return the places that are most like the quote in its surroundings."""
        text = self._folded.text
        if sought.is_long:
            head, tail = (
                [aligned(text, end, each) for each in pieces.clusters(end.text, None)] for end in sought.ends()
            )
            return ends_joined(text, sought, head, tail)
        expected = self._expected(anchor)
        shifted = None if expected is None else expected - sought.start
        clusters = pieces.clusters(sought.text, shifted)
        if not clusters and shifted is not None:
            clusters = clusters_near(text, sought.text, shifted)
        return [aligned(text, sought, each) for each in clusters]

    def _rivals(self, sought: Sought, found: list[Place], pieces: Pieces) -> list[Place]:
        """Return the other places that have in common with the quote what the best one has: formulas come in dozens."""
        best = max(found, key=lambda each: each.score, default=None)
        if best is None or best.score < ENOUGH or sought.is_long:
            return []
        offset, stretch = shared(self._folded.text, sought, best)
        if len(stretch) < FOUND_BY_PIECES:
            return []
        starts = (at - offset + sought.start for at in pieces.occurrences(stretch))
        return [place(self._folded.text, sought, at, at + len(sought.quote)) for at in starts if at >= 0]

    def _expected(self, anchor: Anchor) -> int | None:
        """Return the folded offset at which the anchor stood, if it was recorded and the text is that long."""
        if anchor.position is None or anchor.position.start > len(self.text):
            return None
        return self._folded.folded(anchor.position.start)

    def _judged(self, anchor: Anchor, sought: Sought, found: list[Place], is_only: bool) -> Resolution:
        """Decide between places. `is_only`: all stands to the letter, folded, at one place and at no other."""
        best = self._best(sought, found)
        if not best:
            return Resolution(Verdict.ORPHAN)
        candidates = tuple(self._candidate(anchor, each) for each in best[:_SHOWN])
        first, top = best[0], candidates[0]
        if first.score < ENOUGH:
            return Resolution(Verdict.ORPHAN, first.score, candidates=candidates)
        is_clear = is_only or len(best) == 1 or _is_clear(first, best[1])
        weight = _weight(sought.text)
        is_heavy = first.score * weight >= WEIGHT or (is_only and weight >= IN_SHORT_TEXT * log10(len(self.text)))
        if not (is_clear and is_heavy and self._is_believed(anchor, sought, best)):
            return Resolution(Verdict.AMBIGUOUS, first.score, candidates=candidates)
        is_same = anchor.quote is not None and self.text[top.start : top.end] == anchor.quote.exact
        stays = anchor.position in (None, Position(top.start, top.end))
        by = FoundBy.QUOTE if is_same else FoundBy.FOLDED_QUOTE if first.words == 1 else FoundBy.LIKENESS
        verdict = Verdict.EXACT if is_same and stays and first.score == 1 else Verdict.RELOCATED
        return Resolution(verdict, first.score, top.start, top.end, by, candidates)

    def _best(self, sought: Sought, found: list[Place]) -> list[Place]:
        """Return the best places, the best first, one of those that overlap; those in question with exact ends."""
        found = sorted(found, key=lambda each: -each.score)
        exact = [
            trimmed(self._folded.text, sought, each)
            if each.words < 1 and each.score > max(found[0].score, ENOUGH) - _IN_QUESTION
            else each
            for each in found
        ]
        return _apart(sorted(exact, key=lambda each: -each.score))

    def _is_believed(self, anchor: Anchor, sought: Sought, best: list[Place]) -> bool:
        first = best[0]
        if first.words < SAME_WORDS or first.score < min(ENOUGH + SHORT / _weight(sought.text), 1):
            return False
        if self._is_near(anchor, first):
            return True
        rival = next((each for each in best if self._is_near(anchor, each)), None)
        if rival is not None and first.score - rival.score < MARGIN_OF_KIN:
            return False
        is_all = first.words == 1 and _weight(sought.quote) >= 2 * WEIGHT
        return is_all or first.score >= ENOUGH_ELSEWHERE  # all of a long quote is believed wherever it has moved

    def _is_near(self, anchor: Anchor, found: Place) -> bool:
        expected = self._expected(anchor)
        reach = max(NEAR * len(self._folded.text), NEAR_AT_LEAST)
        return expected is not None and abs(found.start - expected) <= reach

    def _candidate(self, anchor: Anchor, found: Place) -> Candidate:
        """Return a place in code points, with the white space at its ends that the quote has, if it is there."""
        start, end = self._folded.start(found.start), self._folded.end(found.end)
        exact = anchor.quote.exact if anchor.quote else ""
        leading, trailing = exact[: len(exact) - len(exact.lstrip())], exact[len(exact.rstrip()) :]
        if self.text.endswith(leading, 0, start):
            start -= len(leading)
        if self.text.startswith(trailing, end):
            end += len(trailing)
        return Candidate(start, max(start, end), found.score)


def _pieces_of(several: Iterable[Sought]) -> Iterable[str]:
    for sought in several:
        if sought.is_long:
            yield from (end.text for end in sought.ends())
        else:
            yield sought.text


def _apart(places: Iterable[Place]) -> list[Place]:
    """Return the first places, and of those that overlap the first."""
    kept: list[Place] = []
    for each in places:
        if not any(each.start < other.end and other.start < each.end for other in kept):
            kept.append(each)
        if len(kept) == _KEPT:
            break
    return kept


def _is_clear(first: Place, second: Place) -> bool:
    return first.score - second.score >= (MARGIN if second.score < KIN else MARGIN_OF_KIN)


def _weight(text: str) -> int:
    """Count characters; one of a script that has a character for a syllable or word says as much as three letters."""
    return len(text) if text.isascii() else sum(3 if ord(each) >= 0x2E80 else 1 for each in text)

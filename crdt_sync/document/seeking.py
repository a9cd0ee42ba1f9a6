"""Finds where in a long text short ones may stand: pieces of eight characters first, all of them in one pass.

Only every eighth place of the text is looked at, and every piece of what is sought: a run of 15 characters that both
have is then always met. (Pieces that do not overlap are the index of BLAT: Kent 2002, Genome Research 12:656; here the
sought texts are indexed, so that a book needs no index of its own.) One pass over 5 MB takes a tenth of a second, for
one quote or for a thousand.

What is too short for that, and asked for by many, is looked for at every place, by its first four characters.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress, count
from operator import sub

__all__ = ["FOUND_BY_PIECES", "MAX_OCCURRENCES", "Cluster", "Pieces", "clusters_near", "occurrences"]

PIECE = 8
FOUND_BY_PIECES = 2 * PIECE - 1
"""From this length on what stands in the text to the letter is always met."""
MAX_OCCURRENCES = 1000
"""How many places of one quote are looked at; who has more is ambiguous whatever the rest says."""
_RARE = 100
_MAX_HITS = 500
_MAX_CLUSTERS, _MAX_NEAR, _FEWER = 10, 2, 3
_AROUND = _MAX_CLUSTERS + _MAX_NEAR
_NEAR = 2000
_STRIDE = 2048
"""More than the characters of a text whose pieces are put together."""
_HEAD, _COMMON_HEAD = 4, 10_000
_MANY = 50
"""From this number of short texts on one pass by their heads costs less than a search of the text for each."""
_PIECES = re.compile(f".{{{PIECE}}}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Pieces of a sought text that lie in the text as they do in it: the first and last, as (sought, text) offsets."""

    first: tuple[int, int]
    last: tuple[int, int]


class Pieces:
    """Where the pieces of the sought texts lie in `text`."""

    def __init__(self, text: str, sought: Iterable[str]) -> None:
        sought = set(sought)
        self._text = text
        self._hits: defaultdict[str, list[int]] = defaultdict(list)
        self._known: dict[str, list[int]] = {}  # short texts are asked for again and again: a word in a list of words
        short = {each for each in sought if _HEAD <= len(each) < FOUND_BY_PIECES}
        self._heads = _heads(text, short) if len(short) >= _MANY else None
        wanted = {each[at : at + PIECE] for each in sought for at in range(len(each) - PIECE + 1)}
        if wanted:
            pieces = _PIECES.findall(text)
            found = compress(zip(count(0, PIECE), pieces), map(wanted.__contains__, pieces))
            for at, piece in found:
                self._hits[piece].append(at)
        self._rare = {piece: hits for piece, hits in self._hits.items() if len(hits) <= _RARE}

    def occurrences(self, sought: str) -> list[int]:
        """Return where one of the sought texts, or a part of one, stands to the letter, in order.

        They are all, or `MAX_OCCURRENCES + 1` if there are more than that. A part has at least `FOUND_BY_PIECES`
        characters.
        """
        if len(sought) >= FOUND_BY_PIECES:
            return self._by_pieces(sought)
        if sought not in self._known:
            self._known[sought] = self._by_head(sought)
        return self._known[sought]

    def _by_pieces(self, sought: str) -> list[int]:
        head = min(len(sought), 256)
        chosen: list[tuple[int, list[int]]] = []
        for rest in range(PIECE):  # wherever it stands, one of these pieces lies at an eighth place of the text
            rarest: tuple[int, list[int]] | None = None
            for at in range(rest, head - PIECE + 1, PIECE):
                hits = self._hits.get(sought[at : at + PIECE])
                if hits is None:
                    break
                if rarest is None or len(hits) < len(rarest[1]):
                    rarest = at, hits
            else:
                if rarest is not None:
                    chosen.append(rarest)
        if sum(len(hits) for _, hits in chosen) > 4 * MAX_OCCURRENCES:
            return occurrences(self._text, sought)
        starts = {hit - at for at, hits in chosen for hit in hits if hit >= at}
        return sorted(at for at in starts if self._text.startswith(sought, at))[: MAX_OCCURRENCES + 1]

    def _by_head(self, sought: str) -> list[int]:
        if self._heads is None or len(sought) < _HEAD:
            return occurrences(self._text, sought)
        hits = self._heads.get(sought[:_HEAD], [])
        if len(hits) > _COMMON_HEAD:
            return occurrences(self._text, sought)
        return [at for at in hits if self._text.startswith(sought, at)][: MAX_OCCURRENCES + 1]

    def clusters(self, sought: str, expected: int | None) -> list[Cluster]:
        """Return where the text is most like a sought one, and some places that are less so but near `expected`."""
        pieces = [sought[at : at + PIECE] for at in range(len(sought) - PIECE + 1)]
        met = list(map(self._rare.__contains__, pieces))
        places = dict(zip(compress(pieces, met), compress(count(), met), strict=True))
        rare = [(len(hits := self._rare[piece]), at, hits) for piece, at in places.items()]
        shifts: list[int] = []
        for number, at, hits in sorted(rare):
            if len(shifts) + number > _MAX_HITS:
                break
            packed = at - at * _STRIDE
            shifts += [hit * _STRIDE + packed for hit in hits]
        return _clusters(shifts, len(sought), expected)


def occurrences(text: str, sought: str) -> list[int]:
    """Return where `sought` stands in `text`, in order, at most `MAX_OCCURRENCES + 1` places."""
    found: list[int] = []
    at = text.find(sought)
    while at >= 0 and len(found) <= MAX_OCCURRENCES:
        found.append(at)
        at = text.find(sought, at + 1)
    return found


def clusters_near(text: str, sought: str, expected: int) -> list[Cluster]:
    """Return where the text around `expected` is most like a sought one; smaller pieces count here."""
    places = {piece: at for at, piece in enumerate(_fours(sought))}
    low, high = max(expected - _NEAR, 0), min(expected + len(sought) + _NEAR, len(text))
    near = text[low:high]
    met = compress(zip(count(low), _fours(near)), map(places.__contains__, _fours(near)))
    shifts = [(hit - places[piece]) * _STRIDE + places[piece] for hit, piece in met]
    return _clusters(shifts, len(sought), expected)


def _fours(text: str) -> Iterator[tuple[str, ...]]:
    """Return the four characters from each place on; as tuples they cost half of what slices do."""
    return zip(text, text[1:], text[2:], text[3:], strict=False)


def _heads(text: str, sought: Iterable[str]) -> dict[str, list[int]]:
    """Return where the first four characters of each sought text stand."""
    heads = {tuple(each[:_HEAD]) for each in sought}
    hits: dict[str, list[int]] = {"".join(head): [] for head in heads}
    for at in compress(count(), map(heads.__contains__, _fours(text))):
        hits[text[at : at + _HEAD]].append(at)
    return hits


def _clusters(shifts: list[int], length: int, expected: int | None) -> list[Cluster]:
    """Put pieces together whose distance in the text is about that in the sought one.

    A number stands for each, since there are hundreds for each quote: the distance times `_STRIDE`, and the offset in
    the sought text.
    """
    shifts.sort()
    width, until = max(32, length // 4), 0
    bounds: list[int] = []
    for index, shift in enumerate(shifts):
        if shift >= until or not bounds:
            bounds.append(index)
            until = (shift // _STRIDE + width + 1) * _STRIDE
    bounds.append(len(shifts))
    sizes = list(map(sub, bounds[1:], bounds))
    largest = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)[:_MAX_CLUSTERS]
    chosen = [group for group in largest if sizes[group] * _FEWER >= sizes[largest[0]]]
    if expected is not None:
        starts = [shifts[at] for at in bounds[:-1]]
        middle = bisect_left(starts, expected * _STRIDE)
        near = range(max(middle - _AROUND, 0), min(middle + _AROUND, len(starts)))
        distances = [(abs(starts[at] // _STRIDE - expected), -sizes[at], at) for at in near if at not in chosen]
        chosen += [at for _, _, at in sorted(distances)[:_MAX_NEAR]]
    unpacked = ([divmod(shift, _STRIDE) for shift in shifts[bounds[at] : bounds[at + 1]]] for at in chosen)
    members = ([(at, at + distance) for distance, at in each] for each in unpacked)
    return [Cluster(min(each), max(each)) for each in members]

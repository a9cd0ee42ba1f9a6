"""Finds where in a long text short ones may stand: pieces of eight characters first, all of them in one pass.

Only every eighth place of the text is looked at, and every piece of what is sought: a run of 15 characters that both
have is then always met. (Pieces that do not overlap are the index of BLAT: Kent 2002, Genome Research 12:656; here the
sought texts are indexed, so that a book needs no index of its own.) One pass over 5 MB takes a tenth of a second, for
one quote or for a thousand.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["FOUND_BY_PIECES", "MAX_OCCURRENCES", "Cluster", "Pieces", "clusters_near", "occurrences"]

PIECE = 8
FOUND_BY_PIECES = 2 * PIECE - 1
"""From this length on what stands in the text to the letter is always met."""
MAX_OCCURRENCES = 1000
"""How many places of one quote are looked at; who has more is ambiguous whatever the rest says."""
_RARE = 100
_MAX_HITS = 500
_MAX_CLUSTERS, _MAX_NEAR, _FEWER = 10, 2, 3
_NEAR, _NEAR_PIECE = 2000, 4


@dataclass(frozen=True, slots=True)
class Cluster:
    """Pieces of a sought text that lie in the text as they do in it: the first and last, as (sought, text) offsets."""

    first: tuple[int, int]
    last: tuple[int, int]


class Pieces:
    """Where the pieces of the sought texts lie in `text`."""

    def __init__(self, text: str, sought: Iterable[str]) -> None:
        self._text = text
        self._hits: dict[str, list[int]] = {}
        wanted = {each[at : at + PIECE] for each in sought for at in range(len(each) - PIECE + 1)}
        if wanted:
            for at in range(0, len(text) - PIECE + 1, PIECE):
                if (piece := text[at : at + PIECE]) in wanted:
                    self._hits.setdefault(piece, []).append(at)

    def occurrences(self, sought: str) -> list[int]:
        """Return where a sought text of at least `FOUND_BY_PIECES` characters stands to the letter, in order.

        They are all, or `MAX_OCCURRENCES + 1` if there are more than that.
        """
        head = min(len(sought), 256)
        chosen: list[tuple[int, list[int]]] = []
        for rest in range(PIECE):  # wherever it stands, one of these pieces lies at an eighth place of the text
            offsets = range(rest, head - PIECE + 1, PIECE)
            count, rarest = min((len(self._hits.get(sought[at : at + PIECE], ())), at) for at in offsets)
            if count:
                chosen.append((rarest, self._hits[sought[rarest : rarest + PIECE]]))
        if sum(len(hits) for _, hits in chosen) > 4 * MAX_OCCURRENCES:
            return occurrences(self._text, sought)
        starts = {hit - at for at, hits in chosen for hit in hits if hit >= at}
        return sorted(at for at in starts if self._text.startswith(sought, at))[: MAX_OCCURRENCES + 1]

    def clusters(self, sought: str, expected: int | None) -> list[Cluster]:
        """Return where the text is most like a sought one, and some places that are less so but near `expected`."""
        places = {sought[at : at + PIECE]: at for at in range(len(sought) - PIECE + 1)}
        rare = sorted((len(hits), at, hits) for piece, at in places.items() if (hits := self._hits.get(piece)))
        pairs: list[tuple[int, int]] = []
        for count, at, hits in rare:
            if count > _RARE or len(pairs) + count > _MAX_HITS:
                break
            pairs += [(at, hit) for hit in hits]
        return _clusters(pairs, len(sought), expected)


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
    places = {sought[at : at + _NEAR_PIECE]: at for at in range(len(sought) - _NEAR_PIECE + 1)}
    low, high = max(expected - _NEAR, 0), min(expected + len(sought) + _NEAR, len(text))
    near = text[low:high]
    pairs = [
        (places[piece], low + at)
        for at in range(len(near) - _NEAR_PIECE + 1)
        if (piece := near[at : at + _NEAR_PIECE]) in places
    ]
    return _clusters(pairs, len(sought), expected)


def _clusters(pairs: Sequence[tuple[int, int]], length: int, expected: int | None) -> list[Cluster]:
    """Put pieces together whose distance in the text is about that in the sought one."""
    ordered, width = sorted((hit - at, at) for at, hit in pairs), max(32, length // 4)
    groups: list[list[tuple[int, int]]] = []
    until = -length
    for shift, at in ordered:
        if shift > until or not groups:
            groups.append([])
            until = shift + width
        groups[-1].append((at, at + shift))
    groups.sort(key=len, reverse=True)
    many = len(groups[0]) / _FEWER if groups else 0
    chosen = [group for group in groups[:_MAX_CLUSTERS] if len(group) >= many]
    if expected is not None:
        rest = groups[len(chosen) :]
        chosen += heapq.nsmallest(_MAX_NEAR, rest, key=lambda each: abs(each[0][1] - each[0][0] - expected))
    return [Cluster(min(group), max(group)) for group in chosen]

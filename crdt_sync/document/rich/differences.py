"""What to change to make one thing of another: between two texts, and between two rows of nodes."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import TypeAlias

from rapidfuzz.distance import Indel, LCSseq

from crdt_sync.document.rich.values import Element, Node, Text

__all__ = ["Change", "Pair", "align", "text_changes"]

Change: TypeAlias = tuple[int, int, int, int]
"""`old[a:b]` becomes `new[c:d]`."""
Pair: TypeAlias = tuple[int | None, int | None]
"""A node of the old row and what becomes of it; None where it goes, or where the new one comes from nothing."""

MAX_CELLS = 400_000_000
"""How large the table of a comparison may be, in bits: 50 MB, some 20,000 words against as many.

What is larger is compared only at its beginning and end.
"""
MAX_COMPARED = 2_500  # pairs of nodes whose words are looked at
SAMPLE = 500  # characters
ALIKE = 0.3
_TOKENS = re.compile(r"\w+|\s+|.", re.DOTALL)


def text_changes(old: str, new: str) -> list[Change]:
    """Return the changes, in order and apart from one another, that make `new` of `old`; positions are code points.

    Words are matched first, and characters at the edges of what was changed: matching characters everywhere would find
    letters that two unrelated words have in common.
    """
    first = _common_start(old, new)
    last = _common_end(old[first:], new[first:])
    old_tokens, new_tokens = (_TOKENS.findall(text[first : len(text) - last]) for text in (old, new))
    old_at, new_at = _places(old_tokens, first), _places(new_tokens, first)
    changes = []
    for a, b, c, d in _changes(old_tokens, new_tokens):
        from_, to, from_new, to_new = old_at[a], old_at[b], new_at[c], new_at[d]
        start = _common_start(old[from_:to], new[from_new:to_new])
        end = _common_end(old[from_ + start : to], new[from_new + start : to_new])
        changes.append((from_ + start, to - end, from_new + start, to_new - end))
    return changes


def align(old: Sequence[Node], new: Sequence[Node]) -> list[Pair]:
    """Return which node becomes which, in order. Equal ones are found first, then those of one kind and most alike."""
    pairs: list[Pair] = []
    at_old = at_new = 0
    for a, b, c, d in _changes(old, new):
        pairs += zip(range(at_old, a), range(at_new, c), strict=True)
        pairs += [(None if i is None else a + i, None if j is None else c + j) for i, j in _matched(old[a:b], new[c:d])]
        at_old, at_new = b, d
    pairs += zip(range(at_old, len(old)), range(at_new, len(new)), strict=True)
    return pairs


def _changes(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Change]:
    first = _common_start(old, new)
    last = _common_end(old[first:], new[first:])
    numbers: dict[Hashable, int] = {}  # rapidfuzz compares hashes, and those of different texts may be equal
    left, right = (
        [numbers.setdefault(each, len(numbers)) for each in row[first : len(row) - last]] for row in (old, new)
    )
    if not left and not right:
        return []
    if len(left) * len(right) > MAX_CELLS:
        return [(first, first + len(left), first, first + len(right))]
    changes: list[Change] = []
    for step in LCSseq.opcodes(left, right):
        if step.tag == "equal":
            continue
        a, b, c, d = (first + at for at in (step.src_start, step.src_end, step.dest_start, step.dest_end))
        if changes and changes[-1][1] == a and changes[-1][3] == c:
            a, c = changes[-1][0], changes[-1][2]
            changes.pop()
        changes.append((a, b, c, d))
    return changes


def _matched(old: Sequence[Node], new: Sequence[Node]) -> list[Pair]:
    """Match nodes that are not equal, without crossing, so that the sum of their likenesses is greatest."""
    if len(old) == len(new) == 1 and _kind(old[0]) == _kind(new[0]):
        return [(0, 0)]
    rows, columns = len(old), len(new)
    if not rows or not columns or rows * columns > MAX_COMPARED:
        return [*((i, None) for i in range(rows)), *((None, j) for j in range(columns))]
    left, right = [_sample(node) for node in old], [_sample(node) for node in new]
    likeness = [[_likeness(left[i], right[j], old[i], new[j]) for j in range(columns)] for i in range(rows)]
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j + 1] + likeness[i][j])
    pairs: list[Pair] = []
    i = j = 0
    while i < rows or j < columns:
        if i < rows and j < columns and likeness[i][j] and best[i][j] == best[i + 1][j + 1] + likeness[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif j == columns or (i < rows and best[i][j] == best[i + 1][j]):
            pairs.append((i, None))
            i += 1
        else:
            pairs.append((None, j))
            j += 1
    return pairs


def _likeness(left: str, right: str, old: Node, new: Node) -> float:
    if _kind(old) != _kind(new):
        return 0.0
    if not left and not right:
        return ALIKE
    found = Indel.normalized_similarity(left, right)
    return found if found >= ALIKE else 0.0


def _kind(node: Node) -> str | None:
    return node.name if isinstance(node, Element) else None


def _sample(node: Node) -> str:
    """Return the first characters of a node."""
    words: list[str] = []
    length = 0
    waiting = [node]
    while waiting and length < SAMPLE:
        each = waiting.pop()
        if isinstance(each, Text):
            words.append(each.plain[:SAMPLE])
            length += len(words[-1])
        else:
            waiting.extend(reversed(each.children))
    return "".join(words)[:SAMPLE]


def _places(tokens: Sequence[str], at: int) -> list[int]:
    places = [at]
    for token in tokens:
        at += len(token)
        places.append(at)
    return places


def _common_start(old: Sequence[Hashable], new: Sequence[Hashable]) -> int:
    most = min(len(old), len(new))
    return next((at for at in range(most) if old[at] != new[at]), most)


def _common_end(old: Sequence[Hashable], new: Sequence[Hashable]) -> int:
    most = min(len(old), len(new))
    return next((at for at in range(most) if old[-1 - at] != new[-1 - at]), most)

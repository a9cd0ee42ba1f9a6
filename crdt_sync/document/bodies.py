"""A note's body as plain values, block by block, and back by the smallest edit: what undo and versions keep of it.

A block is the JSON of one node below the root, with nothing lost that can stand in it: an element is `[tag, attributes,
children]`, a text the list of its runs `[text, marks]`. What no editor writes there (a text with something embedded, a
node deeper than `MAX_DEPTH`) is no value, and its body is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any, TypeAlias

from pycrdt import XmlElement, XmlFragment, XmlText

__all__ = ["Block", "merge", "read_body", "write_body"]

Block: TypeAlias = str
Run: TypeAlias = tuple[str, str]
"""One character and the JSON of its marks."""

MAX_DEPTH = 100
MAX_COMPARED = 4_000
"""Longer middles are not compared character by character, which costs the square of that."""


class _Unknown(Exception):
    """A node that is no value."""


def read_body(body: XmlFragment) -> list[Block] | None:
    """Return the blocks of a body, or None if something in it is no value."""
    try:
        return [_dumps(_value(child, MAX_DEPTH)) for child in body.children]
    except (_Unknown, TypeError, ValueError):
        return None


def write_body(body: XmlFragment, wanted: Sequence[Block]) -> None:
    """Bring a body that can be read to `wanted`, inside the caller's transaction.

    A block that stays keeps its Yjs items, so what another device writes into it meanwhile is not lost; of a block with
    one text the characters and marks that differ are changed.
    """
    there = read_body(body)
    assert there is not None
    for kind, i1, i2, j1, j2 in reversed(_differences(there, wanted)):
        paired = min(i2 - i1, j2 - j1) if kind == "replace" else 0
        if i2 - i1 > paired:
            del body.children[i1 + paired : i2]
        for offset, block in enumerate(wanted[j1 + paired : j2]):
            _insert(body, i1 + paired + offset, json.loads(block))
        for offset in range(paired):
            if not _rewritten(body.children[i1 + offset], there[i1 + offset], wanted[j1 + offset]):
                del body.children[i1 + offset : i1 + offset + 1]
                _insert(body, i1 + offset, json.loads(wanted[j1 + offset]))


def merge(base: Sequence[Block], now: Sequence[Block], wanted: Sequence[Block]) -> tuple[list[Block], bool]:
    """Return `now` with what leads from `base` to `wanted`, and whether all of that could be done.

    Where `now` differs from `base` in the same place it stays as it is, unless both changed one block's text in
    different places.
    """
    return _merged(base, now, wanted, _merged_block)


def _merged(base: Sequence[Any], now: Sequence[Any], wanted: Sequence[Any], both: Any) -> tuple[list[Any], bool]:
    """Three-way merge of sequences (diff3): walk `base` by what either side changed; where they meet `both` decides."""
    ours, theirs = _differences(base, now), _differences(base, wanted)
    merged: list[Any] = []
    whole, at = True, 0
    while ours or theirs:
        first = ours[0] if not theirs or (ours and ours[0][1:3] <= theirs[0][1:3]) else theirs[0]
        start, end = first[1], first[2]
        taken: tuple[list[Any], list[Any]] = ([], [])
        moved = True
        while moved:  # whatever touches this region belongs to it
            moved = False
            for changes, side in ((ours, taken[0]), (theirs, taken[1])):
                while changes and _touch(changes[0], start, end):
                    change = changes.pop(0)
                    side.append(change)
                    end = max(end, change[2])
                    moved = True
        merged += base[at:start]
        at = end
        mine, other = (_side(base, to, side, start, end) for to, side in ((now, taken[0]), (wanted, taken[1])))
        if not taken[0] or mine == base[start:end]:
            merged += other
        elif not taken[1] or mine == other:
            merged += mine
        elif start == end:  # both put something in there
            merged += [*mine, *other]
        else:
            found, done = both(list(base[start:end]), mine, other)
            merged += found
            whole &= done
    merged += base[at:]
    return merged, whole


def _touch(change: tuple[str, int, int, int, int], start: int, end: int) -> bool:
    """Say whether a change lies in a region; what comes in between two places touches neither."""
    _, first, last, _, _ = change
    if first == last:
        return start < first < end or first == start == end
    return first < end and last > start


def _side(base: Sequence[Any], to: Sequence[Any], changes: list[Any], start: int, end: int) -> list[Any]:
    found: list[Any] = []
    at = start
    for _, i1, i2, j1, j2 in changes:
        found += base[at:i1]
        found += to[j1:j2]
        at = i2
    return found + list(base[at:end])


def _merged_block(base: list[Block], now: list[Block], wanted: list[Block]) -> tuple[list[Block], bool]:
    """Merge the characters of one block that both sides changed; else what is there now stays."""
    if len(base) == len(now) == len(wanted) == 1:
        texts = [_text_of(json.loads(block)) for block in (base[0], now[0], wanted[0])]
        if all(texts) and max(len(text[1]) for text in texts if text) <= MAX_COMPARED:
            (was, old), (is_, mine), (to, other) = (text for text in texts if text)
            runs, whole = _merged(old, mine, other, lambda _, mine, __: (mine, False))
            return [_dumps([*(to if is_ == was else is_), [_runs(runs)]])], whole and was in (is_, to)
    return now, False


def _differences(old: Sequence[Any], new: Sequence[Any]) -> list[tuple[str, int, int, int, int]]:
    """Return how `old` becomes `new`, as `difflib` says it, without what is equal."""
    first = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        first += 1
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    middle = old[first : len(old) - last], new[first : len(new) - last]
    if not middle[0] and not middle[1]:
        return []
    if max(map(len, middle)) > MAX_COMPARED:
        return [("replace", first, len(old) - last, first, len(new) - last)]
    found = SequenceMatcher(None, *middle, autojunk=False).get_opcodes()
    return [(kind, i1 + first, i2 + first, j1 + first, j2 + first) for kind, i1, i2, j1, j2 in found if kind != "equal"]


def _rewritten(node: Any, old: Block, new: Block) -> bool:
    """Change the one text of a block where it differs; say whether the block then is what it should be."""
    before, after = _text_of(json.loads(old)), _text_of(json.loads(new))
    if before is None or after is None or before[0] != after[0]:
        return False
    _rewrite(node.children[0], before[1], after[1])
    return _dumps(_value(node, MAX_DEPTH)) == new


def _rewrite(text: XmlText, old: list[Run], new: list[Run]) -> None:
    names = {name for _, marks in (*old, *new) for name in json.loads(marks)}
    for _, i1, i2, j1, j2 in reversed(_differences([char for char, _ in old], [char for char, _ in new])):
        start = _bytes(old[:i1])
        if i2 > i1:
            del text[start : start + _bytes(old[i1:i2])]
        for run, marks in reversed(_grouped(new[j1:j2])):
            text.insert(start, run, {**dict.fromkeys(names), **json.loads(marks)})
        old[i1:i2] = new[j1:j2]
    at = 0
    for (is_, wanted), pairs in groupby(zip(old, new, strict=True), lambda pair: (pair[0][1], pair[1][1])):
        end = at + _bytes([char for _, char in pairs])
        if is_ != wanted:
            has, gets = json.loads(is_), json.loads(wanted)
            text.format(at, end, {name: gets.get(name) for name in names if has.get(name) != gets.get(name)})
        at = end


def _insert(body: Any, index: int, value: Any) -> None:
    if _is_text(value):
        _fill(body.children.insert(index, XmlText("")), value)
        return
    tag, attributes, children = value
    element = body.children.insert(index, XmlElement(tag, attributes))
    for number, child in enumerate(children):
        _insert(element, number, child)


def _fill(text: XmlText, runs: list[Any]) -> None:
    names = {name for _, marks in runs for name in marks}
    at = 0
    for run, marks in runs:
        text.insert(at, run, {**dict.fromkeys(names), **marks})
        at += len(run.encode())


def _value(node: Any, depth: int) -> Any:
    if isinstance(node, XmlText):
        return [_run(part, marks) for part, marks in node.diff()]
    if not isinstance(node, XmlElement) or depth == 0:
        raise _Unknown
    attributes = dict(list(node.attributes))  # type: ignore[call-overload]  # its iterator is typed as an iterable
    return [node.tag or "", attributes, [_value(child, depth - 1) for child in node.children]]


def _run(part: Any, marks: Any) -> list[Any]:
    if not isinstance(part, str):
        raise _Unknown
    return [part, marks or {}]


def _is_text(value: list[Any]) -> bool:
    return not value or isinstance(value[0], list)


def _text_of(value: Any) -> tuple[list[Any], list[Run]] | None:
    """Return what frames the text of a block that has one and no other child, and its characters; else None."""
    if _is_text(value) or len(value[2]) != 1 or not _is_text(value[2][0]):
        return None
    return value[:2], [(char, _dumps(marks)) for run, marks in value[2][0] for char in run]


def _runs(characters: list[Run]) -> list[Any]:
    return [[run, json.loads(marks)] for run, marks in _grouped(characters)]


def _grouped(characters: Sequence[Run]) -> list[Run]:
    runs = groupby(characters, lambda character: character[1])
    return [("".join(char for char, _ in run), marks) for marks, run in runs]


def _bytes(characters: Sequence[Run]) -> int:
    """pycrdt counts a text in bytes of UTF-8."""
    return sum(len(char.encode()) for char, _ in characters)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":"))

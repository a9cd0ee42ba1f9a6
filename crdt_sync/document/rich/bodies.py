"""Writes a body into the document: only what differs, so that what others type meanwhile in the rest survives.

An element that stays keeps its Yjs item, and so does every character that stays; an element cannot change its name, so
a paragraph that becomes a heading is written anew. What is written is what y-prosemirror would write: it repairs what
it finds otherwise, with edits of its own, as soon as a document is opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pycrdt import XmlElement, XmlFragment, XmlText

from crdt_sync.document.rich.differences import align, text_changes
from crdt_sync.document.rich.names import BASIC_ELEMENTS, BASIC_MARKS, ELEMENT_ALIASES, MARK_ALIASES
from crdt_sync.document.rich.reading import marks_of, read_node
from crdt_sync.document.rich.values import Element, Json, Mark, Node, Run, Text, joined

__all__ = ["write_body"]

EMBED = "\ufffc"


def write_body(body: XmlFragment, wanted: Sequence[Node]) -> bool:
    """Make the body read as `wanted`; return whether there was anything to change."""
    return _Writer(body).children(body, joined(wanted))


class _Writer:
    def __init__(self, body: XmlFragment) -> None:
        self._body = body
        self._basic: bool | None = None

    def children(self, parent: XmlFragment | XmlElement, wanted: Sequence[Node], depth: int = 1) -> bool:
        """Make the children of a node read as `wanted`; return whether there was anything to change."""
        handles = list(parent.children)
        values = [read_node(handle, depth) for handle in handles]
        if joined(values) == tuple(wanted):
            return False
        if self._basic is None:  # asked before anything is changed
            self._basic = _is_basic(self._body)
        at = 0
        for old, new in align(values, wanted):
            if old is None:
                assert new is not None
                self._insert(parent, at, wanted[new])
                at += 1
            elif new is None:
                del parent.children[at]
            else:
                if values[old] != wanted[new]:
                    self._change(handles[old], values[old], wanted[new], depth)
                at += 1
        return True

    def _change(self, handle: Any, value: Node, wanted: Node, depth: int) -> None:
        if isinstance(wanted, Text):
            self._text(handle, wanted)
            return
        assert isinstance(value, Element)
        before, after = dict(value.attributes), dict(wanted.attributes)
        for name in before.keys() - after.keys():
            del handle.attributes[self._attribute(handle.tag, name)]
        for name, attribute in after.items():
            if before.get(name) != attribute:
                handle.attributes[self._attribute(handle.tag, name)] = _thawed(attribute)
        self.children(handle, wanted.children, depth + 1)

    def _insert(self, parent: XmlFragment | XmlElement, at: int, node: Node) -> None:
        if isinstance(node, Text):
            text = parent.children.insert(at, XmlText(node.plain))
            start = 0
            for run in node.runs:
                end = start + len(run.text.encode())
                if run.marks:
                    text.format(start, end, self._formats(run.marks, {}))
                start = end
            return
        tag = BASIC_ELEMENTS.get(node.name, node.name) if self._basic else node.name
        element = parent.children.insert(at, XmlElement(tag))
        for name, attribute in node.attributes:
            element.attributes[self._attribute(tag, name)] = _thawed(attribute)
        for place, child in enumerate(node.children):
            self._insert(element, place, child)

    def _text(self, text: XmlText, wanted: Text) -> None:
        """Change the characters that differ, and then the formats of those that stayed."""
        parts = text.diff()
        raw = {mark: (key, value) for _, attributes in parts for key, value, mark in marks_of(attributes)}
        old = "".join(part if isinstance(part, str) else EMBED for part, _ in parts)
        marks = [
            tuple(mark for _, _, mark in marks_of(attributes))
            for part, attributes in parts
            for _ in (part if isinstance(part, str) else EMBED)
        ]
        embedded = {at for at, is_embed in enumerate(_embeds(parts)) if is_embed}
        places = [0]
        for at, character in enumerate(old):
            places.append(places[-1] + (1 if at in embedded else len(character.encode())))
        new_marks = [run.marks for run in wanted.runs for _ in run.text]
        plain = wanted.plain
        changes = text_changes(old, plain)
        self._format(text, list(_kept(changes, len(old))), marks, new_marks, places, raw)
        for a, b, c, d in reversed(changes):
            _delete(text, a, b, places, embedded)
            at = places[a]
            for run in _slice(wanted, c, d):
                text.insert(at, run.text, self._formats(run.marks, raw))
                at += len(run.text.encode())

    def _format(
        self,
        text: XmlText,
        kept: Sequence[tuple[int, int]],
        old: Sequence[tuple[Mark, ...]],
        new: Sequence[tuple[Mark, ...]],
        places: Sequence[int],
        raw: Mapping[Mark, tuple[str, Any]],
    ) -> None:
        """Give each run of kept characters the formats that it lacks, and take those that it should not have."""
        start = 0
        while start < len(kept):
            i, j = kept[start]
            end = start + 1
            while (
                end < len(kept)
                and kept[end] == (i + end - start, j + end - start)
                and old[kept[end][0]] == old[i]
                and new[kept[end][1]] == new[j]
            ):
                end += 1
            if set(old[i]) != set(new[j]):
                formats: dict[str, Any] = {raw[mark][0]: None for mark in old[i] if mark not in new[j]}
                formats |= self._formats([mark for mark in new[j] if mark not in old[i]], raw)
                text.format(places[i], places[i + end - start], formats)
            start = end

    def _formats(self, marks: Sequence[Mark], raw: Mapping[Mark, tuple[str, Any]]) -> dict[str, Any]:
        """Return marks as Yjs formatting attributes, in the very words in which the text has them already."""
        formats: dict[str, Any] = {}
        for mark in marks:
            name = BASIC_MARKS.get(mark.name, mark.name) if self._basic else mark.name
            key, value = raw.get(mark, (name, {name: _thawed(value) for name, value in mark.attributes}))
            formats[key] = value
        return formats

    def _attribute(self, tag: str | None, name: str) -> str:
        return "order" if tag == "ordered_list" and name == "start" else name


def _delete(text: XmlText, start: int, end: int, places: Sequence[int], embedded: set[int]) -> None:
    """Delete characters, but nothing that is embedded among them: it has no text, so nobody can have deleted it."""
    for at in reversed(range(start, end)):
        if at in embedded:
            if at + 1 < end:
                del text[places[at + 1] : places[end]]
            end = at
    if end > start:
        del text[places[start] : places[end]]


def _embeds(parts: Sequence[tuple[Any, Any]]) -> Iterator[bool]:
    for part, _ in parts:
        yield from ([False] * len(part) if isinstance(part, str) else [True])


def _kept(changes: Sequence[tuple[int, int, int, int]], length: int) -> Iterator[tuple[int, int]]:
    at, at_new = 0, 0
    for a, b, c, d in changes:
        yield from zip(range(at, a), range(at_new, c), strict=True)
        at, at_new = b, d
    yield from zip(range(at, length), range(at_new, at_new + length - at), strict=True)


def _slice(text: Text, start: int, end: int) -> Iterator[Run]:
    at = 0
    for run in text.runs:
        piece = run.text[max(start - at, 0) : max(end - at, 0)]
        if piece:
            yield Run(piece, run.marks)
        at += len(run.text)


def _thawed(value: Any) -> Any:
    return json.loads(value.text) if isinstance(value, Json) else value


def _is_basic(body: XmlFragment) -> bool:
    """Return whether the body has names of prosemirror-schema-basic in it."""
    waiting: list[Any] = list(body.children)
    while waiting:
        node = waiting.pop()
        if isinstance(node, XmlText):
            if any(key in MARK_ALIASES for _, attributes in node.diff() for key in attributes or {}):
                return True
        else:
            if isinstance(node, XmlElement) and node.tag in ELEMENT_ALIASES:
                return True
            waiting.extend(node.children)
    return False

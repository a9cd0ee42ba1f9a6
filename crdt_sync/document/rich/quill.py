"""Reads what the editor Quill keeps: one text, in which the attributes of each line's end say what the line is.

Source: the Delta format, https://quilljs.com/docs/delta and the formats list of Quill 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from crdt_sync.document.rich.names import (
    BLOCKQUOTE,
    BULLET_LIST,
    CODE_BLOCK,
    HEADING,
    LIST_ITEM,
    ORDERED_LIST,
    PARAGRAPH,
)
from crdt_sync.document.rich.values import Blocks, Element, Mark, Node, Run, Text, freeze, joined

__all__ = ["blocks_of_delta"]

LINE_ATTRIBUTES = frozenset({"header", "list", "blockquote", "code-block", "indent", "align", "direction"})
MAX_INDENT = 8  # as Quill


@dataclass(slots=True)
class _Line:
    inline: list[Node]
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class _List:
    """A list that may go on with the next line: its name, how deep it stands, its items so far."""

    name: str
    indent: int
    items: list[list[Node]] = field(default_factory=list)


def blocks_of_delta(parts: Iterable[tuple[str | Element, tuple[Mark, ...], Mapping[str, Any]]]) -> Blocks:
    """Return the blocks of a delta; each part is a text or an embedded thing, its marks and its raw attributes."""
    blocks: list[Node] = []
    lists: list[_List] = []

    def close(down_to: int) -> None:
        while len(lists) > down_to:
            done = lists.pop()
            made = Element(done.name, (), tuple(Element(LIST_ITEM, (), tuple(item)) for item in done.items))
            (lists[-1].items[-1] if lists else blocks).append(made)

    for line in _lines(parts):
        kind, inline = line.attributes.get("list"), joined(line.inline)
        if kind is not None:
            name = ORDERED_LIST if kind == "ordered" else BULLET_LIST
            indent = _bounded(line.attributes.get("indent"), MAX_INDENT)
            while lists and (lists[-1].indent > indent or (lists[-1].indent == indent and lists[-1].name != name)):
                close(len(lists) - 1)
            if not lists or lists[-1].indent < indent:
                lists.append(_List(name, indent))
            lists[-1].items.append([Element(PARAGRAPH, (), inline)])
            continue
        close(0)
        _add_block(blocks, line.attributes, inline)
    close(0)
    return tuple(blocks)


def _add_block(blocks: list[Node], attributes: Mapping[str, Any], inline: tuple[Node, ...]) -> None:
    last = blocks[-1] if blocks else None
    if (language := attributes.get("code-block")) not in (None, False):
        known = freeze({"language": language if isinstance(language, str) and language != "plain" else None})
        if isinstance(last, Element) and last.name == CODE_BLOCK and last.attributes == known:
            inline = joined((*last.children, Text.of((Run("\n"),)), *inline))
            blocks.pop()
        blocks.append(Element(CODE_BLOCK, known, inline))
    elif attributes.get("blockquote"):
        line = Element(PARAGRAPH, (), inline)
        if isinstance(last, Element) and last.name == BLOCKQUOTE:
            blocks[-1] = Element(BLOCKQUOTE, (), (*last.children, line))
        else:
            blocks.append(Element(BLOCKQUOTE, (), (line,)))
    elif level := _bounded(attributes.get("header"), 6):
        blocks.append(Element(HEADING, freeze({"level": level}), inline))
    else:
        blocks.append(Element(PARAGRAPH, (), inline))


def _lines(parts: Iterable[tuple[str | Element, tuple[Mark, ...], Mapping[str, Any]]]) -> Iterator[_Line]:
    inline: list[Node] = []
    for part, marks, raw in parts:
        marks = tuple(mark for mark in marks if mark.name not in LINE_ATTRIBUTES)
        if isinstance(part, Element):
            inline.append(part)
            continue
        first, *rest = part.split("\n")
        inline.append(Text.of((Run(first, marks),)))
        for text in rest:
            yield _Line(inline, raw)
            inline = [Text.of((Run(text, marks),))]
    if joined(inline):  # Quill ends every document with a line's end; others may not
        yield _Line(inline, {})


def _bounded(value: Any, most: int) -> int:
    return min(max(int(value), 0), most) if isinstance(value, int | float) and isfinite(value) else 0

"""A note's body as a value: a frozen tree of the shape that ProseMirror has and y-prosemirror keeps in Yjs.

An element is one `Y.XmlElement`, a text one `Y.XmlText`, a mark one formatting attribute of it. Names are TipTap's;
`names.py` says what else is read for them. Nothing unknown is dropped: an element, mark or attribute that this version
does not know stands in the tree under its own name, and is rendered as its text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = [
    "Attributes",
    "Blocks",
    "Element",
    "Json",
    "Mark",
    "Node",
    "Run",
    "Scalar",
    "Text",
    "freeze",
    "joined",
    "paragraphs",
]

WHOLE = 2**53


@dataclass(frozen=True, slots=True)
class Json:
    """An attribute that is a list or an object, as the JSON of it with sorted keys."""

    text: str


Scalar: TypeAlias = str | int | float | bool | Json
Attributes: TypeAlias = tuple[tuple[str, Scalar], ...]
"""Names and values, in the order of the names; what is null is not there, as for y-prosemirror."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A formatting of characters: `Mark("bold")`, `Mark("link", (("href", "note:x"),))`."""

    name: str
    attributes: Attributes = ()

    def get(self, name: str) -> Scalar | None:
        """Return one attribute, or None."""
        return dict(self.attributes).get(name)


@dataclass(frozen=True, slots=True)
class Run:
    """Characters with the same marks, which stand in the order of their names."""

    text: str
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """Formatted text. No run is empty, and no two neighbours have the same marks, if it was made with `Text.of`."""

    runs: tuple[Run, ...]

    @classmethod
    def of(cls, runs: Iterable[Run]) -> Text:
        """Return the text of `runs`, joined where their marks are the same."""
        kept: list[Run] = []
        words: list[str] = []
        marks: tuple[Mark, ...] = ()
        for run in (*runs, None):
            if run is not None and not run.text:
                continue
            if words and (run is None or run.marks != marks):
                kept.append(Run("".join(words), marks))
                words = []
            if run is not None:
                words.append(run.text)
                marks = run.marks
        return cls(tuple(kept))

    @property
    def plain(self) -> str:
        """Its characters."""
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True, slots=True)
class Element:
    """A block (`paragraph`, `bulletList`), or a piece of a line that is no text (`hardBreak`)."""

    name: str
    attributes: Attributes = ()
    children: tuple[Node, ...] = ()

    def get(self, name: str) -> Scalar | None:
        """Return one attribute, or None."""
        return dict(self.attributes).get(name)


Node: TypeAlias = Element | Text
Blocks: TypeAlias = tuple[Node, ...]
"""A body. Texts among its elements are a foreign editor's, and read as paragraphs."""


def joined(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Return the nodes with neighbouring texts put together, and without those that are empty."""
    kept: list[Node] = []
    runs: list[Run] = []
    for node in nodes:
        if isinstance(node, Text):
            runs += node.runs
            continue
        if runs:
            kept.append(Text.of(runs))
            runs = []
        kept.append(node)
    if runs:
        kept.append(Text.of(runs))
    return tuple(kept)


def normalized(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Return the nodes with all texts in them joined, attributes and marks in order: as they are read."""
    return joined(
        Text.of(Run(run.text, tuple(sorted(run.marks, key=mark_order))) for run in node.runs)
        if isinstance(node, Text)
        else Element(node.name, tuple(sorted(node.attributes)), normalized(node.children))
        for node in nodes
    )


def mark_order(mark: Mark) -> tuple[str, str]:
    """Return the key by which marks stand in a run."""
    return mark.name, repr(mark.attributes)


def paragraphs(text: str) -> Blocks:
    """Return plain text as a body, a paragraph for each line; nothing for no text."""
    lines = text.split("\n") if text else []
    return tuple(Element("paragraph", (), (Text((Run(line),)),) if line else ()) for line in lines)


def freeze(attributes: Mapping[str, Any]) -> Attributes:
    """Return attributes as they stand in a tree. Yjs numbers come as floats; whole ones are given back as integers."""
    return tuple(sorted((name, _frozen(value)) for name, value in attributes.items() if value is not None))


def _frozen(value: Any) -> Scalar:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE else value
    return Json(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str))

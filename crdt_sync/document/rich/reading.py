"""Reads a body out of the document: a tree of XML elements, or the text with line attributes that Quill keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from pycrdt import Doc, XmlElement, XmlFragment, XmlText
from pycrdt import Text as YText

from crdt_sync.document.rich.names import ELEMENT_ALIASES, MARK_ALIASES, MARKS
from crdt_sync.document.rich.quill import blocks_of_delta
from crdt_sync.document.rich.values import (
    Attributes,
    Blocks,
    Element,
    Mark,
    Node,
    Run,
    Text,
    freeze,
    joined,
    mark_order,
)

__all__ = ["MAX_DEPTH", "element_attributes", "is_quill", "marks_of", "read_body", "read_node"]

MAX_DEPTH = 32
"""How deep the elements of a tree may lie in one another; what is deeper is read as its text."""
HASH_CHARACTERS = 8

Handle: TypeAlias = XmlElement | XmlText | XmlFragment


def read_body(doc: Doc[Any], root: str) -> Blocks:
    """Return the body that stands in the root type `root`, which is empty if nothing was ever written."""
    body = doc.get(root, type=XmlFragment)
    children = list(body.children)
    if not children and len(body.children):
        return blocks_of_delta(_quill_parts(doc.get(root, type=YText)))
    return joined(read_node(child) for child in children)


def is_quill(body: XmlFragment) -> bool:
    """Return whether this root holds a text, as Quill's do: what is in it is then no child of the fragment."""
    return len(body.children) > 0 and not list(body.children)


def read_node(handle: Handle, depth: int = 1) -> Node:
    """Return an element or text with all that is in it."""
    if isinstance(handle, XmlText):
        return Text.of(runs_of(handle))
    if depth >= MAX_DEPTH:
        inner: Iterable[Node] = (Text.of((Run("".join(_words(handle))),)),)
    else:
        inner = (read_node(child, depth + 1) for child in handle.children)
    if not isinstance(handle, XmlElement):
        return Element("", (), joined(inner))
    tag = handle.tag or ""
    return Element(ELEMENT_ALIASES.get(tag, tag), element_attributes(handle), joined(inner))


def element_attributes(handle: XmlElement) -> Attributes:
    """Return an element's attributes under our names."""
    found: dict[str, Any] = dict(handle.attributes)  # type: ignore[call-overload]  # not in pycrdt's stub
    if handle.tag == "ordered_list" and "order" in found:
        found["start"] = found.pop("order")
    return freeze(found)


def runs_of(text: XmlText) -> Iterator[Run]:
    """Yield the runs of a text. What is embedded in it and is no text has none."""
    for part, attributes in text.diff():
        if isinstance(part, str):
            yield Run(part, tuple(mark for _, _, mark in marks_of(attributes)))


def marks_of(attributes: Mapping[str, Any] | None) -> list[tuple[str, Any, Mark]]:
    """Return the formatting attributes of a piece of text, each with the mark that it is, in the order of marks."""
    if not attributes:
        return []
    found = [(key, value, mark_of(key, value)) for key, value in attributes.items() if value is not None]
    return sorted(found, key=lambda each: mark_order(each[2]))


def mark_of(key: str, value: Any) -> Mark:
    """Return the mark that a formatting attribute is.

    y-prosemirror writes an object; for marks that may overlap with their like, `name--hash`. Quill and others write
    `true`, or the address of a link.
    """
    name = key
    if len(key) > HASH_CHARACTERS + 2 and key[-HASH_CHARACTERS - 2 : -HASH_CHARACTERS] == "--":
        name = key[: -HASH_CHARACTERS - 2]
    name = MARK_ALIASES.get(name, name)
    if isinstance(value, dict):
        return Mark(name, freeze(value))
    if name == "link" and isinstance(value, str):
        return Mark(name, freeze({"href": value}))
    return Mark(name) if value is True or name in MARKS else Mark(name, freeze({"value": value}))


def _words(handle: Handle) -> Iterator[str]:
    """Yield all text below, without recursion: a stranger may have nested it as deep as they like."""
    waiting: list[Handle] = [handle]
    while waiting:
        node = waiting.pop()
        if isinstance(node, XmlText):
            yield "".join(part for part, _ in node.diff() if isinstance(part, str))
        else:
            waiting.extend(reversed(list(node.children)))


def _quill_parts(text: YText) -> Iterator[tuple[str | Element, tuple[Mark, ...], dict[str, Any]]]:
    for part, attributes in text.diff():
        raw = dict(attributes or {})
        marks = tuple(mark for _, _, mark in marks_of(raw))
        if isinstance(part, str):
            yield part, marks, raw
        elif isinstance(part, XmlElement):
            node = read_node(part)
            assert isinstance(node, Element)
            yield node, marks, raw
        else:
            kind = next(iter(part), "embed") if isinstance(part, dict) else "embed"
            yield Element(str(kind), freeze(part) if isinstance(part, dict) else ()), marks, raw

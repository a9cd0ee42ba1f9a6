"""Bodies as JSON, with nothing lost, for what keeps them outside the document."""

from __future__ import annotations

from typing import Any

from crdt_sync.document.rich.values import Attributes, Blocks, Element, Json, Mark, Node, Run, Text

__all__ = ["body_from_json", "body_to_json"]


def body_to_json(body: Blocks) -> list[Any]:
    """Return a body as JSON: an element is `[name, attributes, children]`, a text `{"runs": [[text, marks], ...]}`."""
    return [_node(node) for node in body]


def body_from_json(value: Any) -> Blocks:
    """Read what `body_to_json` gave. Raises `ValueError`, `TypeError` or `KeyError` if it is none."""
    return tuple(_read(node) for node in value)


def _node(node: Node) -> Any:
    if isinstance(node, Text):
        marks = [[run.text, [[mark.name, _attributes(mark.attributes)] for mark in run.marks]] for run in node.runs]
        return {"runs": marks}
    return [node.name, _attributes(node.attributes), [_node(child) for child in node.children]]


def _attributes(attributes: Attributes) -> list[Any]:
    return [[name, [value.text] if isinstance(value, Json) else value] for name, value in attributes]


def _read(value: Any) -> Node:
    if isinstance(value, dict):
        return Text(tuple(_read_run(text, marks) for text, marks in value["runs"]))
    name, attributes, children = value
    return Element(name, _read_attributes(attributes), tuple(_read(child) for child in children))


def _read_run(text: str, marks: Any) -> Run:
    return Run(text, tuple(Mark(name, _read_attributes(of)) for name, of in marks))


def _read_attributes(value: Any) -> Attributes:
    return tuple((name, Json(each[0]) if isinstance(each, list) else each) for name, each in value)

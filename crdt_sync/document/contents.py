"""All that a document holds, as JSON values, and back: for a bundle, which loses nothing that JSON can say.

A body is written by a Yjs client of its own, whose id follows from the note and the body. Two devices that take in one
bundle while apart thus write the same structs, and a body is never doubled when they meet. A document that is empty is
filled whole in this way, so that what a person changes on the one device outlives the other's taking in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pycrdt import Doc, Map, XmlElement, XmlFragment, XmlText

from crdt_sync.document import schema
from crdt_sync.document.imported import whole

__all__ = ["BODY_PREFIX", "Contents", "fill", "read_contents"]

BODY_PREFIX = "note/"
MAX_DEPTH = 80
"""A body that nests deeper is cut there, down to its text: no editor makes one, and JSON is read to 100 levels."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The root maps by name, each key with its value, and the bodies by the note's id, as lists of nodes.

    A node is as in ProseMirror: `{type, attrs?, content?}`, or `{type: "text", text, marks?}` with `{type, attrs}` each
    mark. `left_out` names keys whose values JSON cannot say, and roots that are no maps.
    """

    roots: Mapping[str, Mapping[str, Any]]
    bodies: Mapping[str, list[Any]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def read_contents(update: bytes) -> Contents:
    """Return what a whole document holds; `update` is all of it. A copy is read, which may be asked for any root."""
    doc: Doc[Any] = Doc()
    doc.apply_update(update)
    roots: dict[str, dict[str, Any]] = {}
    bodies: dict[str, list[Any]] = {}
    left_out: list[str] = []
    with doc.transaction():
        for name in sorted(doc.keys()):
            if name.startswith(BODY_PREFIX):
                if nodes := list(_nodes(doc.get(name, type=XmlFragment).children, 0)):
                    bodies[name.removeprefix(BODY_PREFIX)] = nodes
                continue
            values = doc.get(name, type=Map).to_py() or {}
            roots[name] = {}
            for key in sorted(values):
                if _is_json(value := whole(values[key])):
                    roots[name][key] = value
                else:
                    left_out.append(f"{name}: {key}")
    return Contents({name: values for name, values in roots.items() if values}, bodies, tuple(left_out))


def fill(doc: Doc[Any], contents: Contents, *, empty: bool) -> None:
    """Write into `doc`, in the caller's transaction, what `contents` has and the document has not.

    An item that is there keeps all its fields as they are, those too that it does not have.
    """
    if empty:
        digest = _digest([contents.roots, sorted(contents.bodies)])
        draft: Doc[Any] = Doc(client_id=digest)
        _put(draft, contents.roots, known=set())
        doc.apply_update(draft.get_update())
        new = set(contents.bodies)
    else:
        names = {*contents.roots} - {schema.FIELDS, schema.META}
        known = {key for name in names for key in doc.get(name, type=Map)}
        _put(doc, contents.roots, known)
        new = contents.bodies.keys() - known
    for note_id in sorted(new):
        _seed(doc, note_id, contents.bodies[note_id])


def _put(doc: Doc[Any], roots: Mapping[str, Mapping[str, Any]], known: set[str]) -> None:
    for name in sorted(roots):
        target = doc.get(name, type=Map)
        for key in sorted(roots[name]):
            item_id = schema.split_field_key(key)[0] if name == schema.FIELDS else key
            if item_id not in known and key not in target:
                target[key] = roots[name][key]


def _seed(doc: Doc[Any], note_id: str, nodes: list[Any]) -> None:
    """Write a body that is not there. One that was, and was purged, is known to the document and would stay away."""
    if len(doc.get(schema.note_root(note_id), type=XmlFragment).children):
        return
    salt = 0
    while True:
        draft: Doc[Any] = Doc(client_id=_digest([note_id, nodes, salt]))
        _write_nodes(draft.get(schema.note_root(note_id), type=XmlFragment), nodes)
        doc.apply_update(draft.get_update())
        if len(doc.get(schema.note_root(note_id), type=XmlFragment).children) or not nodes:
            return
        salt += 1


def _digest(value: Any) -> int:
    """Return 53 bits that follow from a value."""
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]) >> 3


# Bodies


def _nodes(children: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yield nodes; texts that stand side by side under the same marks are one, as editors have them."""
    last: dict[str, Any] | None = None
    for node in _each_node(children, depth):
        if last is not None and node["type"] == last["type"] == "text" and node.get("marks") == last.get("marks"):
            last["text"] += node["text"]
            continue
        if last is not None:
            yield last
        last = node
    if last is not None:
        yield last


def _each_node(children: Any, depth: int) -> Iterator[dict[str, Any]]:
    for child in children:
        if isinstance(child, XmlText):
            yield from _texts(child)
        elif depth < MAX_DEPTH:
            node: dict[str, Any] = {"type": child.tag}
            if attributes := {name: whole(value) for name, value in child.attributes if _is_json(value)}:
                node["attrs"] = attributes
            if content := list(_nodes(child.children, depth + 1)):
                node["content"] = content
            yield node
        else:
            yield from ({"type": "text", "text": text} for text in _words(child))


def _texts(text: XmlText) -> Iterator[dict[str, Any]]:
    for part, attributes in text.diff():
        if not isinstance(part, str) or not part:
            continue
        node: dict[str, Any] = {"type": "text", "text": part}
        marks = [{"type": name, "attrs": whole(value)} for name, value in sorted((attributes or {}).items())]
        if marks:
            node["marks"] = [mark for mark in marks if _is_json(mark)]
        yield node


def _words(node: Any) -> Iterator[str]:
    """Yield the texts below a node, without recursion."""
    stack = [node]
    while stack:
        each = stack.pop()
        if isinstance(each, XmlText):
            yield from (part for part, _ in each.diff() if isinstance(part, str) and part)
        else:
            stack += reversed(list(each.children))


def _write_nodes(parent: Any, nodes: list[Any]) -> None:
    """Write one thing after the other, in one order: the structs must be the same on every device.

    pycrdt counts a text in bytes of UTF-8.
    """
    text: XmlText | None = None
    end = 0
    for node in nodes:
        if node["type"] != "text":
            text = None
            element = parent.children.append(XmlElement(node["type"]))
            for name, value in sorted(node.get("attrs", {}).items()):
                element.attributes[name] = value
            _write_nodes(element, node.get("content", []))
            continue
        if text is None:
            text, end = parent.children.append(XmlText()), 0
        text.insert(end, node["text"])
        start, end = end, end + len(node["text"].encode())
        for mark in node.get("marks", ()):
            text.format(start, end, {mark["type"]: mark.get("attrs", {})})


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True

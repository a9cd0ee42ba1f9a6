"""A whole library as JSON: every key of its document, the unknown ones too, and every body. docs/bundle.schema.json.

It is the one format that loses nothing but history: what the library is goes along, and not how it came to be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crdt_sync.document import schema
from crdt_sync.document.anchors import Anchor
from crdt_sync.document.contents import Contents
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.bounds import parsed_json, read_bytes
from crdt_sync.interchange.records import Encoded, FormatReader, Item, Skipped

__all__ = ["NAME", "READER", "VERSION", "encoded", "load", "new_items", "of_work"]

NAME = "bundle"
FORMAT = "crdt-sync"
VERSION = 1
"""A reader of this version takes no bundle of a later one: it could not say what it would lose."""
MAX_BUNDLE_BYTES = 1024 * 1024 * 1024
_HEAD = re.compile(rb'^(?:\xef\xbb\xbf)?\s*\{\s*"format"\s*:\s*"crdt-sync"')


def encoded(contents: Contents, work: str | None = None) -> Encoded:
    """Return the file, of one work if that is named. It is the same for the same library, so two can be compared."""
    contents = contents if work is None else of_work(contents, work)
    head = f'{{"format": "{FORMAT}", "version": {VERSION},\n'  # what it is recognised by comes first
    roots, bodies = (
        json.dumps(part, ensure_ascii=False, indent=1, sort_keys=True) for part in (contents.roots, contents.bodies)
    )
    data = f'{head}"roots": {roots},\n"bodies": {bodies}}}\n'.encode()
    items = len(contents.roots.get(schema.HIGHLIGHTS, {})) + len(contents.roots.get(schema.NOTES, {}))
    reason = "its value is not JSON, or it is of a kind that this version does not know"
    return Encoded(data, items, tuple(Skipped(key, reason) for key in contents.left_out))


def load(path: Path) -> Contents:
    """Read and check a bundle. Raises `UnreadableFile` for anything but a whole and sound one."""
    value = parsed_json(read_bytes(path, limit=MAX_BUNDLE_BYTES), path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise UnreadableFile(f'{path} is no bundle of crdt-sync: it begins with {{"format": "{FORMAT}"')
    version = value.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UnreadableFile(f"{path} does not say which version of the format it is")
    if version > VERSION:
        raise UnreadableFile(f"{path} was written by a newer version of crdt-sync; install that to import it")
    try:
        _check(value)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UnreadableFile(f"{path} holds half a character (a lone surrogate)") from None
    except ValueError as error:
        raise UnreadableFile(f"{path} is damaged: {error}") from None
    return Contents(value["roots"], value.get("bodies", {}))


def new_items(contents: Contents, document: LibraryDocument) -> tuple[list[str], list[str]]:
    """Return the ids of the items of a bundle that the library does not have, and of those that it has."""
    new: list[str] = []
    there: list[str] = []
    with document.reading():
        for name in (schema.HIGHLIGHTS, schema.NOTES):
            for item_id in contents.roots.get(name, {}):
                (there if document.kind(item_id) is not None else new).append(item_id)
    return new, there


def of_work(contents: Contents, work: str) -> Contents:
    """Return what concerns one work: its highlights, their notes, and all fields of these."""
    highlights = {
        item_id: made
        for item_id, made in contents.roots.get(schema.HIGHLIGHTS, {}).items()
        if isinstance(made, Mapping) and Anchor.from_json(made.get("anchor")).work_id == work
    }
    notes = {
        item_id: made
        for item_id, made in contents.roots.get(schema.NOTES, {}).items()
        if isinstance(made, Mapping) and made.get("highlight") in highlights
    }
    ids = highlights.keys() | notes.keys()
    fields = {
        key: value
        for key, value in contents.roots.get(schema.FIELDS, {}).items()
        if schema.split_field_key(key)[0] in ids
    }
    roots = {
        schema.META: contents.roots.get(schema.META, {}),
        schema.HIGHLIGHTS: highlights,
        schema.NOTES: notes,
        schema.FIELDS: fields,
    }
    bodies = {note_id: body for note_id, body in contents.bodies.items() if note_id in notes}
    return Contents({name: values for name, values in roots.items() if values}, bodies)


def _check(value: dict[str, Any]) -> None:
    roots, bodies = value.get("roots"), value.get("bodies", {})
    if not isinstance(roots, dict) or not isinstance(bodies, dict):
        raise ValueError("it has no roots and bodies")
    for name, values in roots.items():
        if not name or name.startswith("note/") or not isinstance(values, dict):
            raise ValueError(f"the root {name!r} is no map")
    for name in (schema.HIGHLIGHTS, schema.NOTES):
        for item_id, made in roots.get(name, {}).items():
            if not item_id or "/" in item_id or len(item_id.encode(errors="replace")) > 200:
                raise ValueError(f"{item_id[:60]!r} in {name} is no id")
            if not isinstance(made, dict):
                raise ValueError(f"{item_id} in {name} is no object")
    needed = roots.get(schema.META, {}).get(schema.META_MIN_WRITER, 0)
    if not isinstance(needed, int | float) or needed > schema.SCHEMA:
        raise ValueError(f"it asks for schema {needed!r}, and this version writes {schema.SCHEMA}; install a newer one")
    for note_id, nodes in bodies.items():
        if not note_id or "/" in note_id:
            raise ValueError(f"{note_id[:60]!r} in the bodies is no id")
        _check_nodes(nodes, note_id)


def _check_nodes(nodes: Any, note_id: str) -> None:
    if not isinstance(nodes, list):
        raise ValueError(f"the body of {note_id} is no list of nodes")
    for node in nodes:
        if not isinstance(node, dict) or not isinstance(node.get("type"), str) or not node["type"]:
            raise ValueError(f"the body of {note_id} has a node without a type")
        if node["type"] == "text":
            if not isinstance(node.get("text"), str) or not node["text"]:
                raise ValueError(f"the body of {note_id} has a text node without text")
            _check_marks(node.get("marks", []), note_id)
            continue
        if not isinstance(node.get("attrs", {}), dict):
            raise ValueError(f"the body of {note_id} has a node whose attrs are no object")
        _check_nodes(node.get("content", []), note_id)


def _check_marks(marks: Any, note_id: str) -> None:
    if not isinstance(marks, list):
        raise ValueError(f"the body of {note_id} has marks that are no list")
    for mark in marks:
        if not isinstance(mark, dict) or not isinstance(mark.get("type"), str) or not mark["type"]:
            raise ValueError(f"the body of {note_id} has a mark without a type")
        if mark.get("attrs", {}) is None:
            raise ValueError(f"the body of {note_id} has a mark whose attrs are null")


class _Reader:
    """Recognises a bundle. It has no records: it is taken in whole, by `load`."""

    name = NAME

    def recognises(self, path: Path, head: bytes) -> bool:
        return _HEAD.match(head) is not None

    def read(self, path: Path) -> Iterator[Item]:
        load(path)
        return iter(())


READER: FormatReader = _Reader()

"""Brings a library back to what it was at some moment, by an edit: what differs is changed, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pycrdt import Doc, Map, XmlFragment

from crdt_sync.document import schema
from crdt_sync.document.bodies import Block, read_body, write_body

__all__ = ["Content", "restore"]


@dataclass(frozen=True, slots=True)
class Content:
    """What a document held: the items of each root map by their id, the fields by their key, the notes' bodies.

    A body that is no value (`bodies`) is not in it.
    """

    items: Mapping[str, Mapping[str, Any]]
    fields: Mapping[str, Any]
    bodies: Mapping[str, list[Block]]


def restore(then: Content, doc: Doc[Any], items: Mapping[str, Map[Any]], fields: Map[Any], now_ms: int) -> set[str]:
    """Write what leads back to `then`, inside the caller's transaction; return the items that it changed.

    What was purged since is made again, and what was made since goes to the trash. Concurrent edits merge as ever.
    """
    known = {item_id for root in then.items.values() for item_id in root}
    changed: set[str] = set()
    for name, root in items.items():
        wanted = then.items.get(name, {})
        for item_id in wanted:
            if item_id not in root:
                root[item_id] = wanted[item_id]
                changed.add(item_id)
        for item_id in root.keys():  # noqa: SIM118
            key = schema.field_key(item_id, schema.DELETED_AT)
            if item_id not in known and fields.get(key) is None:
                fields[key] = now_ms
                changed.add(item_id)
    there = dict(fields.to_py() or {})
    for key in there.keys() | then.fields.keys():
        item_id, field_name, _ = schema.split_field_key(key)
        if item_id not in known or field_name == schema.UPDATED_AT or there.get(key) == then.fields.get(key):
            continue
        if key in then.fields:
            fields[key] = then.fields[key]
        else:
            del fields[key]
        changed.add(item_id)
    for note_id, blocks in then.bodies.items():
        body = doc.get(schema.note_root(note_id), type=XmlFragment)
        now = read_body(body)
        if now is not None and now != blocks:
            write_body(body, blocks)
            changed.add(note_id)
    for item_id in changed:
        fields[schema.field_key(item_id, schema.UPDATED_AT)] = now_ms
    return changed

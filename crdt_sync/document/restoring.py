"""Brings a library back to what it was at some moment, by an edit: what differs is changed, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pycrdt import Doc, Map

from crdt_sync.document import schema
from crdt_sync.document.edits import SetNoteBody
from crdt_sync.document.note_bodies import NoteBodies, body_to_keep
from crdt_sync.document.rich import Blocks

__all__ = ["Content", "restore"]


@dataclass(frozen=True, slots=True)
class Content:
    """What a document held: the items of each root map by their id, the fields by their key, the notes' bodies.

    A body that is not written here, as Quill's, is not in it.
    """

    items: Mapping[str, Mapping[str, Any]]
    fields: Mapping[str, Any]
    bodies: Mapping[str, Blocks]


def restore(then: Content, doc: Doc[Any], items: Mapping[str, Map[Any]], fields: Map[Any], now_ms: int) -> set[str]:
    """Write what leads back to `then`, inside the caller's transaction; return the items that it changed.

    What was purged since is made again, and what was made since goes to the trash. Concurrent edits merge as ever.
    """
    known = {item_id for root in then.items.values() for item_id in root}
    made_again: set[str] = set()
    changed: set[str] = set()
    for name, root in items.items():
        wanted = then.items.get(name, {})
        for item_id in wanted:
            if item_id not in root:
                root[item_id] = wanted[item_id]
                made_again.add(item_id)
        for item_id in root.keys():  # noqa: SIM118
            key = schema.field_key(item_id, schema.DELETED_AT)
            if item_id not in known and fields.get(key) is None:
                fields[key] = now_ms
                changed.add(item_id)
    there, bodies = dict(fields.to_py() or {}), NoteBodies(doc, fields)
    for key in there.keys() | then.fields.keys():
        item_id, field_name, _ = schema.split_field_key(key)
        if item_id not in known or field_name == schema.UPDATED_AT or there.get(key) == then.fields.get(key):
            continue
        if field_name == schema.BODY and item_id not in made_again:
            continue  # the body below, into which an edit may have moved this
        if key in then.fields:
            fields[key] = then.fields[key]
        else:
            del fields[key]
        changed.add(item_id)
    for note_id, blocks in then.bodies.items():
        now = body_to_keep(doc, fields, note_id)
        if now not in (None, blocks) and bodies.change(SetNoteBody(note_id, blocks), note_id):
            changed.add(note_id)
    changed |= made_again
    for item_id in changed:
        fields[schema.field_key(item_id, schema.UPDATED_AT)] = now_ms
    return changed

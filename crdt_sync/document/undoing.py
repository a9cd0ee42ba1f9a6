"""What an edit did, kept so that it can be taken back, and the taking back: an edit as any other, which syncs.

Yjs's own undo manager lives and dies with its Doc, and what it would bring back is collected as garbage in a file that
is loaded anew. So what is kept are values: of each field that an edit touched, and of each note's body, what was there
before and after. Taking back sets a field only where it still has the value of the edit and nobody else has written it
since. A body is merged: what the edit did is taken out of what the body is now (`rich.merging`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pycrdt import Doc, Map

from crdt_sync.document import schema
from crdt_sync.document.edits import SetNoteBody
from crdt_sync.document.note_bodies import NoteBodies, body_to_keep
from crdt_sync.document.rich import Blocks
from crdt_sync.document.rich.merging import merge
from crdt_sync.document.rich.storing import body_from_json, body_to_json

__all__ = ["Done", "Recorder", "Undone", "take_back"]


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo or redo did: the items that it changed, and those of which it left something as it is.

    Somebody else has changed that since, or purged it: the later change wins.
    """

    ids: tuple[str, ...]
    kept: tuple[str, ...] = ()


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_STRICT = json.JSONEncoder(allow_nan=False)
"""`json.dumps` would make an encoder at each call."""


@dataclass(frozen=True, slots=True)
class Done:
    """What one edit did: the items it made, and before and after of fields (None where there was none) and of bodies.

    Values are JSON; `fields` are by their key, `bodies` by the note's id. Of an item that was made nothing else is
    kept: taking that back moves it to the trash.
    """

    made: tuple[str, ...] = ()
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    bodies: Mapping[str, tuple[Blocks, Blocks]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.made or self.fields or self.bodies)

    def written(self) -> list[str]:
        """Return the keys of fields that taking this back writes."""
        return [*self.fields, *(schema.field_key(item_id, schema.DELETED_AT) for item_id in self.made)]

    def goes_on(self, before: Done) -> bool:
        """Say whether this changes what `before` changed, of one item, and nothing came between the two.

        To trash and to restore is no typing: each is a step of its own.
        """
        places = [schema.split_field_key(key)[:2] for key in self.fields]
        if len({*self.bodies, *(item_id for item_id, _ in places)}) != 1 or any(
            name == schema.DELETED_AT for _, name in places
        ):
            return False
        if self.made or before.made or self.fields.keys() != before.fields.keys():
            return False
        if self.bodies.keys() != before.bodies.keys():
            return False
        pairs = [(before.fields[key], self.fields[key]) for key in self.fields]
        return all(first[1] == second[0] for first, second in pairs) and all(
            before.bodies[note_id][1] == self.bodies[note_id][0] for note_id in self.bodies
        )

    def after(self, before: Done) -> Done:
        """Return this and `before`, which it goes on from, as one."""
        fields = {key: (before.fields[key][0], now) for key, (_, now) in self.fields.items()}
        bodies = {note_id: (before.bodies[note_id][0], now) for note_id, (_, now) in self.bodies.items()}
        return Done(
            (),
            {key: pair for key, pair in fields.items() if pair[0] != pair[1]},
            {note_id: pair for note_id, pair in bodies.items() if pair[0] != pair[1]},
        )

    def without(self, item_ids: set[str]) -> Done:
        """Return this without what it says of these items."""
        return Done(
            tuple(item_id for item_id in self.made if item_id not in item_ids),
            {key: pair for key, pair in self.fields.items() if schema.split_field_key(key)[0] not in item_ids},
            {note_id: pair for note_id, pair in self.bodies.items() if note_id not in item_ids},
        )

    def to_json(self) -> str:
        """Return it as text, for `from_json`."""
        bodies = {note_id: [*map(body_to_json, pair)] for note_id, pair in self.bodies.items()}
        value = {"made": self.made, "fields": self.fields, "bodies": bodies}
        return _COMPACT.encode(value)

    @classmethod
    def from_json(cls, text: str) -> Done:
        """Read what `to_json` gave. Raises `ValueError`, `TypeError` or `KeyError` if it is none."""
        value = json.loads(text)
        fields = {key: (before, after) for key, (before, after) in value["fields"].items()}
        bodies = {
            note_id: (body_from_json(before), body_from_json(after))
            for note_id, (before, after) in value["bodies"].items()
        }
        return cls(tuple(value["made"]), fields, bodies)


class Recorder:
    """Notes what one transaction does. The document's observers call it, and only copy."""

    def __init__(self, bodies: Mapping[str, Blocks]) -> None:
        self._bodies = bodies
        self._items: list[tuple[str, Mapping[str, Any]]] = []
        self._fields: list[tuple[str, Mapping[str, Any]]] = []

    def items(self, keys: Mapping[str, Mapping[str, Any]]) -> None:
        """Note what happened in a root map of items."""
        self._items += keys.items()

    def fields(self, keys: Mapping[str, Mapping[str, Any]]) -> None:
        """Note what happened in the root map of fields."""
        self._fields += keys.items()

    def done(self, doc: Doc[Any], fields_: Map[Any]) -> Done:
        """Return what was done; call it after the transaction.

        An imported text that an edit moved into the note's body stays there, or another device's first edit of it would
        lose what it was made in: the body goes back to these words.
        """
        made = {item_id for item_id, what in self._items if what["action"] == "add"}
        leave = {item_id for item_id, _ in self._items}  # what was purged cannot be undone, and its words do not stay
        fields: dict[str, tuple[Any, Any]] = {}
        for key, what in self._fields:
            item_id, name, _ = schema.split_field_key(key)
            if item_id in leave or name == schema.UPDATED_AT or (name == schema.BODY and item_id in self._bodies):
                continue
            pair = (what.get("oldValue"), what.get("newValue"))
            if pair[0] != pair[1] and _is_json(pair):
                fields[key] = pair
        bodies: dict[str, tuple[Blocks, Blocks]] = {}
        for note_id, before in self._bodies.items():
            after = None if note_id in leave else body_to_keep(doc, fields_, note_id)
            if after is not None and before != after:
                bodies[note_id] = (before, after)
        return Done(tuple(sorted(made)), fields, bodies)


def take_back(
    done: Done, theirs: Collection[str], doc: Doc[Any], items: Iterable[Map[Any]], fields: Map[Any], now_ms: int
) -> Undone:
    """Take `done` back, inside the caller's transaction. Keys that are `theirs` were written by others since."""
    changed: set[str] = set()
    kept: set[str] = set()
    roots, bodies = tuple(items), NoteBodies(doc, fields)

    def is_there(item_id: str) -> bool:
        return any(item_id in root for root in roots)

    for item_id in done.made:
        key = schema.field_key(item_id, schema.DELETED_AT)
        if key in theirs or not is_there(item_id):
            kept.add(item_id)
        elif fields.get(key) is None:
            fields[key] = now_ms
            changed.add(item_id)
    for key, (before, after) in done.fields.items():
        item_id = schema.split_field_key(key)[0]
        there = fields.get(key)
        if there == before:
            continue
        if there != after or key in theirs or not is_there(item_id):
            kept.add(item_id)
            continue
        if before is None:
            del fields[key]
        else:
            fields[key] = before
        changed.add(item_id)
    for note_id, (was, became) in done.bodies.items():
        now = body_to_keep(doc, fields, note_id) if is_there(note_id) else None
        if now is None:
            kept.add(note_id)
        elif bodies.change(SetNoteBody(note_id, merge(became, now, was)), note_id):
            changed.add(note_id)
    for item_id in changed:
        fields[schema.field_key(item_id, schema.UPDATED_AT)] = now_ms
    return Undone(tuple(sorted(changed)), tuple(sorted(kept)))


def _is_json(value: Any) -> bool:
    """A stranger may put anything under a key, a shared type too; what is no JSON cannot be kept."""
    try:
        _STRICT.encode(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True

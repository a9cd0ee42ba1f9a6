"""Writes what foreign files say into a document: one value for each item, the same on every device."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from pycrdt import Map

from crdt_sync.document import schema
from crdt_sync.document.edits import ImportItem
from crdt_sync.document.imported import Imported, said, whole

__all__ = ["ImportOutcome", "Verdict", "judge", "write"]


class Verdict(Enum):
    """What the import of one item comes to."""

    ADDED = "added"
    CHANGED = "changed"
    """It was there, and the file says something else than it did."""
    THERE = "there"
    """It was there, and the file says what it said before, or something older."""


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What the import of one item comes to; `kept` names fields that the file changed, and a person had changed too."""

    verdict: Verdict
    kept: tuple[str, ...] = ()


def judge(edit: ImportItem, items: Map[Any], fields: Map[Any]) -> ImportOutcome:
    """Say what `edit` will do, from its root map and `fields`, and change nothing."""
    made = items.get(edit.id)
    if made is None:
        return ImportOutcome(Verdict.ADDED)
    known = said(made, fields.get(schema.field_key(edit.id, schema.IMPORTED)))
    if edit.own and (known is None or known.format != edit.imported.format):
        return ImportOutcome(Verdict.THERE)  # it was made here, or came from elsewhere: the file is not its source
    if _is_older(edit.imported, known) or known == _said(edit, made):
        return ImportOutcome(Verdict.THERE)
    return ImportOutcome(Verdict.CHANGED, tuple(_kept(edit, known, fields)))


def write(edit: ImportItem, items: Map[Any], fields: Map[Any]) -> bool:
    """Do it; return whether anything was written. No field that a person sets is touched."""
    match judge(edit, items, fields).verdict:
        case Verdict.THERE:
            return False
        case Verdict.ADDED:
            value: dict[str, Any] = {"createdAt": edit.created_at_ms, "createdBy": edit.created_by}
            if edit.anchor is not None:
                value["anchor"] = edit.anchor.to_json()
                if edit.kind != "highlight":
                    value[schema.KIND] = edit.kind
            elif edit.highlight_id is not None:
                value["highlight"] = edit.highlight_id
            items[edit.id] = {**value, schema.IMPORTED: _with_words(edit).to_json()}
            _write_body(edit, fields, None)
        case Verdict.CHANGED:
            known = said(items.get(edit.id), fields.get(schema.field_key(edit.id, schema.IMPORTED)))
            fields[schema.field_key(edit.id, schema.IMPORTED)] = _said(edit, items.get(edit.id)).to_json()
            _write_body(edit, fields, known)
    return True


def _said(edit: ImportItem, made: Any) -> Imported:
    """Return what the file says, with its anchor if that is not the one that the item was made with."""
    imported = _with_words(edit)
    first = whole(made.get("anchor")) if isinstance(made, Mapping) else None
    if edit.anchor is None or edit.anchor.to_json() == first:
        return imported
    return replace(imported, anchor=edit.anchor)


def _with_words(edit: ImportItem) -> Imported:
    """The words of a note are told by their hash: the text itself leaves its key when a person edits the note."""
    if edit.anchor is not None or not edit.text:
        return edit.imported
    return replace(edit.imported, words=hashlib.sha256(edit.text.encode()).hexdigest()[:16])


def _write_body(edit: ImportItem, fields: Map[Any], known: Imported | None) -> None:
    """Write a note's words where the file says other ones. Once a person has edited the note, nobody looks at them."""
    key = schema.field_key(edit.id, schema.BODY)
    is_new = known is None or known.words != _with_words(edit).words
    if edit.anchor is None and is_new and (fields.get(key) or "") != edit.text:
        fields[key] = edit.text


def _is_older(imported: Imported, known: Imported | None) -> bool:
    """Two states of one foreign record are told apart by its own times, where it has any: a stale file says nothing."""
    if known is None or imported.updated_at_ms is None or known.updated_at_ms is None:
        return False
    return imported.format == known.format and imported.updated_at_ms < known.updated_at_ms


def _kept(edit: ImportItem, known: Imported | None, fields: Map[Any]) -> list[str]:
    before, now = known or Imported(edit.imported.format), edit.imported
    names = []
    for name in (schema.COLOR, schema.STYLE, schema.COMMENT, schema.TITLE):
        mine = fields.get(schema.field_key(edit.id, name))
        if isinstance(mine, str) and now.text(name) != before.text(name) and mine != now.text(name):
            names.append(name)
    touched = [tag for tag in {*before.tags} ^ {*now.tags} if schema.tag_key(edit.id, tag) in fields]
    if any((fields.get(schema.tag_key(edit.id, tag)) is True) != (tag in now.tags) for tag in touched):
        names.append("tags")
    if now.trashed != before.trashed and (mine := fields.get(schema.field_key(edit.id, schema.DELETED_AT))) is not None:
        names += ["trash"] if (mine is not False) != now.trashed else []
    return names

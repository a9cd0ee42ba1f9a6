"""Makes typed edits in a document: the keys that change and `updatedAt`, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from pycrdt import Doc, Map

from crdt_sync.document import importing, schema
from crdt_sync.document.anchors import Anchor
from crdt_sync.document.collecting import CollectionWriter
from crdt_sync.document.edits import (
    AddCollection,
    AddHighlight,
    AddNote,
    AddToCollection,
    Adopt,
    AppendToNote,
    CopyHighlight,
    Edit,
    EditCollection,
    EditHighlight,
    EditNote,
    EditNoteBody,
    ImportItem,
    Purge,
    Reanchor,
    RemoveFromCollection,
    Restore,
    SetNoteBody,
    Trash,
)
from crdt_sync.document.events import ItemKind
from crdt_sync.document.imported import MAX_RECORD_BYTES, Imported, said
from crdt_sync.document.note_bodies import NoteBodies
from crdt_sync.document.values import HIGHLIGHT_KINDS, Highlight, HighlightKind, Note
from crdt_sync.errors import InvalidEdit, NotFound

__all__ = ["Writer"]


class Writer(CollectionWriter):
    """One call's edits. `plan` checks them all before `make` changes anything."""

    def __init__(
        self,
        doc: Doc[Any],
        items: Mapping[str, Map[Any]],
        fields: Map[Any],
        now_ms: int,
        author: str,
        members: Callable[[str], Iterable[str]] = lambda _: (),
    ) -> None:
        self._doc = doc
        self._highlights, self._notes = items[schema.HIGHLIGHTS], items[schema.NOTES]
        self._collections = items[schema.COLLECTIONS]
        self._fields = fields
        self._bodies = NoteBodies(doc, self._fields)
        self._known_members = members
        self._members = {}
        self._now_ms = now_ms
        self._author = author
        self._keys_of: dict[str, list[str]] | None = None
        self.wrote = False

    def plan(self, edits: Sequence[Edit], new_id: Callable[[], str]) -> list[tuple[Edit, str]]:
        """Return each edit with its item's id. Raises `InvalidEdit` or `NotFound`."""
        planned: list[tuple[Edit, str]] = []
        made: dict[str, ItemKind] = {}  # items of this call
        for edit in edits:
            if isinstance(edit, AddHighlight | AddNote | AddCollection):
                item_id = edit.id if edit.id is not None else new_id()
                _check_id(item_id)
                made[item_id] = _MAKES[type(edit)]
            elif isinstance(edit, Adopt | CopyHighlight | ImportItem):
                item_id = edit.id
                _check_id(item_id)
            else:
                item_id = edit.id
                self._check_known(edit, made)
            if isinstance(edit, AddCollection | AddToCollection):
                self._check_members(edit, made)
            _check_texts(edit)
            self._bodies.check(edit, item_id)
            planned.append((edit, item_id))
        return planned

    def make(self, edit: Edit, item_id: str) -> None:
        """Write one planned edit."""
        before, self.wrote = self.wrote, False
        match edit:
            case AddHighlight():
                self._add_highlight(edit, item_id)
            case AddNote():
                self._add_note(edit, item_id)
            case EditHighlight():
                self._set_text(item_id, schema.COLOR, edit.color)
                self._set_text(item_id, schema.STYLE, edit.style)
                self._set_text(item_id, schema.COMMENT, edit.comment)
                self._set_tags(item_id, edit.add_tags, edit.remove_tags)
            case Reanchor():
                self._reanchor(item_id, edit.anchor)
            case EditNote():
                self._set_text(item_id, schema.TITLE, edit.title)
                self._set_tags(item_id, edit.add_tags, edit.remove_tags)
            case AppendToNote():
                self.wrote |= self._bodies.append(edit, item_id)
            case EditNoteBody() | SetNoteBody():
                self.wrote |= self._bodies.change(edit, item_id)
            case Trash():
                self._trash(item_id)
            case Restore():
                self._restore(item_id)
            case Adopt(item=item):
                if item_id not in self._highlights and item_id not in self._notes:
                    self._adopt(item)
            case CopyHighlight():
                self._copy(edit, item_id)
            case ImportItem(anchor=anchor):
                items = self._notes if anchor is None else self._highlights
                self.wrote |= importing.write(edit, items, self._fields)
            case AddCollection():
                self._add_collection(edit, item_id)
            case EditCollection():
                self._set_text(item_id, schema.TITLE, edit.title)
            case AddToCollection():
                self._add_to_collection(edit)
            case RemoveFromCollection():
                self._remove_from_collection(edit)
            case Purge():
                self._purge(item_id)
        if self.wrote and not isinstance(edit, Purge | ImportItem):
            self._set(schema.field_key(item_id, schema.UPDATED_AT), self._now_ms)
        self.wrote = self.wrote or before

    def _add_highlight(self, edit: AddHighlight, item_id: str) -> None:
        if item_id not in self._highlights:
            made = {"createdAt": self._now_ms, "createdBy": self._author, **_kind(edit.kind)}
            self._highlights[item_id] = {"anchor": edit.anchor.to_json(), **made}
            self.wrote = True
        self._set_text(item_id, schema.COLOR, edit.color)
        self._set_text(item_id, schema.STYLE, edit.style)
        self._set_text(item_id, schema.COMMENT, edit.comment)
        self._set_tags(item_id, edit.tags, ())

    def _add_note(self, edit: AddNote, item_id: str) -> None:
        if item_id not in self._notes:
            made: dict[str, Any] = {"createdAt": self._now_ms, "createdBy": self._author}
            if edit.highlight_id is not None:
                made["highlight"] = edit.highlight_id
            self._notes[item_id] = made
            self.wrote = True
            self._bodies.append(edit, item_id)
        self._set_text(item_id, schema.TITLE, edit.title)
        self._set_tags(item_id, edit.tags, ())

    def _adopt(self, item: Highlight | Note) -> None:
        made: dict[str, Any] = {"createdAt": item.created_at_ms, "createdBy": item.created_by}
        if isinstance(item, Highlight):
            self._highlights[item.id] = {"anchor": item.anchor.to_json(), **made, **_kind(item.kind)}
            texts = {schema.COLOR: item.color, schema.STYLE: item.style, schema.COMMENT: item.comment}
        else:
            if item.highlight_id is not None:
                made["highlight"] = item.highlight_id
            self._notes[item.id] = made
            texts = {schema.TITLE: item.title, schema.BODY: item.text}
        self.wrote = True
        for name, text in texts.items():
            self._set_text(item.id, name, text)
        self._set_tags(item.id, item.tags, ())
        if item.deleted_at_ms is not None:
            self._set(schema.field_key(item.id, schema.DELETED_AT), item.deleted_at_ms)

    def _copy(self, edit: CopyHighlight, item_id: str) -> None:
        anchor, made = edit.anchor.to_json(), self._highlights.get(item_id)
        if made is None:
            self._highlights[item_id] = {"anchor": anchor, "createdAt": self._now_ms, "createdBy": self._author}
            self.wrote = True
        elif not edit.update:
            return
        else:
            self._reanchor(item_id, edit.anchor)
        self._set_text(item_id, schema.COLOR, edit.color)
        self._set_text(item_id, schema.STYLE, edit.style)

    def _reanchor(self, item_id: str, anchor: Anchor) -> None:
        key, value, made = schema.field_key(item_id, schema.ANCHOR), anchor.to_json(), self._highlights.get(item_id)
        newer = self._fields.get(key)
        known = made.get("anchor") if newer is None and isinstance(made, dict) else newer
        if newer is None and (imported := self._imported(item_id)) is not None and imported.anchor is not None:
            known = imported.anchor.to_json()
        if known != value:
            self._set(key, value)

    def _purge(self, item_id: str) -> None:
        for key in self._purged_keys(item_id):
            self._drop(key)
        for items in (self._highlights, self._notes, self._collections):
            if item_id in items:
                del items[item_id]
                self.wrote = True
        self.wrote |= self._bodies.empty(item_id)

    def _purged_keys(self, item_id: str) -> list[str]:
        """Return the keys of an item, and those that put it into collections.

        All keys are looked at once for all purges of a call, and not again for each item of a full trash.
        """
        if self._keys_of is None:
            self._keys_of = {}
            for key in self._fields.keys():  # noqa: SIM118
                self._note_key(self._keys_of, key)
        return self._keys_of.pop(item_id, [])

    def _note_key(self, keys_of: dict[str, list[str]], key: str) -> None:
        item_id, name, rest = schema.split_field_key(key)
        for owner in (item_id, rest) if name == schema.ITEM else (item_id,):
            keys_of.setdefault(owner, []).append(key)

    def _trash(self, item_id: str) -> None:
        key = schema.field_key(item_id, schema.DELETED_AT)
        given, imported = self._fields.get(key), self._imported(item_id)
        if given is False or (given is None and not (imported is not None and imported.trashed)):
            self._set(key, self._now_ms)

    def _restore(self, item_id: str) -> None:
        """What a file has in its trash comes out of it by a `false`, as there is no key to take away."""
        key, imported = schema.field_key(item_id, schema.DELETED_AT), self._imported(item_id)
        if imported is None or not imported.trashed:
            self._drop(key)
        elif self._fields.get(key) is not False:
            self._set(key, False)

    def _imported(self, item_id: str) -> Imported | None:
        made = self._highlights.get(item_id) or self._notes.get(item_id)
        return None if made is None else said(made, self._fields.get(schema.field_key(item_id, schema.IMPORTED)))

    def _set_text(self, item_id: str, name: str, value: str | None) -> None:
        """An unchanged key is not rewritten, and an empty one that is not there stays away: both leave tombstones."""
        if value is not None:
            key = schema.field_key(item_id, name)
            known = self._fields.get(key)
            if known is None and (imported := self._imported(item_id)) is not None:
                known = imported.text(name)
            if (known or "") != value:
                self._set(key, value)

    def _set_tags(self, item_id: str, add: Sequence[str], remove: Sequence[str]) -> None:
        """A tag that a file gave has no key; a `false` takes it away."""
        imported = self._imported(item_id) if add or remove else None
        given = () if imported is None else imported.tags
        for tag in add:
            key = schema.tag_key(item_id, tag)
            known = self._fields.get(key)
            if known is not True and not (known is None and tag in given):
                self._set(key, True)
        for tag in remove:
            key = schema.tag_key(item_id, tag)
            if tag not in given:
                self._drop(key)
            elif self._fields.get(key) is not False:
                self._set(key, False)

    def _set(self, key: str, value: Any) -> None:
        self._fields[key] = value
        if self._keys_of is not None:
            self._note_key(self._keys_of, key)
        self.wrote = True

    def _drop(self, key: str) -> None:
        if key in self._fields:
            del self._fields[key]
            self.wrote = True

    def _check_known(self, edit: Edit, made: dict[str, ItemKind]) -> None:
        assert edit.id is not None
        kind = self._kind_of(edit.id, made)
        for edits, wanted in _EDITS.items():
            if isinstance(edit, edits) and kind is not wanted:
                raise NotFound(f"there is no {wanted.value} {edit.id!r}")
        if kind is None:
            raise NotFound(f"there is no highlight, note or collection {edit.id!r}")

    def _check_members(self, edit: AddCollection | AddToCollection, made: dict[str, ItemKind]) -> None:
        for item_id in edit.item_ids:
            if self._kind_of(item_id, made) not in (ItemKind.HIGHLIGHT, ItemKind.NOTE):
                raise NotFound(f"there is no highlight or note {item_id!r} to put into a collection")
        if isinstance(edit, AddToCollection) and edit.before is not None:
            if edit.before in edit.item_ids:
                raise InvalidEdit(f"{edit.before!r} cannot come before itself")
            if schema.member_key(edit.id, edit.before) not in self._fields:
                raise NotFound(f"{edit.before!r} is not in the collection {edit.id!r}; name an item that is")

    def _kind_of(self, item_id: str, made: dict[str, ItemKind]) -> ItemKind | None:
        if item_id in made:
            return made[item_id]
        for items, kind in (
            (self._highlights, ItemKind.HIGHLIGHT),
            (self._notes, ItemKind.NOTE),
            (self._collections, ItemKind.COLLECTION),
        ):
            if item_id in items:
                return kind
        return None


_MAKES: dict[type, ItemKind] = {
    AddHighlight: ItemKind.HIGHLIGHT,
    AddNote: ItemKind.NOTE,
    AddCollection: ItemKind.COLLECTION,
}
_EDITS: dict[tuple[type, ...], ItemKind] = {
    (EditHighlight, Reanchor): ItemKind.HIGHLIGHT,
    (EditNote, AppendToNote, EditNoteBody, SetNoteBody): ItemKind.NOTE,
    (EditCollection, AddToCollection, RemoveFromCollection): ItemKind.COLLECTION,
}


def _kind(kind: HighlightKind) -> dict[str, HighlightKind]:
    return {} if kind == "highlight" else {schema.KIND: kind}


def _check_id(item_id: str) -> None:
    if not item_id or "/" in item_id or len(item_id.encode(errors="replace")) > 200:
        raise InvalidEdit("an id has 1 to 200 bytes and no slash; leave it out to have one made")


def _check_texts(edit: Edit) -> None:
    try:
        if isinstance(edit, AddHighlight | CopyHighlight | ImportItem | Reanchor) and edit.anchor is not None:
            json.dumps(edit.anchor.to_json(), allow_nan=False, ensure_ascii=False).encode()
        if isinstance(edit, ImportItem):
            if len((edit.imported.record_json or "").encode()) > MAX_RECORD_BYTES:
                raise InvalidEdit(f"a foreign record of more than {MAX_RECORD_BYTES:,} bytes is not kept")
            json.dumps(edit.imported.to_json(), ensure_ascii=False).encode()
        for field in fields(edit):
            value = getattr(edit, field.name)
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str):
                    text.encode()
    except UnicodeEncodeError:
        raise InvalidEdit("a text holds half a character (a lone surrogate)") from None
    except (TypeError, ValueError) as error:
        raise InvalidEdit(f"an anchor holds only JSON values: {error}") from None
    if isinstance(edit, AddHighlight | ImportItem) and edit.kind not in HIGHLIGHT_KINDS:
        raise InvalidEdit(f"a highlight's kind is one of {', '.join(HIGHLIGHT_KINDS)}; this is {edit.kind!r}")
    for name in ("tags", "add_tags"):
        if not all(getattr(edit, name, ())):
            raise InvalidEdit("a tag has at least one character")

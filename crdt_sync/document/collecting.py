"""Writes collections: who is in one, and in which order. One key an item, so that devices merge item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pycrdt import Map

from crdt_sync.document import schema
from crdt_sync.document.edits import AddCollection, AddToCollection, RemoveFromCollection
from crdt_sync.document.order import order_key, placed

__all__ = ["CollectionWriter"]


class CollectionWriter:
    """What `Writer` has for collections."""

    _collections: Map[Any]
    _fields: Map[Any]
    _now_ms: int
    _author: str
    _known_members: Callable[[str], Iterable[str]]
    """Who is in a collection, before this call's edits. A scan of all keys would tell too, in half a second."""
    _members: dict[str, set[str]]
    _set: Callable[[str, Any], None]
    _drop: Callable[[str], None]
    _set_text: Callable[[str, str, str | None], None]
    wrote: bool

    def _add_collection(self, edit: AddCollection, item_id: str) -> None:
        if item_id not in self._collections:
            self._collections[item_id] = {"createdAt": self._now_ms, "createdBy": self._author}
            self.wrote = True
        self._set_text(item_id, schema.TITLE, edit.title)
        self._put_in(item_id, edit.item_ids, None)

    def _add_to_collection(self, edit: AddToCollection) -> None:
        self._put_in(edit.id, edit.item_ids, edit.before)

    def _remove_from_collection(self, edit: RemoveFromCollection) -> None:
        ids = self._members_of(edit.id)
        for item_id in edit.item_ids:
            self._drop(schema.member_key(edit.id, item_id))
            ids.discard(item_id)

    def _put_in(self, collection_id: str, item_ids: Sequence[str], before: str | None) -> None:
        ids, moved = self._members_of(collection_id), dict.fromkeys(item_ids)
        there = self._in_order(collection_id, ids)
        order = [each for each in there if each[1] not in moved]
        index = next((place for place, (_, id_) in enumerate(order) if id_ == before), len(order))
        wanted = [id_ for _, id_ in order]
        wanted[index:index] = moved
        if wanted == [id_ for _, id_ in there]:
            return
        for item_id in moved:
            keys = placed(order, index, item_id)
            for id_, key in keys.items():
                self._set(schema.member_key(collection_id, id_), key)
            if len(keys) > 1:
                order = [(keys.get(id_, key), id_) for key, id_ in order]
            order.insert(index, (keys[item_id], item_id))
            index += 1
        ids.update(moved)

    def _members_of(self, collection_id: str) -> set[str]:
        if collection_id not in self._members:
            self._members[collection_id] = set(self._known_members(collection_id))
        return self._members[collection_id]

    def _in_order(self, collection_id: str, ids: Iterable[str]) -> list[tuple[str, str]]:
        return sorted((order_key(self._fields.get(schema.member_key(collection_id, id_))), id_) for id_ in ids)

"""Putting highlights and notes together in collections: a part of `Library`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from crdt_sync.document import AddCollection, AddToCollection, EditCollection, RemoveFromCollection

__all__ = ["Organising"]


class Organising:
    """What `Library` has to put things together."""

    edit: Callable[..., Awaitable[tuple[str, ...]]]
    """`Library.edit`."""

    async def add_collection(self, title: str, item_ids: Sequence[str] = ()) -> str:
        """Begin a collection with these highlights and notes; return its id."""
        return (await self.edit(AddCollection(title, tuple(item_ids))))[0]

    async def rename_collection(self, collection_id: str, title: str) -> None:
        """Give a collection another title."""
        await self.edit(EditCollection(collection_id, title))

    async def add_to_collection(self, collection_id: str, *item_ids: str, before: str | None = None) -> None:
        """Put highlights and notes into a collection, before the item `before` or at the end; move those in it."""
        await self.edit(AddToCollection(collection_id, item_ids, before))

    async def remove_from_collection(self, collection_id: str, *item_ids: str) -> None:
        """Take highlights and notes out of a collection. They themselves stay."""
        await self.edit(RemoveFromCollection(collection_id, item_ids))

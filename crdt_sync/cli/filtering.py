"""The options by which lists and searches are narrowed down, the same for every command that has them."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import typer

from crdt_sync import Library
from crdt_sync.cli.running import full_id
from crdt_sync.errors import NotFound
from crdt_sync.queries import Filters

__all__ = [
    "ChangedSince",
    "ChangedUntil",
    "Color",
    "InCollection",
    "Kind",
    "KindOption",
    "Limit",
    "Offset",
    "Since",
    "SortBy",
    "SortOption",
    "Tags",
    "Trash",
    "Until",
    "WithNote",
    "WorkOption",
    "collection_id",
    "filters",
]


class Kind(Enum):
    """What to list."""

    HIGHLIGHT = "highlight"
    BOOKMARK = "bookmark"
    NOTE = "note"


class SortBy(Enum):
    """How to order a list."""

    PLACE = "place"
    NEWEST = "newest"
    CHANGED = "changed"


KindOption = Annotated[Kind | None, typer.Option("--kind", help="Only these.")]
WorkOption = Annotated[str | None, typer.Option("--work", help="Only in this work; `works` lists them.")]
Color = Annotated[str | None, typer.Option("--color", help="Only of this colour.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only with this tag. Repeatable: with all of them.")]
InCollection = Annotated[str | None, typer.Option("--collection", help="Only of this collection: its title or id.")]
Since = Annotated[datetime | None, typer.Option("--since", help="Only made from this day or time on.")]
Until = Annotated[datetime | None, typer.Option("--until", help="Only made before this day or time.")]
ChangedSince = Annotated[datetime | None, typer.Option("--changed-since", help="Only changed from this time on.")]
ChangedUntil = Annotated[datetime | None, typer.Option("--changed-until", help="Only last changed before this time.")]
WithNote = Annotated[
    bool | None, typer.Option("--with-note/--without-note", help="Only highlights with, or without, a note.")
]
Trash = Annotated[bool, typer.Option("--trash", help="Those in the trash.")]
SortOption = Annotated[SortBy, typer.Option("--sort", help="By place in the text, newest or last changed first.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="So many at most.")]
Offset = Annotated[int, typer.Option("--offset", min=0, help="Without the first so many.")]


async def filters(
    opened: Library,
    *,
    kind: Kind | None = None,
    work: str | None = None,
    within: str | None = None,
    color: str | None = None,
    tag: list[str] | None = None,
    collection: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    changed_since: datetime | None = None,
    changed_until: datetime | None = None,
    with_note: bool | None = None,
    trash: bool = False,
) -> Filters:
    """Return what the options ask for. Raises `NotFound` for a collection that is not there."""
    return Filters(
        kind=None if kind is None else kind.value,
        work=work,
        within=within,
        color=color,
        tag=tag,
        collection=None if collection is None else await collection_id(opened, collection),
        created_since_ms=_milliseconds(since),
        created_until_ms=_milliseconds(until),
        changed_since_ms=_milliseconds(changed_since),
        changed_until_ms=_milliseconds(changed_until),
        has_note=with_note,
        trashed=trash,
    )


async def collection_id(opened: Library, named: str, *, trashed: bool = False) -> str:
    """Return the id of a collection that is named by its title or the first characters of its id. Raises `NotFound`."""
    titled = [each.id for each in await opened.collections(trashed=trashed) if each.title == named]
    if len(titled) > 1:
        raise NotFound(f"{len(titled)} collections are called {named!r}; name one by its id ({', '.join(titled)})")
    if titled:
        return titled[0]
    item_id = await full_id(opened, named)
    if await opened.collection(item_id) is None:
        raise NotFound(f"{named!r} is no collection; `collection list` shows them")
    return item_id


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)

"""Copies highlights of one's own library into a group's: the passage, its colour and style, and whose it was.

Nothing else goes along. Notes, comments and tags are one's own and stay where they are; so does what a newer version
wrote into an anchor. A copy is made once: its id follows from the group, who shares and the highlight, so devices that
copy apart make the same copy. What changes at the source later is copied again when that is asked for, never by itself.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crdt_sync.document import CopyHighlight, Highlight, Shared
from crdt_sync.errors import InvalidEdit, NotFound
from crdt_sync.library import Library
from crdt_sync.storage.binding import Binding

__all__ = ["Copied", "chosen", "copies", "copy_id", "copy_into_group", "take_in"]

NAMESPACE = uuid.UUID("5b0d3a3e-6d0c-5d55-9a55-0b6f4c1e7f21")
"""The namespace of the ids of copies (RFC 9562, UUIDv5). It never changes, or a copy would be made twice."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The ids of copies in the group: those that were `made`, and those that were there `before`."""

    made: tuple[str, ...]
    before: tuple[str, ...]


async def copy_into_group(
    own: Library,
    group: Library,
    ids: str | Sequence[str] = (),
    *,
    work: str | None = None,
    within: str | None = None,
    tag: str | None = None,
    color: str | None = None,
    collection: str | None = None,
    update: bool = False,
) -> Copied:
    """Copy highlights of `own` into the library of a group: those with these `ids`, or all that the rest describes.

    `work` is a book, `within` a place in it, `collection` the id of a collection, whose notes stay. A copy that is
    there stays, whatever the group has done to it; with `update` it takes over the passage, colour and style that the
    highlight has now. All are copied or none.

    Raises `InvalidEdit` if it does not say which, or if `group` is not a group's library, or `own` is; `NotFound` for
    an id that is no highlight, or one in the trash; and what `Library.edit` raises.
    """
    found = await chosen(own, ids, work=work, within=within, tag=tag, color=color, collection=collection)
    return await take_in(group, found, own=await own.binding(), update=update)


async def chosen(
    own: Library,
    ids: str | Sequence[str] = (),
    *,
    work: str | None = None,
    within: str | None = None,
    tag: str | None = None,
    color: str | None = None,
    collection: str | None = None,
) -> list[Highlight]:
    """Return the highlights that `copy_into_group` would copy. Raises `InvalidEdit` and `NotFound` as it does."""
    if bool(ids) == any(each is not None for each in (work, within, tag, color, collection)):
        raise InvalidEdit(
            "say which highlights to copy: by their ids, or by work=, within=, tag=, color= or collection="
        )
    if isinstance(ids, str):
        ids = (ids,)
    if ids:
        return [await _one(own, item_id) for item_id in dict.fromkeys(ids)]
    if collection is not None and await own.collection(collection) is None:
        raise NotFound(f"there is no collection {collection!r}")
    return await own.highlights(work=work, within=within, tag=tag, color=color, collection=collection)


async def take_in(group: Library, highlights: Sequence[Highlight], *, own: Binding | None, update: bool) -> Copied:
    """Copy highlights of the library that belongs to `own` into the group's."""
    edits = copies(highlights, own=own, group=await group.binding(), update=update)
    before = {edit.id for edit in edits if await group.highlight(edit.id) is not None}
    if edits:
        await group.edit(*edits)
    ids = [edit.id for edit in edits]
    return Copied(tuple(id_ for id_ in ids if id_ not in before), tuple(id_ for id_ in ids if id_ in before))


def copies(
    highlights: Iterable[Highlight], *, own: Binding | None, group: Binding | None, update: bool = False
) -> tuple[CopyHighlight, ...]:
    """Return the edits for the group's library that copy these highlights.

    `own` and `group` say where the two libraries belong (`Library.binding`). Raises `InvalidEdit` if `group` is no
    group's, or `own` is one.
    """
    if group is None or not _is_group(group):
        raise InvalidEdit('copies go into a group; open its library with relay= and room="g/…", or sync it once')
    if own is not None and _is_group(own):  # this one too: what others have shared there is not one's own
        raise InvalidEdit("a copy goes from one's own library into a group's, and not from a group's")
    return tuple(
        CopyHighlight(
            copy_id(group, highlight.id),
            highlight.anchor.copied(Shared(highlight.id, group.subject)),
            highlight.color,
            highlight.style,
            update,
        )
        for highlight in highlights
        if not highlight.is_deleted
    )


def copy_id(group: Binding, highlight_id: str) -> str:
    """Return the id of the copy that the subject of `group` makes of a highlight.

    Two people who imported the same passage have highlights of one id: their copies are two, each with its colour.
    """
    return str(uuid.uuid5(NAMESPACE, json.dumps([group.room, group.subject, highlight_id])))


def _is_group(binding: Binding) -> bool:
    return binding.room.startswith("g/")


async def _one(own: Library, item_id: str) -> Highlight:
    highlight = await own.highlight(item_id)
    if highlight is None:
        raise NotFound(f"there is no highlight {item_id!r}; notes are not copied into groups")
    if highlight.is_deleted:
        raise NotFound(f"the highlight {item_id!r} is in the trash; restore it first")
    return highlight

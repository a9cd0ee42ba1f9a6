"""Loads of rooms: what waits goes into one statement, as with appends.

Thousands are asked for at once when a relay is back. Large rooms have a statement each, which may take as long as their
bytes need; small ones do not wait for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from crdt_sync_server.errors import RelayError, RoomDeleted, StoreError
from crdt_sync_server.ports import Stored
from crdt_sync_server.stores.postgres_connecting import ANSWER_S, is_text, translate
from crdt_sync_server.stores.postgres_link import Link
from crdt_sync_server.stores.postgres_rows import FOUND

__all__ = ["Loader"]

LANES = 2
"""While one statement is read, the server works on the next."""
BATCH_ROOMS = 100
SMALL_BYTES = 128 * 1024
READ_BYTES_PER_S = 4 * 1024 * 1024
"""A document that comes slower than this is given up."""
EVERY_BYTE = 2**62


@dataclass(frozen=True, slots=True)
class _Load:
    room: str
    after: int
    done: asyncio.Future[Stored | int]


@dataclass(slots=True)
class _Found:
    position: int
    parts: int
    owner: str | None
    is_deleted: bool
    size_bytes: int
    segments: list[bytes] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)


class Loader:
    """Loads of one store, on the connections of its link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: deque[_Load] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def since(self, room: str, after: int) -> Stored:
        """Return what is stored of `room` after the position `after`. Raises `StoreError`, and `RoomDeleted`."""
        if not is_text(room):
            return Stored([], 0, 0)  # no room can have this name
        done: asyncio.Future[Stored | int] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Load(room, after, done))
        if len(self._lanes) < LANES:
            lane = asyncio.create_task(self._serve(), name="crdt-sync-loads")
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        found = await done
        if isinstance(found, Stored):
            return found
        within_s = ANSWER_S + found / READ_BYTES_PER_S
        whole = await self._found([(room, after)], up_to_bytes=EVERY_BYTE, within_s=within_s)
        return _stored(room, whole.get((room, after)))

    async def close(self) -> None:
        """Finish what was asked for."""
        await asyncio.gather(*self._lanes)

    async def _serve(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH_ROOMS, len(self._waiting)))]
            batch = [each for each in batch if not each.done.done()]  # thousands may have gone while they waited
            await self._answer(batch)

    async def _answer(self, batch: Sequence[_Load]) -> None:
        """Answer those who wait, whatever happens."""
        try:
            await self._settle(batch)
        except Exception as error:
            if len(batch) > 1 and isinstance(error.__cause__, psycopg.InternalError | psycopg.DataError):
                for each in batch:  # one of them is damaged: the others are not to be told so
                    await self._answer([each])
            else:
                _fail(batch, translate(error, self._link.target))

    async def _settle(self, batch: Sequence[_Load]) -> None:
        asked = list({(each.room, each.after) for each in batch})
        found = await self._found(asked, up_to_bytes=SMALL_BYTES, within_s=ANSWER_S) if asked else {}
        for each in batch:
            if each.done.done():
                continue
            room = found.get((each.room, each.after))
            if room is not None and room.size_bytes > SMALL_BYTES and not room.is_deleted:
                each.done.set_result(room.size_bytes)
                continue
            try:
                each.done.set_result(_stored(each.room, room))
            except RelayError as error:
                each.done.set_exception(error)

    async def _found(
        self, asked: Sequence[tuple[str, int]], *, up_to_bytes: int, within_s: float
    ) -> dict[tuple[str, int], _Found]:
        """Return what there is, of rooms that are larger than `up_to_bytes` the record alone."""
        parameters = {"rooms": [room for room, _ in asked], "after": [after for _, after in asked], "most": up_to_bytes}
        found: dict[tuple[str, int], _Found] = {}
        for row in await self._link.read(FOUND, parameters, within_s=within_s):
            room, after, kind, position, parts, owner, is_deleted, size_bytes, data = row
            if kind == 0:
                found[room, after] = _Found(position, parts, owner, is_deleted, size_bytes)
            elif kind == 1:
                found[room, after].segments.append(data)
            else:
                found[room, after].log.append(data)
        return found


def _stored(room: str, found: _Found | None) -> Stored:
    if found is None:
        return Stored([], 0, 0)
    if found.is_deleted:
        raise RoomDeleted("the document was deleted")
    if found.segments and len(found.segments) != found.parts:
        raise StoreError(
            f"of the {found.parts} segments of the snapshot of {room!r} {len(found.segments)} are there; stop the "
            "relays and restore the database"
        )
    return Stored([*found.segments, *found.log], found.position, len(found.log), found.owner)


def _fail(batch: Sequence[_Load], error: RelayError) -> None:
    for each in batch:
        if not each.done.done():
            each.done.set_exception(error)

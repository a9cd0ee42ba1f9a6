"""The relay's log in a PostgreSQL database, which several relays may have open at once.

What its rows mean is in `postgres_rows`, why nothing waits for ever in `postgres_link`. A commit is durable as the
server's own `synchronous_commit` says, and at least on its disk.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from crdt_sync_server.errors import RoomDeleted, StoreError, Superseded
from crdt_sync_server.ports import Heads, Notice, NoticeKind, RoomRecord, Stored
from crdt_sync_server.stores import postgres_rows as rows
from crdt_sync_server.stores.postgres_connecting import ANSWER_S, LONG_S, Target, connect
from crdt_sync_server.stores.postgres_devices import PostgresDevices
from crdt_sync_server.stores.postgres_health import damage, vacuum
from crdt_sync_server.stores.postgres_link import Link, Session
from crdt_sync_server.stores.postgres_members import PostgresMembers
from crdt_sync_server.stores.postgres_notices import LATER, announce, later
from crdt_sync_server.stores.postgres_reading import Loader
from crdt_sync_server.stores.postgres_schema import prepare
from crdt_sync_server.stores.postgres_tokens import PostgresTokens
from crdt_sync_server.stores.postgres_webhooks import PostgresWebhooks
from crdt_sync_server.stores.postgres_writing import Appender

__all__ = ["PostgresStore"]

WRITE_BYTES_PER_S = 1024 * 1024
"""A snapshot that goes slower than this is given up."""
WAIT_FOR_ROOM = "SET LOCAL lock_timeout = '30s'"
"""A snapshot and a deletion of one room wait for each other, and each may take that long."""
CHECK = "SELECT pg_current_xact_id(), current_setting('transaction_read_only')::bool"
ALL = 2**62


class PostgresStore:
    """`ports.SharedStore` in a database. Use `await PostgresStore.open(url)`, and `close` it."""

    def __init__(self, target: Target, node: str) -> None:
        self.node = node
        """The id of who has opened it here."""
        self.where = target.where
        """Host, port and database, for people."""
        self._target = target
        self._link = Link(target)
        self._appender = Appender(target)
        self._loader = Loader(self._link)
        self.members = PostgresMembers(self._link, node)
        """`keepers.Members` in the same database."""
        self.tokens = PostgresTokens(self._link, node)
        """`keepers.Tokens` in the same database."""
        self.devices = PostgresDevices(self._link)
        """`keepers.Devices` in the same database."""
        self.webhooks = PostgresWebhooks(self._link, node)
        """`keepers.Webhooks` in the same database."""

    @classmethod
    async def open(cls, url: str, *, node: str | None = None, relaxed: bool = False) -> PostgresStore:
        """Open a database as `node` (None: a random id), and bring its schema up to date.

        `relaxed` answers a commit before it is durable: the last second may be lost if the server crashes. Raises
        `StoreError` if the database cannot be used: not reached, too old, a standby, another program's, a newer
        version's, or without the rights that are needed.
        """
        target = Target.of(url, relaxed=relaxed)
        store = cls(target, node or secrets.token_hex(8))
        connection = await connect(target)
        try:
            await prepare(connection, target)
            await target.history.begin(connection)
            await store._link.open()
        except BaseException:
            await connection.close()
            raise
        store._appender.start(connection)
        return store

    @property
    def installation(self) -> str:
        """What tells this database from others, on whatever server."""
        return self._target.history.database

    async def load(self, room: str) -> Stored:
        """Return all that is stored of `room`."""
        return await self.since(room, -1)

    async def since(self, room: str, after: int) -> Stored:
        """Return what is stored of `room` after the position `after`."""
        return await self._loader.since(room, after)

    async def append(self, room: str, update: bytes, owner: str | None = None) -> int:
        """Store `update` and return its position, once it is durable."""
        return await self._appender.append(room, update, owner)

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        """Put `segments` in the place of all updates up to the position `through`, in one transaction."""
        async with self._link.transaction(commit_s=LONG_S) as session:
            await session.execute(WAIT_FOR_ROOM)
            await session.execute(rows.LOCK_ROOM, (room,), within_s=LONG_S)
            known = await session.execute(rows.RECORD, (room,))
            _, _, before, snapshot, is_deleted = known[0] if known else (0, 0, 0, 0, False)
            if is_deleted:
                raise RoomDeleted("the document was deleted")
            if through < before:
                raise Superseded(f"a snapshot of a later position is stored of {room!r} already")
            first = 0
            for piece in rows.pieces(segments):
                part = {"room": room, "snapshot": snapshot + 1, "first": first, "datas": piece}
                await session.execute(rows.STAGE, part, within_s=ANSWER_S + sum(map(len, piece)) / WRITE_BYTES_PER_S)
                first += len(piece)
            ((freed, _),) = await session.execute(rows.ERASE_SEGMENTS, (room, snapshot + 1), within_s=LONG_S)
            ((freed_log, updates),) = await session.execute(rows.ERASE_LOG, (room, through), within_s=LONG_S)
            record = {"room": room, "through": through, "snapshot": snapshot + 1, "parts": first, "updates": updates}
            size_bytes = sum(map(len, segments)) - freed - freed_log
            await session.execute(rows.PUT_IN_PLACE, {**record, "bytes": size_bytes})

    async def delete(self, room: str) -> None:
        """Erase all that is stored of `room` and keep a tombstone, in one transaction."""
        async with self._link.transaction(commit_s=LONG_S) as session:
            await session.execute(WAIT_FOR_ROOM)
            await session.execute(rows.LOCK_ROOM, (room,), within_s=LONG_S)
            await self._erase(session, room)  # most of it, while appends go on
            await session.execute(rows.LOCK_RECORD, (room,))
            is_new = await session.execute(rows.BURY, (room,))
            await self._erase(session, room)
            await session.execute(rows.ERASE_DEVICES, (room,))
            if is_new:
                await announce(session, self.node, NoticeKind.DELETED, [room])

    async def _erase(self, session: Session, room: str) -> None:
        await session.execute(rows.ERASE_LOG, (room, ALL), within_s=LONG_S)
        await session.execute(rows.ERASE_SEGMENTS, (room, ALL), within_s=LONG_S)

    async def heads(self, names: Sequence[str]) -> Heads:
        """Return how far these rooms and the notices are, in one round trip."""
        found: dict[str | None, int] = dict(await self._link.read(rows.HEADS, {"rooms": list(names)}))
        notice = found.pop(None)
        return Heads({name: found.get(name, 0) for name in names}, notice)

    def renew(self) -> None:
        """Go on with what is stored now, after `StorePutBack`."""
        self._target.history.renew()

    async def notices(self, after: int) -> Sequence[Notice] | None:
        """Return the notices after the number `after`, or None if some of them are no longer kept."""
        return later(await self._link.read(LATER, (after,)), after)

    async def rooms(self, name: str | None = None) -> Sequence[RoomRecord]:
        """Return the records of all rooms by name, or of one."""
        if name is None:
            found = await self._link.read(f"{rows.RECORDS} ORDER BY room", within_s=LONG_S)
        else:
            found = await self._link.read(f"{rows.RECORDS} WHERE room = %s", (name,))
        return [RoomRecord(*row) for row in found]

    async def under(self, room: str) -> Sequence[RoomRecord]:
        """Return the records of `room` and of all rooms under it, by name."""
        return [RoomRecord(*row) for row in await self._link.read(rows.UNDER, {"room": room})]

    async def usage(self, owner: str) -> int:
        """Return the bytes that are stored of all rooms of `owner`."""
        ((total,),) = await self._link.read(rows.USAGE, (owner,))
        return int(total)

    async def damage(self) -> Sequence[str]:
        """Return rooms whose records do not fit, pages that cannot be read, and what `amcheck` finds if it is there."""
        return await damage(self._target)

    async def erased(self) -> bool:
        """Make the space of what was erased free, and return False: the server's log and its backups keep it longer."""
        await vacuum(self._target)
        return False

    async def check(self) -> None:
        """Return if the store can write now; raise `StoreError` if not."""
        ((_, is_read_only),) = await self._link.run(CHECK)
        if is_read_only:
            raise StoreError(f"PostgreSQL at {self.where} can only be read; name the primary in database-url")

    async def close(self) -> None:
        """Commit what waits, and close the connections."""
        await self._appender.close()
        await self._loader.close()
        await self._link.close()

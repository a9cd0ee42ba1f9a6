"""A backplane on LISTEN and NOTIFY, for a small cluster that has PostgreSQL and nothing else. It is a hint.

Positions are told and no updates, as a notification holds less than 8000 bytes; and nothing is kept, so whoever comes
back has always missed something. A notification goes out after the update is durable, in a transaction and on a
connection of its own: one that notifies waits at its commit for all others that do (a lock on the whole server), and
appends would wait with it. Source: NOTIFY and `src/backend/commands/async.c` of PostgreSQL.

A payload is `c<number>:` and a package in base64, or `s<number>.<index>.<count>:` and a part of one. The numbers keep
two of a transaction apart, which PostgreSQL would take for one; the parts of a transaction follow each other.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import select
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, TypeAlias

import anyio
import psycopg
from psycopg import sql

from crdt_sync_server.backplane import SAID_UP_TO_BYTES, Carried, Committed, Missed, News, Said, check_said
from crdt_sync_server.backplanes.feed import Feed
from crdt_sync_server.backplanes.packing import pack_committed, pack_said, unpack_committed, unpack_said
from crdt_sync_server.errors import BackplaneError, ConfigurationError
from crdt_sync_server.postgres_sockets import shut_down

__all__ = ["PostgresBackplane"]

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]

ANSWER_WITHIN_S = 2.5
QUIET_S = 1.0
"""How long a connection is listened to without asking whether it lives."""
PAYLOAD_BYTES = 7900
PACKAGE_BYTES = PAYLOAD_BYTES // 4 * 3 - 64
MAX_PARTS = 2 * SAID_UP_TO_BYTES // PACKAGE_BYTES
CURSOR = "nothing is kept"
NOTIFY = "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) WITH ORDINALITY AS said (payload, place) ORDER BY place"


class PostgresBackplane:
    """`backplane.Backplane` in the database that `conninfo` names, for all who use the same `channel`."""

    def __init__(self, conninfo: str, *, channel: str = "crdt-sync:news") -> None:
        """Raises `ConfigurationError` for what names no database."""
        try:
            psycopg.conninfo.conninfo_to_dict(conninfo)
        except psycopg.Error:
            raise ConfigurationError("the backplane's database is named by no PostgreSQL URL") from None
        self._conninfo = conninfo
        self._channel = channel
        self._numbers = itertools.count()
        self._notifying: Connection | None = None
        self._turn = asyncio.Lock()
        self._feeds: set[Feed] = set()
        self._is_closed = False

    async def publish(self, committed: Sequence[Committed]) -> None:
        """Tell these positions to all who subscribe, in this order."""
        positions = [Committed(each.room, each.position) for each in committed]
        packages = pack_committed(positions, up_to_bytes=PACKAGE_BYTES)
        await self._notify([f"c{next(self._numbers)}:{b64encode(each).decode()}" for each in packages])

    async def say(self, said: Sequence[Said]) -> None:
        """Carry these to those who are subscribed now, in this order."""
        check_said(said)
        await self._notify(
            [part for each in pack_said(said, up_to_bytes=SAID_UP_TO_BYTES) for part in self._parts(b64encode(each))]
        )

    @asynccontextmanager
    async def subscribe(self, after: str | None) -> AsyncIterator[AsyncIterator[Carried]]:
        """Give what comes while the block lasts; after any cursor, that something was missed comes first."""
        with self._errors():
            connection = await self._connect()
        feed = Feed(CURSOR)
        try:
            with self._errors(), _deadline(connection):
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
            self._feeds.add(feed)
            await feed.put([] if after is None else [Missed()])
            async with feed.filled_by(partial(self._listen, feed, connection)):
                yield feed
        finally:
            self._feeds.discard(feed)
            with anyio.CancelScope(shield=True):
                await connection.close()

    async def close(self) -> None:
        """Free what is held."""
        self._is_closed = True
        for feed in self._feeds:
            feed.fail(BackplaneError("the backplane is closed"))
        if self._notifying is not None:
            await self._notifying.close()

    def _parts(self, text: bytes) -> Iterator[str]:
        number = next(self._numbers)
        count = -(-len(text) // PAYLOAD_BYTES)
        for index in range(count):
            part = text[index * PAYLOAD_BYTES : (index + 1) * PAYLOAD_BYTES]
            yield f"s{number}.{index}.{count}:{part.decode()}"

    async def _notify(self, payloads: Sequence[str]) -> None:
        """Send all of them in one transaction, after those of whoever asked before."""
        with self._errors():
            if not payloads:
                return
            async with asyncio.timeout(2 * ANSWER_WITHIN_S), self._turn:
                if self._notifying is None or _is_dying(self._notifying):
                    if self._notifying is not None:
                        await self._notifying.close()
                    self._notifying = await self._connect()
                with _deadline(self._notifying):
                    await self._notifying.execute(NOTIFY, (self._channel, list(payloads)))

    async def _listen(self, feed: Feed, connection: Connection) -> None:
        """Put what is heard into the feed; ask from time to time whether the server is there."""
        parts: list[str] = []
        while True:
            with self._errors():
                heard = [each.payload async for each in connection.notifies(timeout=QUIET_S, stop_after=1)]
                if not heard:
                    with _deadline(connection):
                        await connection.execute("SELECT 1")
            if news := [each for payload in heard for each in _read(payload, parts)]:
                await feed.put(news)

    async def _connect(self) -> Connection:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await psycopg.AsyncConnection.connect(
                self._conninfo,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=2,
                keepalives_idle=2,
                keepalives_interval=1,
                keepalives_count=2,
                application_name="crdt-sync-server backplane",
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Let no exception of the driver's out."""
        if self._is_closed:
            raise BackplaneError("the backplane is closed")
        try:
            yield
        except TimeoutError as error:
            raise BackplaneError("PostgreSQL does not answer") from error
        except (psycopg.Error, OSError) as error:
            words = (str(error) or type(error).__name__).splitlines()[0]
            raise BackplaneError(f"PostgreSQL: {words}") from error


def _read(payload: str, parts: list[str]) -> list[News]:
    """Return the news of a payload; `parts` are those of the words that have begun. What makes no sense was missed."""
    match re.fullmatch(r"(c|s)\d+(?:\.(\d+)\.(\d+))?:([A-Za-z0-9+/=]*)", payload, re.ASCII):
        case re.Match() as found if found[1] == "c":
            return _unpacked(unpack_committed, found[4])
        case re.Match() as found if found[3] and int(found[3]) <= MAX_PARTS:
            if int(found[2]) == 0:
                parts.clear()
            if int(found[2]) == len(parts):
                parts.append(found[4])
                return _unpacked(unpack_said, "".join(parts)) if len(parts) == int(found[3]) else []
    return [Missed()]


def _unpacked(unpack: Any, text: str) -> list[News]:
    try:
        news: list[News] = unpack(b64decode(text, validate=True))
    except ValueError:
        return [Missed()]
    return news


def _is_dying(connection: Connection) -> bool:
    """Say whether a connection that was asked nothing is lost, or has something to say: its server was stopped."""
    if connection.closed:
        return True
    poll = select.poll()  # `select` has a bound on descriptors, which a relay exceeds
    poll.register(connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def _deadline(connection: Connection) -> Iterator[None]:
    """Shut the socket down if the block takes long: to cancel a statement would wait for a server that is not there."""

    timer = asyncio.get_running_loop().call_later(ANSWER_WITHIN_S, shut_down, connection)
    try:
        yield
    finally:
        timer.cancel()

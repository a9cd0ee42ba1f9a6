"""A backplane on a stream of Redis 7 or Valkey: one for the whole installation. It is trimmed and may vanish.

An entry has the id `<generation>-<number>` and holds eight random bytes and a package (`packing`). The numbers of a
generation follow each other without a gap, and a stream that is made anew has a new generation; so whoever reads on
sees what was trimmed. A cursor is an id and its entry's random bytes: as long as the entry is there with these, the
stream is still the one that was read, and not one that was flushed, or brought back from an old copy.

What is said goes by pub/sub. Source: XADD, XREAD and SUBSCRIBE in the documentation of Redis.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from crdt_sync_server.backplane import Carried, Committed, Missed, News, Said, check_said, fit_to_carry
from crdt_sync_server.backplanes.feed import Feed
from crdt_sync_server.backplanes.packing import pack_committed, pack_said, unpack_committed, unpack_said
from crdt_sync_server.backplanes.redis_place import FIELD, NONCE_BYTES, Place
from crdt_sync_server.errors import BackplaneError, ConfigurationError

__all__ = ["Kept", "RedisBackplane"]

CONNECT_WITHIN_S = 2.0
ANSWER_WITHIN_S = 2.5
"""Longer than a read that blocks, and than a ping takes."""
QUIET_S = 1.0
"""How long a read blocks, and how long a connection that is listened to is left without a ping."""
ENTRY_BYTES = 64 * 1024
READ_ENTRIES = 16
"""An answer is at most about 1 MB, so that a slow link brings it in time."""
TRIES = 3


@dataclass(frozen=True, slots=True)
class Kept:
    """How much of the stream is kept for those who come back: about so many entries, and about so many bytes."""

    entries: int = 8192
    size_bytes: int = 64 * 1024 * 1024
    measured_each_bytes: int = 1024 * 1024
    """After how many published bytes one asks how large it is."""


class RedisBackplane:
    """`backplane.Backplane` on the Redis or Valkey server at `url`; keys and channels begin with `prefix`."""

    def __init__(self, url: str, *, prefix: str = "crdt-sync:", kept: Kept | None = None) -> None:
        """Raises `ConfigurationError` for a URL that is none."""
        try:
            pool = ConnectionPool.from_url(
                url,
                protocol=2,
                socket_connect_timeout=CONNECT_WITHIN_S,
                socket_timeout=ANSWER_WITHIN_S,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:  # its words may hold a part of the password
            raise ConfigurationError(
                "the backplane's URL is none of a Redis server, like redis://user:password@host:6379/0; in a password "
                "the characters of URLs are percent-encoded"
            ) from None
        self._redis = Redis.from_pool(pool)
        self._pool = pool
        self._stream, self._channel = f"{prefix}news", f"{prefix}said"
        self._kept = kept or Kept()
        self._generation: int | None = None
        self._published_bytes = 0
        self._feeds: set[Feed] = set()
        self._is_closed = False

    async def publish(self, committed: Sequence[Committed]) -> None:
        """Carry these to all who subscribe, in this order: one entry where they fit into one."""
        packages = pack_committed(fit_to_carry(committed), up_to_bytes=ENTRY_BYTES)
        with self._errors():
            if packages:
                entries = [secrets.token_bytes(NONCE_BYTES) + each for each in packages]
                await self._add(entries)
                await self._measure(sum(map(len, entries)))

    async def say(self, said: Sequence[Said]) -> None:
        """Carry these to those who are subscribed now, in this order."""
        check_said(said)
        with self._errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for package in pack_said(said, up_to_bytes=ENTRY_BYTES):
                    pipeline.publish(self._channel, package)
                await pipeline.execute()

    @asynccontextmanager
    async def subscribe(self, after: str | None) -> AsyncIterator[AsyncIterator[Carried]]:
        """Give, while the block lasts, what was published after the cursor `after`, then what comes."""
        async with self._listening() as connection:
            with self._errors():
                place, first = await self._entered(after)
            feed = Feed(place.cursor)
            self._feeds.add(feed)
            try:
                await feed.put(first, place.cursor)
                async with feed.filled_by(
                    partial(self._read, feed, place),
                    partial(self._listen, feed, connection),
                    partial(self._ping, connection),
                ):
                    yield feed
            finally:
                self._feeds.discard(feed)

    async def close(self) -> None:
        """Free what is held."""
        self._is_closed = True
        for feed in self._feeds:
            feed.fail(BackplaneError("the backplane is closed"))
        with suppress(RedisError, OSError):
            await self._redis.aclose()
            await self._pool.aclose()

    async def _add(self, entries: Sequence[bytes]) -> None:
        """Add these to the stream, at once; where it has been made anew, or not yet, in its new generation."""
        for _ in range(TRIES):
            if self._generation is not None and all(await self._added(entries, self._generation)):
                return
            self._generation = (await self._last()).generation
        raise BackplaneError("Redis: the stream vanishes again and again")

    async def _added(self, entries: Sequence[bytes], generation: int) -> list[Any]:
        """Return the ids of what was added: None where there is no stream, or one of a later generation."""
        async with self._redis.pipeline(transaction=len(entries) > 1) as pipeline:
            for entry in entries:
                pipeline.xadd(
                    self._stream,
                    {FIELD: entry},
                    id=f"{generation}-*",
                    maxlen=self._kept.entries,
                    approximate=True,
                    nomkstream=True,
                )
            answers = await pipeline.execute(raise_on_error=False)
        for number, answer in enumerate(answers):
            if isinstance(answer, ResponseError) and "equal or smaller" in str(answer):
                answers[number] = None
            elif isinstance(answer, Exception):
                raise answer
        return answers

    async def _last(self) -> Place:
        """Return the place of the last entry; where there is no stream, or an empty one, begin a generation."""
        newest: Any = await self._redis.xrevrange(self._stream, count=1)
        if newest:
            return Place.of(*newest[0])
        nonce = secrets.token_bytes(NONCE_BYTES)
        made: Any = await self._redis.xadd(self._stream, {FIELD: nonce})
        return Place.of(made, {FIELD: nonce})

    async def _is_there(self, place: Place) -> bool:
        """Say whether the entry that was read at this place is there, and the same."""
        found: Any = await self._redis.xrange(self._stream, place.id, place.id)
        return bool(found) and Place.of(*found[0]) == place

    async def _measure(self, published_bytes: int) -> None:
        """From time to time, shorten a stream that takes too much memory."""
        self._published_bytes += published_bytes
        if self._published_bytes < self._kept.measured_each_bytes:
            return
        self._published_bytes = 0
        size_bytes = await self._redis.memory_usage(self._stream, samples=64) or 0
        if size_bytes > self._kept.size_bytes:
            length = await self._redis.xlen(self._stream)
            await self._redis.xtrim(self._stream, maxlen=length * self._kept.size_bytes // (2 * size_bytes))

    async def _entered(self, after: str | None) -> tuple[Place, list[News]]:
        """Return where to read on, and what to tell first."""
        if after is None:
            return await self._last(), []
        place = Place.at(after)
        if place is not None and await self._is_there(place):
            return place, []
        return await self._last(), [Missed()]

    async def _read(self, feed: Feed, place: Place) -> None:
        """Follow the stream from this place on."""
        while True:
            with self._errors():
                answer: Any = await self._redis.xread(
                    {self._stream: place.id}, count=READ_ENTRIES, block=int(QUIET_S * 1000)
                )
                if not answer and not await self._is_there(place):
                    place = await self._last()
                    await feed.put([Missed()], place.cursor)
            for _, entries in answer or ():
                news: list[News] = []
                for entry_id, fields in entries:
                    before, place = place, Place.of(entry_id, fields)
                    if not before.is_followed_by(place):
                        news.append(Missed())
                    news += unpack_committed(fields.get(FIELD, b"")[NONCE_BYTES:])
                await feed.put(news, place.cursor)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[AbstractConnection]:
        """Give a connection that hears what is said. The library's own would come back by itself and say nothing."""
        with self._errors():
            connection: AbstractConnection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            with self._errors():
                await connection.send_command("SUBSCRIBE", self._channel)
                await connection.read_response()
            yield connection
        finally:
            with anyio.CancelScope(shield=True):
                await connection.disconnect(nowait=True)
                await self._pool.release(connection)

    async def _listen(self, feed: Feed, connection: AbstractConnection) -> None:
        """Put what is said into the feed, as long as it comes, or answers to pings."""
        while True:
            with self._errors():
                answer: Any = await connection.read_response()
            if answer[0] == b"message":
                await feed.put(unpack_said(answer[2]))

    async def _ping(self, connection: AbstractConnection) -> None:
        while True:
            await asyncio.sleep(QUIET_S)
            with self._errors():
                await connection.send_command("PING", check_health=False)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Let no exception of the library's out, and say what an operator can do."""
        if self._is_closed:
            raise BackplaneError("the backplane is closed")
        try:
            yield
        except (RedisError, OSError) as error:
            raise BackplaneError(_words(error)) from error


def _words(error: Exception) -> str:
    """Say what is wrong; the library's own words name the address, and no password."""
    match error:
        case OutOfMemoryError():
            return "Redis is full: raise its maxmemory, or give the backplane a server of its own"
        case ReadOnlyError():
            return "Redis is a replica that cannot be written: the backplane's URL must name the primary"
        case AuthenticationError() | NoPermissionError():
            return f"Redis does not let the relay in: {error}; see the user and password in the backplane's URL"
        case _:
            return f"Redis: {error or type(error).__name__}"

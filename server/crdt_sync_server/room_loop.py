"""The ordered loop of one room, from the first who joins until it has been idle long enough.

    loading ──► open ──► (idle) closing
       └─ a failed load is an error to all who wait, never an empty document

A room leaves the host in the same step in which it finds its inbox empty, so nobody enters a room that is gone.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.delivery import Delivery, Peer
from crdt_sync_server.errors import RelayError, RoomDeleted, StoreError
from crdt_sync_server.inbox import Inbox
from crdt_sync_server.limits import Limit
from crdt_sync_server.logs import tell
from crdt_sync_server.room import Room
from crdt_sync_server.room_document import RoomBroken
from crdt_sync_server.room_log import RoomLog
from crdt_sync_server.turn import Arrival, Left, Turn

if TYPE_CHECKING:
    from crdt_sync_server.host import Host

__all__ = ["THREAD_ABOVE_BYTES", "RoomLoop", "Stopping"]

THREAD_ABOVE_BYTES = 64 * 1024
REST_AFTER_SWEEPS = 3
"""A loop that had nothing to do for so many seconds ends, until there is something: a task costs kilobytes."""
MOST_FOLLOWS = 8
"""A room that other relays are always ahead of takes a turn after so many reads: who is here does not wait for ever."""
SWEEP_AT_REST_EVERY_S = 5.0
"""Ten thousand open tabs at night are to cost next to nothing."""


class Stopping(RelayError):
    """The relay is shutting down, or only the room is."""

    def __init__(self, message: str, close_code: CloseCode = CloseCode.GOING_AWAY) -> None:
        super().__init__(message)
        self.close_code = close_code


class RoomLoop:
    """A room with its loop, its inbox and its place in the store."""

    def __init__(self, name: str, host: Host, opened_by: str | None) -> None:
        self.name = name
        self.opened_by = opened_by
        self.metrics = host.metrics
        self._host = host
        self._room: Room[Peer] = Room(max_document_bytes=host.quotas.room_bytes, quarantine=host.quarantine)
        self._delivery = Delivery(name, host, self._forget)
        self.tail = self._delivery.tail
        self._inbox: Inbox[Peer] = Inbox()
        self._work: anyio.Event | None = None  # while the loop waits for something to do
        self._loaded: anyio.Event | None = anyio.Event()  # until it is
        self._rests = False  # no loop runs, until there is something to do
        self.sweep_from_s = float("-inf")
        """When to look after time again."""
        self._idle_sweeps = 0
        self._on_settled: list[Callable[[], None]] = []
        self._settled = True
        self._failure: RelayError | None = None
        self._peers: dict[Peer, None] = {}  # in the order in which they came
        self._expected = 0  # who has asked for the room and is not in yet
        self._came = 0  # how many have asked to enter
        self._idle_since_s = host.now()
        self._evicted = False
        self._due = False
        self._log = RoomLog(name, host, self._room.document, self._stir)
        self._wants_compaction: anyio.Event | None = None
        self._writing: dict[anyio.Event, None] = {}  # of what the relay itself writes and is not durable yet

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep the room for as long as the block lasts. Raises `RelayError` if it cannot be loaded."""
        self._expected += 1
        try:
            if self._loaded is not None:
                await self._loaded.wait()
            if self._failure is not None:
                raise self._failure
            yield
        finally:
            self._expected -= 1
            if self._host.stopping:  # it may wait for this one alone
                self._stir()

    def leave(self, peer: Peer) -> None:
        """Take `peer` out; nothing more is sent to it but its close."""
        if peer in self._peers:
            self._forget(peer)
            self._inbox.forget(peer)
            self._idle_since_s = self._host.now()
            self._put(Left(peer))

    def sweep(self, now_s: float) -> None:
        """Look after time: renewals that did not come, gaps that stay open, clients that hear nothing, idleness."""
        for peer in self._expired():
            self.leave(peer)
            peer.hang_up(CloseCode.TOKEN_EXPIRED, "the token has expired; connect again with a new one")
        somebody_waits = self._delivery.sweep(self._peers, now_s)
        if self._peers or self._expected:
            self._idle_since_s = now_s
        if self._settled:  # or a turn is looking at the same sessions, on another thread perhaps
            self._due = self._room.due_s() <= now_s
        if self._due or self._is_idle():
            self._stir()
        elif self._work is not None:
            self._idle_sweeps += 1
            if self._idle_sweeps >= REST_AFTER_SWEEPS:
                self._work.set()
        elif self._rests and self._peers and not somebody_waits:
            self.sweep_from_s = min(now_s + SWEEP_AT_REST_EVERY_S, self._room.due_s())

    async def run(self) -> None:
        """Load the room and serve it until it is idle, the relay stops, or its store or document fails.

        When nothing has happened for a while it returns before that, and is run again when something does: that
        costs less memory than a task that waits.
        """
        rests = False
        try:
            if self._loaded is not None:
                await self._log.load()
                self.tail.start(self._room.document.vector)
                self._loaded.set()
                self._loaded = None
                if self._host.cluster is not None:
                    self._host.cluster.loaded(self.name)
            rests = await self._serve()
        except RoomDeleted as error:
            self._failure = error
            self._log.charge(0)
            self._end(CloseCode.DELETED, str(error))
        except (StoreError, RoomBroken) as error:
            tell("failed", logging.ERROR, room=self.name, reason=str(error))
            self.metrics.store_failures += isinstance(error, StoreError)
            self._failure = StoreError(str(error))
            for peer in self._peers:
                if isinstance(error, RoomBroken) and peer is error.culprit:
                    digest = "" if error.digest is None else f", sha256 {error.digest.hex()[:16]}"
                    words = f"an update that the document cannot take{digest}"
                    peer.hang_up(CloseCode.NOT_THE_PROTOCOL, words, Limit.QUARANTINED)
            self._end(CloseCode.INTERNAL_ERROR, "the room failed and will be loaded again")
        except Exception:  # a bug of ours must not take the other rooms down
            tell("failed", logging.CRITICAL, room=self.name)
            self._failure = StoreError("the room failed")
            self._end(CloseCode.INTERNAL_ERROR, "the room failed and will be loaded again")
        finally:
            if not rests:
                await self._close()

    # Inside

    def _expired(self) -> list[Peer]:
        ends = ((peer, peer.grant.expires_at_s) for peer in self._peers)
        wall_s = self._host.wall()
        return [peer for peer, end_s in ends if end_s is not None and end_s <= wall_s]

    def _put(self, arrival: Arrival[Peer], size_bytes: int = 0) -> None:
        self._inbox.put(arrival, size_bytes)
        self._stir()

    def _stir(self) -> None:
        """Let the loop look what there is to do."""
        self._idle_sweeps = 0
        self.sweep_from_s = float("-inf")
        if self._work is not None:
            self._work.set()
        elif self._rests:
            self._rests = False
            self._host.beside(self.run)

    async def _close(self) -> None:
        if self._loaded is not None:
            self._loaded.set()
        with anyio.CancelScope(shield=True):
            await self._log.compacted()  # or the next room of this name could be put together before this one
        self._host.forget(self)
        self._room.document.close()
        self._delivery.count_frames()
        if self._wants_compaction is not None:
            self._wants_compaction.set()
        for each in self._writing:
            each.set()
        self._log.close()

    async def _serve(self) -> bool:
        """Serve until the room is over; return True if it only rests."""
        follows = 0  # one after another
        while True:
            if not self._log.is_behind:
                follows = 0
            if self._failure is not None:  # from outside
                raise self._failure
            if self._wants_compaction is not None and not self._log.is_compacting:
                self._log.compact()
                begun, self._wants_compaction = self._wants_compaction, None
                begun.set()
            elif self._log.is_behind and (follows < MOST_FOLLOWS or not self._inbox):
                follows += 1
                await self._follow()
            elif self._inbox or self._due:
                follows = 0
                await self._turn()
            elif self._host.stopping and not self._expected:
                self._failure = stopping = self._host.farewell()
                self._end(stopping.close_code, str(stopping))
                return False
            elif self._is_idle() and not self._log.is_compacting:
                if self._log.is_due(idle=True):
                    self._log.compact()
                    continue
                self._failure = Stopping("the room has closed")
                self._host.forget(self)
                return False
            elif self._idle_sweeps >= REST_AFTER_SWEEPS:
                self._rests = True
                return True
            else:
                self._work = anyio.Event()
                await self._work.wait()
                self._work = None

    async def _follow(self) -> None:
        """Take what other relays have stored. It is durable, so who is here may see it at once."""
        updates = await self._log.follow()
        if not updates:
            return
        self._settled = False
        if sum(map(len, updates)) > THREAD_ABOVE_BYTES:
            turn = await self._host.run_sync(self._room.follow, updates)
        else:
            turn = self._room.follow(updates)
        self._settle()
        self._host.metrics.cluster.followed += turn.updates
        self._delivery.perform(self._room.release(turn))

    async def _turn(self) -> None:
        await self._log.make_room(self._inbox.size_bytes)
        left_bytes = self._log.left_bytes()
        arrivals, size_bytes = self._inbox.take()
        self._settled = False
        if size_bytes > THREAD_ABOVE_BYTES:  # reading the headers of 15 MB takes seconds: let the other rooms go on
            turn = await self._host.run_sync(self._room.take, arrivals, self._host.now(), left_bytes)
        else:
            turn = self._room.take(arrivals, self._host.now(), left_bytes)
        await self._finish(turn)
        if self._due:
            self._due = False
            await self._finish(self._room.expire(self._host.now()))
        if self._log.is_due(idle=False):
            self._log.compact()

    async def _finish(self, turn: Turn[Peer]) -> None:
        self._delivery.perform(turn.at_once)
        if turn.spoken and self._host.cluster is not None:
            self._host.cluster.spoken(self.name, turn.spoken)
        if turn.update is not None:
            self._settled = False
            await self._log.append(turn.update, turn.updates)
        self._settle()
        self._delivery.perform(self._room.release(turn))

    def _settle(self) -> None:
        if not self._settled:
            self._settled = True
            waiting, self._on_settled = self._on_settled, []
            for callback in waiting:
                callback()

    def _forget(self, peer: Peer) -> None:
        if peer in self._peers:
            del self._peers[peer]
            if not isinstance(self._failure, RoomDeleted):  # of a room that is gone nothing is noted
                self._host.sightings.stays(self.name, peer)

    def _is_idle(self) -> bool:
        if self._peers or self._expected:
            self._evicted = False
            return False
        return self._evicted or self._host.now() - self._idle_since_s >= self._host.idle_s

    def _end(self, code: CloseCode, reason: str) -> None:
        for peer in list(self._peers):
            peer.hang_up(code, reason)
            self._forget(peer)

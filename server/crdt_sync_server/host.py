"""Runs the rooms: one ordered loop each, from the first who joins until it has been idle long enough.

    loading ──► open ──► (idle) closing
       └─ a failed load is an error to all who wait, never an empty document

A room leaves the host in the same step in which it finds its inbox empty, so nobody enters a room that is gone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskGroup

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Awareness, Message, encode
from crdt_sync_server.compaction import SEGMENT_BYTES, Compaction
from crdt_sync_server.errors import RelayError, RoomDeleted, StoreError
from crdt_sync_server.limits import Limit, LimitReached, Limits
from crdt_sync_server.logs import reached, tell
from crdt_sync_server.metrics import Metrics, Standing
from crdt_sync_server.outbox import Outbox, Tail
from crdt_sync_server.ports import RoomStore
from crdt_sync_server.quotas import Account, Accounts, Quotas
from crdt_sync_server.room import (
    Arrival,
    Content,
    Frame,
    HangUp,
    Joined,
    Left,
    Offence,
    Output,
    PresenceOf,
    Received,
    Room,
    RoomBroken,
    Turn,
)

__all__ = ["Host", "HostedRoom", "Stopping"]

SWEEP_EVERY_S = 1.0
SPEAK_AFTER_S = 20.0
"""A stock client closes after 30 s without a message; pings do not count."""
STOP_WITHIN_S = 10.0
MAX_INBOX_BYTES_PER_PEER = 1024 * 1024
"""A peer is not read from while more than this waits for its room's next turn."""
THREAD_ABOVE_BYTES = 64 * 1024
COMPACT_FULL_BYTES_PER_S = 4 * 1024 * 1024
"""A room that is full is compacted before it refuses anything, but it may not keep the relay busy with that."""


class Stopping(RelayError):
    """The relay is shutting down."""

    close_code = CloseCode.GOING_AWAY


class Peer(Protocol, Hashable):
    """What the host needs of a connection."""

    outbox: Outbox
    last_sent_s: float
    client: str | None
    subject: str | None
    read_only: bool

    def hang_up(self, code: CloseCode, reason: str, limit: Limit | None = None) -> None:
        """Close after what waits has been sent; `limit` is the bound that was reached, if one was."""

    def strike(self, words: str) -> None:
        """Count a mistake."""


class HostedRoom:
    """A room with its loop, its inbox and its place in the store."""

    def __init__(self, name: str, host: Host, opened_by: str | None) -> None:
        self.name = name
        self.opened_by = opened_by
        self.metrics = host.metrics
        self._host = host
        self._room: Room[Peer] = Room(max_document_bytes=host.quotas.room_bytes, quarantine=host.quarantine)
        self.tail = Tail()
        self._inbox: list[Arrival[Peer]] = []
        self._inbox_bytes: dict[Peer, int] = {}
        self._work = anyio.Event()
        self._taken = anyio.Event()
        self._loaded = anyio.Event()
        self._released = anyio.Event()
        self._settled = True
        self._failure: RelayError | None = None
        self._peers: dict[Peer, None] = {}  # in the order in which they came
        self._expected = 0  # who has asked for the room and is not in yet
        self._idle_since_s = host.now()
        self._evicted = False
        self._due = False
        self._position = 0
        self._compaction = Compaction(name, host.store, host.run_sync)
        self._owner: str | None = None
        self._account: Account | None = None
        self._charged_bytes = 0
        self._compact_full_from_s = float("-inf")
        self._wants_compaction: anyio.Event | None = None
        self._lags: dict[Peer, float] = {}  # peer → since when something waits for it and nothing was sent

    # For connections

    async def enter(self, peer: Peer) -> None:
        """Bring `peer` in, once the room is loaded. Raises `RelayError` if it cannot be loaded.

        A room in which nothing is stored yet will count for the subject that first came in.
        """
        async with self.held():
            self._peers[peer] = None
        if self._owner is None and not self._position:
            self._owner = peer.subject
        self._put(Joined(peer, peer.subject, peer.read_only))

    def leave(self, peer: Peer) -> None:
        """Take `peer` out; nothing more is sent to it but its close."""
        if peer in self._peers:
            del self._peers[peer]
            self._inbox_bytes.pop(peer, None)
            self._idle_since_s = self._host.now()
            self._put(Left(peer))

    async def submit(self, peer: Peer, messages: Iterable[Message], size_bytes: int) -> None:
        """Hand over what `peer` said, in order; waits while too much of it waits already."""
        for message in messages:
            self._put(Received(peer, message))
        waiting = self._inbox_bytes[peer] = self._inbox_bytes.get(peer, 0) + size_bytes
        while waiting > MAX_INBOX_BYTES_PER_PEER:
            await self._taken.wait()
            waiting = self._inbox_bytes.get(peer, 0)

    async def catch_up(self, state_vector: Mapping[int, int]) -> bytes:
        """Return one frame with all that is durable and that `state_vector` lacks."""
        while not self._settled:
            await self._released.wait()
        return self._room.catch_up(state_vector)

    # For the operator

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keep the room for as long as the block lasts. Raises `RelayError` if it cannot be loaded."""
        self._expected += 1
        try:
            await self._loaded.wait()
            if self._failure is not None:
                raise self._failure
            yield
        finally:
            self._expected -= 1

    async def compact(self) -> None:
        """Put the document's own encoding in the place of the log, between two turns; hold the room meanwhile.

        Raises `RelayError` if that could not be done.
        """
        if self._wants_compaction is None:
            self._wants_compaction = anyio.Event()
            self._work.set()
        await self._wants_compaction.wait()
        await self._compaction.finished()
        if error := self._failure or self._compaction.failure:
            raise error

    def delete(self) -> None:
        """End the room, as its document was deleted: all who are in it are told, and it takes nothing more."""
        self._failure = RoomDeleted("the document was deleted")
        self._work.set()

    @property
    def is_charged(self) -> bool:
        """True while the room itself tells its owner's account what is stored of it."""
        return self._account is not None

    @property
    def connections(self) -> int:
        """How many are in the room."""
        return len(self._peers)

    @property
    def document_bytes(self) -> int:
        """What is stored of the document."""
        return self._room.size_bytes

    def lag_s(self, now_s: float) -> float:
        """Return for how long something has waited for the peer that is served worst, as of the last sweep."""
        return max((now_s - since_s for since_s in self._lags.values()), default=0.0)

    # For the host

    @property
    def size_bytes(self) -> int:
        """What the document takes, counted in the bytes of its updates."""
        return self._room.size_bytes

    @property
    def idle_since_s(self) -> float | None:
        """Since when nobody has been here, or None while somebody is, or while it is leaving already."""
        return None if self._peers or self._expected or self._evicted else self._idle_since_s

    def evict(self) -> None:
        """Close before its time a room in which nobody is. Who comes meanwhile keeps it open."""
        self._evicted = True
        self._work.set()

    def sweep(self, now_s: float) -> None:
        """Look after time: renewals that did not come, gaps that stay open, clients that hear nothing, idleness."""
        lags = {}
        for peer in self._peers:
            if now_s - peer.last_sent_s >= SPEAK_AFTER_S:
                peer.outbox.keep_alive()
            if peer.outbox.is_waiting:
                since_s = self._lags.get(peer, now_s)
                lags[peer] = since_s if peer.last_sent_s <= since_s else now_s
        self._lags = lags
        self._count_frames()
        if self._peers or self._expected:
            self._idle_since_s = now_s
        if self._settled:  # or a turn is looking at the same sessions, on another thread perhaps
            self._due = self._room.is_due(now_s)
        if self._due or self._is_idle():
            self._work.set()

    def stop(self) -> None:
        """Let the loop finish what has arrived, then close."""
        self._work.set()

    async def run(self) -> None:
        """Load the room and serve it until it is idle, the relay stops, or its store or document fails."""
        try:
            await self._load()
            self._loaded.set()
            await self._serve()
        except RoomDeleted as error:
            self._failure = error
            self._charge(0)
            self._end(CloseCode.DELETED, str(error))
        except (StoreError, RoomBroken) as error:
            tell("failed", logging.ERROR, room=self.name, reason=str(error))
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
            self._loaded.set()
            with anyio.CancelScope(shield=True):
                await self._compaction.finished()  # or the next room of this name could be put together before this one
            self._host.forget(self)
            self._room.close()
            self._count_frames()
            if self._wants_compaction is not None:
                self._wants_compaction.set()
            if self._account is not None:
                self._host.accounts.close(self._account)

    # Inside

    def _put(self, arrival: Arrival[Peer]) -> None:
        self._inbox.append(arrival)
        self._work.set()

    async def _load(self) -> None:
        stored = await self._host.store.load(self.name)
        loaded_bytes = 0
        for update in stored.updates:
            self._room.restore(update)
            loaded_bytes += len(update)
            if loaded_bytes >= SEGMENT_BYTES:  # a cold room must not stop the others
                loaded_bytes = 0
                await anyio.lowlevel.checkpoint()
        self._room.restored()
        self.tail.start(self._room.vector())
        self._position = stored.position
        self._compaction.loaded(stored)
        self._owner = stored.owner

    async def _serve(self) -> None:
        while True:
            if isinstance(self._failure, RoomDeleted):
                raise self._failure
            if self._wants_compaction is not None and not self._compaction.is_under_way:
                self._compact()
                begun, self._wants_compaction = self._wants_compaction, None
                begun.set()
            elif self._inbox or self._due:
                await self._turn()
            elif self._host.stopping and not self._expected:
                self._failure = Stopping("the relay is going away")
                self._end(CloseCode.GOING_AWAY, "the relay is going away")
                return
            elif self._is_idle() and not self._compaction.is_under_way:
                if self._compaction.is_due(idle=True):
                    self._compact()
                    continue
                self._failure = Stopping("the room has closed")
                self._host.forget(self)
                return
            else:
                self._work = anyio.Event()
                await self._work.wait()

    async def _turn(self) -> None:
        if self._owner is not None and self._account is None:
            self._account = await self._host.accounts.open(self._owner)
            self._charged_bytes = self._room.size_bytes
        size_bytes = sum(self._inbox_bytes.values())
        await self._make_room(size_bytes)
        arrivals, self._inbox = self._inbox, []
        size_bytes = sum(self._inbox_bytes.values())
        left_bytes = self._host.accounts.left_bytes(self._account)
        self._inbox_bytes.clear()
        taken, self._taken = self._taken, anyio.Event()
        taken.set()
        self._settled = False
        if size_bytes > THREAD_ABOVE_BYTES:  # reading the headers of 15 MB takes seconds: let the other rooms go on
            turn = await self._host.run_sync(self._room.take, arrivals, self._host.now(), left_bytes)
        else:
            turn = self._room.take(arrivals, self._host.now(), left_bytes)
        await self._finish(turn)
        if self._due:
            self._due = False
            await self._finish(self._room.expire(self._host.now()))
        if self._compaction.is_due(idle=False):
            self._compact()

    async def _finish(self, turn: Turn[Peer]) -> None:
        self._perform(turn.at_once)
        if turn.update is not None:
            self._settled = False
            began_s = self._host.now()
            self._position = await self._host.store.append(self.name, turn.update, self._owner)
            self.metrics.committed(turn.updates, self._host.now() - began_s)
            self._compaction.appended(len(turn.update))
            self._charge(self._charged_bytes + len(turn.update))
        if not self._settled:
            self._settled = True
            released, self._released = self._released, anyio.Event()
            released.set()
        self._perform(self._room.release(turn))

    def _charge(self, size_bytes: int) -> None:
        """Say to the owner's account that so much is stored of this room now."""
        if self._account is not None:
            self._account.stored_bytes += size_bytes - self._charged_bytes
            self._charged_bytes = size_bytes

    async def _make_room(self, size_bytes: int) -> None:
        """Compact before so much more is refused, if that may help."""
        left_bytes = self._host.accounts.left_bytes(self._account)
        fits = left_bytes is None or size_bytes <= left_bytes
        if fits and self._room.size_bytes + size_bytes <= self._host.quotas.room_bytes:
            return
        now_s = self._host.now()
        if self._compaction.has_log and not self._compaction.is_under_way and now_s >= self._compact_full_from_s:
            self._compact_full_from_s = now_s + self._room.size_bytes / COMPACT_FULL_BYTES_PER_S
            self._compact()
        await self._compaction.finished()

    def _compact(self) -> None:
        """Begin to put the log together. The document holds nothing that is not stored: call it between turns."""
        self._host.beside(self._put_together, self._compaction.begin(self._room.whole(), self._position))

    async def _put_together(self, put_together: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await put_together()
        self._room.size_bytes = self._compaction.stored_bytes
        self._charge(self._compaction.stored_bytes)
        self.metrics.compactions += self._compaction.failure is None
        self._work.set()

    def _perform(self, outputs: Sequence[Output[Peer]]) -> None:
        for output in outputs:
            match output:
                case Frame(peer=peer, frame=frame):
                    if not peer.outbox.frame(frame):
                        reached(Limit.ANSWERS, client=peer.client, room=self.name)
                case Content(update=update, moved=moved, peers=peers, updates=updates):
                    self.metrics.deliveries += updates * len(peers)
                    self.tail.push(update, moved)
                    for peer in peers:
                        peer.outbox.content()
                case PresenceOf(entries=entries, peers=peers):
                    frame = encode(Awareness(entries))
                    for peer in peers:
                        peer.outbox.presence(entries, frame)
                case HangUp(peer=peer, code=code, reason=reason, limit=limit):
                    self._peers.pop(peer, None)
                    peer.hang_up(code, reason, limit)
                case Offence(peer=peer, words=words):
                    peer.strike(words)

    def _count_frames(self) -> None:
        self.metrics.content_frames += self.tail.frames_taken
        self.tail.frames_taken = 0

    def _is_idle(self) -> bool:
        if self._peers or self._expected:
            self._evicted = False
            return False
        return self._evicted or self._host.now() - self._idle_since_s >= self._host.idle_s

    def _end(self, code: CloseCode, reason: str) -> None:
        for peer in self._peers:
            peer.hang_up(code, reason)
        self._peers.clear()


class Host:
    """All rooms of one relay process.

    `run_sync` runs long work beside the loop; a simulation, which has no threads, hands in its own.
    """

    def __init__(
        self,
        store: RoomStore,
        *,
        now: Callable[[], float],
        idle_s: float = 30.0,
        quotas: Quotas | None = None,
        metrics: Metrics | None = None,
        limits: Limits | None = None,
        run_sync: Callable[..., Awaitable[Any]] = anyio.to_thread.run_sync,
    ) -> None:
        self.store = store
        self.now = now
        self.idle_s = idle_s
        self.quotas = quotas or Quotas()
        self.accounts = Accounts(store, self.quotas)
        self.metrics = metrics or Metrics()
        self.run_sync = run_sync
        self.limits = limits or Limits()
        self.quarantine: dict[bytes, None] = {}
        """The hashes of updates that no document is given again."""
        self.stopping = False
        self._rooms: dict[str, HostedRoom] = {}
        self._room_bytes = 0  # of all documents that are loaded, as of the last sweep
        self._opened_by: Counter[str | None] = Counter()  # address → the rooms that it had loaded and that are here
        self._empty = anyio.Event()
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run rooms for as long as the block lasts; you must `stop` before you leave it, or what waits is dropped."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._sweep)
            try:
                yield
            finally:
                self._tasks = None
                tasks.cancel_scope.cancel()

    def room(self, name: str, client: str | None = None) -> HostedRoom:
        """Return the room called `name`, which starts to load if nobody has asked for it.

        `client` is the address that asks. Raises `Stopping`, and `LimitReached` if no more rooms may be loaded.
        """
        if self.stopping or self._tasks is None:
            raise Stopping("the relay is going away")
        hosted = self._rooms.get(name)
        if hosted is None:
            self._make_place(client)
            hosted = self._rooms[name] = HostedRoom(name, self, client)
            self._opened_by[client] += 1
            self._tasks.start_soon(hosted.run)
        return hosted

    def beside(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Run `function` beside the rooms."""
        assert self._tasks is not None, "rooms run within `running`"
        self._tasks.start_soon(function, *arguments)

    async def delete(self, name: str) -> None:
        """Erase the room for good: a tombstone is kept, and who is in it is closed with 4404. Raises `StoreError`."""
        records = await self.store.rooms(name)
        await self.store.delete(name)
        hosted = self._rooms.get(name)
        if records and (hosted is None or not hosted.is_charged):
            self.accounts.freed(records[0])
        if hosted is not None:
            hosted.delete()

    def connections(self, name: str) -> int:
        """Return how many are in the room called `name`."""
        hosted = self._rooms.get(name)
        return 0 if hosted is None else hosted.connections

    def standing(self) -> Standing:
        """Return how the rooms stand at this moment. Any thread may ask."""
        rooms, now_s = list(self._rooms.values()), self.now()
        return Standing(
            rooms=len(rooms),
            document_bytes=sum(room.document_bytes for room in rooms),
            largest_document_bytes=max((room.document_bytes for room in rooms), default=0),
            outbox_age_s=max((room.lag_s(now_s) for room in rooms), default=0.0),
        )

    def forget(self, room: HostedRoom) -> None:
        """Take out a room that ends; the next who asks for its name gets a new one."""
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self._opened_by[room.opened_by] -= 1
            if not self._opened_by[room.opened_by]:
                del self._opened_by[room.opened_by]
        if self.stopping and not self._rooms:
            self._empty.set()

    async def stop(self) -> None:
        """Commit what has arrived, close all connections with 1001, and return when the rooms are closed."""
        self.stopping = True
        if not self._rooms:
            return
        for room in list(self._rooms.values()):
            room.stop()
        with anyio.move_on_after(STOP_WITHIN_S):
            await self._empty.wait()

    async def _sweep(self) -> None:
        while True:
            await anyio.sleep(SWEEP_EVERY_S)
            now_s = self.now()
            for room in list(self._rooms.values()):
                room.sweep(now_s)
            self._shrink()

    def _make_place(self, client: str | None) -> None:
        """Let one more room be loaded, by closing one that is idle if need be. Raises `LimitReached`."""
        if self._opened_by[client] >= self.limits.max_rooms_per_address:
            self._evict_one_of(
                [room for room in self._rooms.values() if room.opened_by == client], Limit.ROOMS_PER_ADDRESS
            )
        if len(self._rooms) >= self.limits.max_rooms:
            self._evict_one_of(list(self._rooms.values()), Limit.ROOMS)
        if self._room_bytes > self.limits.max_room_bytes:
            raise LimitReached(Limit.ROOM_BYTES, f"{Limit.ROOM_BYTES.words}; try again later")

    def _evict_one_of(self, rooms: Sequence[HostedRoom], limit: Limit) -> None:
        idle = [(room.idle_since_s, number) for number, room in enumerate(rooms) if room.idle_since_s is not None]
        if not idle:
            raise LimitReached(limit, f"{limit.words}; try again later")
        rooms[min(idle)[1]].evict()

    def _shrink(self) -> None:
        """Close idle rooms, the longest idle first, until those that stay hold no more than they may."""
        self._room_bytes = sum(room.size_bytes for room in self._rooms.values())
        if self._room_bytes <= self.limits.max_room_bytes:
            return
        total = self._room_bytes
        idle = [(room.idle_since_s, room.name) for room in self._rooms.values() if room.idle_since_s is not None]
        for _, name in sorted(idle):
            if total <= self.limits.max_room_bytes:
                break
            total -= self._rooms[name].size_bytes
            self._rooms[name].evict()

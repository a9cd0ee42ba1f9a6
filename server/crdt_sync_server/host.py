"""All rooms of one relay: they are opened when somebody asks, looked after once a second, and closed in order."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskGroup

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.changes import Changes
from crdt_sync_server.delivery import Peer
from crdt_sync_server.devices import DeviceKey
from crdt_sync_server.errors import Forbidden, Unauthenticated
from crdt_sync_server.hosted_room import REVOKED, HostedRoom
from crdt_sync_server.keepers import Tokens
from crdt_sync_server.limits import Limit, LimitReached, Limits
from crdt_sync_server.metrics import Metrics, Standing
from crdt_sync_server.ports import Authority, Grant, Identity, Role, RoomStore
from crdt_sync_server.quotas import Accounts, Quotas
from crdt_sync_server.room_loop import RoomLoop, Stopping
from crdt_sync_server.rooms import threads_of
from crdt_sync_server.sightings import Sightings

if TYPE_CHECKING:
    from crdt_sync_server.cluster import Cluster
    from crdt_sync_server.webhook_deliveries import Deliveries

__all__ = ["Host"]

SWEEP_EVERY_S = 1.0
STOP_WITHIN_S = 10.0


class Host:
    """All rooms of one relay process.

    `run_sync` runs long work beside the loop; a simulation, which has no threads, hands in its own.
    `wall` is the clock of tokens, in seconds since 1970.
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
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.now = now
        self.wall = wall
        self.idle_s = idle_s
        self.quotas = quotas or Quotas()
        self.accounts = Accounts(store, self.quotas)
        self.metrics = metrics or Metrics()
        self.run_sync = run_sync
        self.limits = limits or Limits()
        self.quarantine: dict[bytes, None] = {}
        """The hashes of updates that no document is given again."""
        self.stopping = False
        self.authority: Authority | None = None
        """Who is asked again about those who were on their way in while roles changed; None: roles do not change."""
        self.tokens: Tokens | None = None
        """The tokens that are kept beside the rooms."""
        self.changes = Changes(wall)
        """Which rooms have changed, for webhooks."""
        self.webhooks: Deliveries | None = None
        """Who is told of that."""
        self.cluster: Cluster | None = None
        """The other relays of the same store, if it can have any."""
        self.sightings = Sightings(now, wall)
        """Which devices were where."""
        self.roles_changed = 0
        """How often roles have changed since the start."""
        self._revoked: set[str] = set()  # the ids of tokens that were revoked since the start
        self._rooms: dict[str, HostedRoom] = {}
        self._room_bytes = 0  # of all documents that are loaded, as of the last sweep
        self._opened_by: Counter[str | None] = Counter()  # address → the rooms that it had loaded and that are here
        self._empty = anyio.Event()
        self._forgotten = anyio.Event()  # that one room has ended
        self._tasks: TaskGroup | None = None
        self._to_start: list[tuple[Callable[..., Coroutine[Any, Any, None]], tuple[Any, ...]]] = []
        self._bell = anyio.Event()  # something is to be started

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run rooms for as long as the block lasts; you must `stop` before you leave it, or what waits is dropped."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._sweep)
            tasks.start_soon(self._start, tasks)
            try:
                async with nullcontext() if self.cluster is None else self.cluster.running():
                    yield
            finally:
                self._tasks = None
                tasks.cancel_scope.cancel()

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Tell webhooks what has changed for as long as the block lasts, within `running`; `stop` before you leave it.

        On leaving, what waits is tried once more.
        """
        if self.webhooks is None:
            yield
            return
        async with self.webhooks.running():
            yield
            await self.webhooks.finish()

    def room(self, name: str, client: str | None = None) -> HostedRoom:
        """Return the room called `name`, which starts to load if nobody has asked for it.

        `client` is the address that asks. Raises `Stopping`, and `LimitReached` if no more rooms may be loaded.
        """
        if self.stopping or self._tasks is None:
            raise self.farewell()
        hosted = self._rooms.get(name)
        if hosted is None:
            self._make_place(client)
            hosted = self._rooms[name] = HostedRoom(name, self, client)
            self._opened_by[client] += 1
            self.beside(hosted.run)
        return hosted

    def beside(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Run `function` beside the rooms. What is no task may ask for it: a callback of a socket, for one."""
        assert self._tasks is not None, "rooms run within `running`"
        self._to_start.append((function, arguments))
        self._bell.set()

    async def delete(self, name: str) -> None:
        """Erase the room for good: a tombstone is kept, and who is in it is closed with 4404. Raises `StoreError`.

        The threads of a group go first: if the relay dies in between, deleting the group again does the rest.
        """
        if (threads := threads_of(name)) is not None:
            await self.delete(threads)
        records = await self.store.rooms(name)
        await self.store.delete(name)
        self.noticed()
        if not records or records[0].deleted_ms is None:
            self.changes.deleted(name)
        hosted = self._rooms.get(name)
        if records and (hosted is None or not hosted.is_charged):
            self.accounts.freed(records[0])
        if hosted is not None:
            hosted.delete()
        await self.sightings.forget(room=name)

    def noticed(self) -> None:
        """Say that something beside the rooms was changed here: other relays are to look."""
        if self.cluster is not None:
            self.cluster.noticed()

    def deleted(self, name: str) -> None:
        """End a room that another relay has deleted."""
        if (hosted := self._rooms.get(name)) is not None:
            hosted.delete()

    def regrade(self, name: str, subject: str, role: Role | None) -> None:
        """Let a change of role take effect on who is in the room. It must be stored already.

        Call it in the same step in which you learn that it is, so that no turn of the room comes between.
        """
        self.roles_changed += 1
        if (hosted := self._rooms.get(name)) is not None:
            hosted.regrade(subject, role, self.roles_changed)
        if (threads := self._rooms.get(threads_of(name) or "")) is not None:
            threads.regrade(subject, role and Role.READER, self.roles_changed)

    def regrade_all(self, name: str, role_of: Callable[[str], Role | None]) -> None:
        """Let everybody in the room go on with the role that `role_of` says, and who is on the way in ask again."""
        self.roles_changed += 1
        peers = [peer for hosted in self._with_threads(name) for peer in hosted.peers]
        for subject in {peer.subject for peer in peers if peer.subject is not None}:
            self.regrade(name, subject, role_of(subject))

    def doubt(self, name: str) -> None:
        """Close everybody in the room, as it cannot be told who may be there; they come back and are asked anew."""
        self.roles_changed += 1
        for hosted in self._with_threads(name):
            hosted.disperse(lambda peer: peer.subject is not None)

    def doubt_all(self) -> None:
        """Close everybody, as it cannot be told what has changed; they come back and are asked anew."""
        self.roles_changed += 1
        for hosted in list(self._rooms.values()):
            hosted.disperse(lambda peer: True)

    async def reload_all(self) -> None:
        """End all rooms, and return when they are gone; who comes back has them loaded again."""
        self.roles_changed += 1
        rooms = list(self._rooms.values())
        for hosted in rooms:
            hosted.reload()
        while any(self._rooms.get(hosted.name) is hosted for hosted in rooms):
            await self._forgotten.wait()

    def doubt_tokens(self, token_ids: Collection[str]) -> None:
        """Close who came with tokens of which it cannot be told whether they hold; they come back and are asked."""
        for hosted in list(self._rooms.values()):
            hosted.disperse(lambda peer: peer.grant.token_id in token_ids)

    def _with_threads(self, name: str) -> list[HostedRoom]:
        """Return the room and that of its threads, those of the two that are loaded."""
        return [self._rooms[each] for each in (name, threads_of(name) or "") if each in self._rooms]

    def revoke(self, token_id: str) -> None:
        """Close who came with this token, in all rooms, and let in nobody who is on the way. It must be stored already.

        Call it in the same step in which you learn that it is.
        """
        self._revoked.add(token_id)
        for room in list(self._rooms.values()):
            room.revoke(token_id)

    def check(self, who: Grant | Identity) -> None:
        """Raise `Unauthenticated` if the token of a grant or an identity was revoked since it was given."""
        if who.token_id in self._revoked:
            raise Unauthenticated(REVOKED)

    def check_holds(self, identity: Identity) -> None:
        """Raise `Unauthenticated` if what an identity came with was revoked or has ended since."""
        self.check(identity)
        if identity.expires_at_s is not None and identity.expires_at_s <= self.wall():
            raise Unauthenticated("the token has expired meanwhile; ask for a new one")

    async def confirm(self, peer: Peer, name: str) -> None:
        """Return once what `peer` may do in a room is what holds now, in the same step. Raises `RelayError`."""
        while self.authority is not None and peer.subject and peer.grant.as_of != self.roles_changed:
            as_of = self.roles_changed
            role = await self.authority.role(Identity(peer.subject), name)
            if role is None:
                raise Forbidden("this room is not open to you any more")
            peer.regrade(role, as_of)
        self.check(peer.grant)

    def opened(self, name: str) -> HostedRoom | None:
        """Return the room called `name` if it is here, loaded or not."""
        return self._rooms.get(name)

    def names(self) -> list[str]:
        """Return the names of all rooms that are here, loaded or not."""
        return list(self._rooms)

    def loaded(self) -> list[str]:
        """Return the names of the rooms that are loaded."""
        return [name for name, hosted in self._rooms.items() if hosted.is_loaded]

    def connections(self, name: str) -> int:
        """Return how many are in the room called `name`."""
        hosted = self._rooms.get(name)
        return 0 if hosted is None else hosted.connections

    def present(self, name: str) -> set[DeviceKey]:
        """Return the devices that are in the room called `name`."""
        peers = self._rooms[name].peers if name in self._rooms else ()
        return {(name, each.subject or "", each.grant.device or "", each.transport) for each in peers}

    def standing(self) -> Standing:
        """Return how the rooms stand at this moment. Any thread may ask."""
        rooms, now_s = list(self._rooms.values()), self.now()
        return Standing(
            rooms=len(rooms),
            document_bytes=sum(room.size_bytes for room in rooms),
            largest_document_bytes=max((room.size_bytes for room in rooms), default=0),
            outbox_age_s=max((room.lag_s(now_s) for room in rooms), default=0.0),
        )

    def forget(self, room: RoomLoop) -> None:
        """Take out a room that ends; the next who asks for its name gets a new one."""
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self._opened_by[room.opened_by] -= 1
            if not self._opened_by[room.opened_by]:
                del self._opened_by[room.opened_by]
            self._forgotten.set()
            self._forgotten = anyio.Event()
        if self.stopping and not self._rooms:
            self._empty.set()

    def farewell(self) -> Stopping:
        """Return why clients must go as the relay stops: with 1012 if other relays are there to take them, or 1001."""
        if self.cluster is None:
            return Stopping("the relay is going away")
        return Stopping("this relay restarts; connect again, to another", CloseCode.RESTARTING)

    async def stop(self) -> None:
        """Commit what has arrived, close all connections, and return when the rooms are closed."""
        self.stopping = True
        with anyio.move_on_after(STOP_WITHIN_S):
            if self._rooms:
                for room in list(self._rooms.values()):
                    room.stop()
                await self._empty.wait()
            await self.sightings.flush()
        if self.cluster is not None:
            await self.cluster.leave()

    async def _start(self, tasks: TaskGroup) -> None:
        """Start what runs beside; a task group takes tasks from tasks alone."""
        while True:
            await self._bell.wait()
            self._bell = anyio.Event()
            self._start_due(tasks)

    def _start_due(self, tasks: TaskGroup) -> None:
        due, self._to_start = self._to_start, []
        for function, arguments in due:
            tasks.start_soon(function, *arguments)

    async def _sweep(self) -> None:
        while True:
            await anyio.sleep(SWEEP_EVERY_S)
            now_s = self.now()
            for room in list(self._rooms.values()):
                if room.sweep_from_s <= now_s:
                    room.sweep(now_s)
            self._shrink()
            if self.sightings.is_due():
                self.sightings.refresh((room.name, peer) for room in self._rooms.values() for peer in room.peers)
                self.beside(self.sightings.flush)

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

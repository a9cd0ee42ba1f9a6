"""One relay among several on one store: what it stores the others learn, and what they store it follows.

The store has the truth, by position; a backplane only makes it fast. So nothing here has to arrive: this relay asks the
store how far its rooms are, now and then while the backplane works, and several times a second while it does not.

    told      after each commit, over the backplane: the room, the position, the update
    followed  by the room itself, in order of the positions; what did not come is read from the store (`following`)
    heeded    notices of what was done beside the rooms: deletions, roles, tokens, webhooks
    shown     who is in a room elsewhere (`company`): kept by nobody, gone with their relay
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import TYPE_CHECKING, Any

import anyio

from crdt_sync_server.backplane import CARRIED_UP_TO_BYTES, Backplane, Carried, Committed, Missed, Said
from crdt_sync_server.company import ALIVE_EVERY_S, Company
from crdt_sync_server.errors import BackplaneError, StoreError, StorePutBack
from crdt_sync_server.hosted_room import HostedRoom
from crdt_sync_server.keepers import Members
from crdt_sync_server.logs import tell
from crdt_sync_server.notices import take_effect
from crdt_sync_server.ports import SharedStore, Stored
from crdt_sync_server.turn import Spoken

if TYPE_CHECKING:
    from crdt_sync_server.host import Host

__all__ = ["Cluster"]

NOTICES_EVERY_S = 1.0
ROOMS_EVERY_S = 2.0
"""While the backplane works nothing should be found so; it may carry what others say and not what one says oneself."""
WITHOUT_BACKPLANE_EVERY_S = 0.25
BACK_AFTER_S = (0.1, 2.0)
"""The first wait before the backplane is tried again, and the longest."""
MAX_WAITING = 10_000
MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Of updates that wait for the backplane. Beyond it the others are told the position alone, and beyond that nothing."""
LEAVE_WITHIN_S = 1.0
DISTRUST_S = 60.0
"""After a store was put back what is carried may still be of before, under the same positions: a hint, no update."""
ANEW = -1  # in the place of the last notice: nothing is held of what those said that are there
ASKED_AT_ONCE = 5000
"""Rooms of one question to the store."""


class Cluster:
    """This relay's part. `backplane` is None where the store is asked alone."""

    def __init__(
        self, host: Host, store: SharedStore, members: Members, backplane: Backplane | None, *, random: Random
    ) -> None:
        self._host = host
        self._store = store
        self._members = members
        self._backplane = backplane
        self._random = random
        self._company = Company(host, self._say)
        self._committed: list[Committed] = []
        self._waiting_bytes = 0
        self._said: list[Said] = []
        self._bell = anyio.Event()  # something waits for the backplane
        self._question = anyio.Event()  # the store is to be asked now
        self._hears = False  # what the others say
        self._tells = self._asks = True  # or the last try failed
        self._notice = 0
        self._carried_from_s = float("-inf")
        self.metrics = host.metrics.cluster
        """What it counts."""
        self.metrics.is_used = True
        self.metrics.hears = None if backplane is None else False

    # For the host

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow and tell for as long as the block lasts. Raises `StoreError` if the store cannot be asked."""
        self._notice = (await self._store.heads(())).notice
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._kept_up, self._ask_on)
            if self._backplane is not None:
                tasks.start_soon(self._kept_up, self._hear_on, self._backplane)
                tasks.start_soon(self._kept_up, self._tell_on, self._backplane)
                tasks.start_soon(self._kept_up, self._beat_on)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
                if self._backplane is not None:
                    with anyio.CancelScope(shield=True), suppress(BackplaneError):
                        await self._backplane.close()

    async def leave(self) -> None:
        """Tell the others what they were not told yet, and that this relay goes."""
        if self._backplane is None or not self._hears:
            return
        self._company.leave()
        with anyio.move_on_after(LEAVE_WITHIN_S), suppress(BackplaneError):
            await self._tell(self._backplane)

    def committed(self, room: str, position: int, update: bytes) -> None:
        """Tell the others of what is durable. A relay that hears of no other tells nobody."""
        if not self._company.relays or len(self._committed) >= MAX_WAITING:
            return
        small = len(update) <= CARRIED_UP_TO_BYTES and self._waiting_bytes + len(update) <= MAX_WAITING_BYTES
        self._waiting_bytes += len(update) if small else 0
        self._committed.append(Committed(room, position, update if small else None))
        self._bell.set()

    def noticed(self) -> None:
        """Tell the others that something beside the rooms was changed here, and is durable."""
        if self._backplane is not None:
            self._committed.append(Committed("", 0))
            self._bell.set()

    def spoken(self, room: str, spoken: Sequence[Spoken]) -> None:
        """Tell the others what was shown here."""
        if self._hears:
            self._company.spoken(room, spoken)

    def loaded(self, room: str) -> None:
        """Ask who is in a room elsewhere."""
        if self._hears:
            self._company.ask([room])

    async def catch_up(self, room: HostedRoom) -> None:
        """Let a room know what is stored of it by now. Raises `StoreError`."""
        heads = await self._store.heads([room.name])
        room.told(heads.rooms[room.name])

    async def since(self, room: str, after: int) -> Stored:
        """Return what is stored of a room after a position. Raises `StoreError` and `RoomDeleted`."""
        return await self._store.since(room, after)

    # The backplane

    def _say(self, words: bytes) -> None:
        self._said.append(Said(self._store.node, words))
        self._bell.set()

    async def _tell_on(self, backplane: Backplane) -> None:
        wait_s, longest_s = BACK_AFTER_S
        while True:
            await self._bell.wait()
            self._bell = anyio.Event()
            try:
                await self._tell(backplane)
            except BackplaneError as error:  # what it did not carry the others find in the store
                if self._tells:
                    tell("backplane", logging.WARNING, state="carries nothing", reason=str(error))
                self._tells = False
                await self._back_off(wait_s)
                wait_s = min(2 * wait_s, longest_s)
            else:
                if not self._tells:
                    tell("backplane", state="carries again")
                self._tells = True
                wait_s = BACK_AFTER_S[0]

    async def _tell(self, backplane: Backplane) -> None:
        committed, self._committed, self._waiting_bytes = self._committed, [], 0
        said, self._said = self._said, []
        if committed:
            await backplane.publish(committed)
            self.metrics.published += len(committed)
        if said:
            await backplane.say(said)

    async def _hear_on(self, backplane: Backplane) -> None:
        cursor: str | None = None
        wait_s, longest_s = BACK_AFTER_S
        while True:
            try:
                async with backplane.subscribe(cursor) as carried:
                    wait_s = BACK_AFTER_S[0]
                    self._found()
                    async for each in carried:
                        cursor = each.cursor
                        self._take(each)
            except BackplaneError as error:
                if self._hears:
                    tell("backplane", logging.WARNING, state="not heard", reason=str(error))
            self._hears = self.metrics.hears = False
            self._ask()
            await self._back_off(wait_s)
            wait_s = min(2 * wait_s, longest_s)

    async def _back_off(self, wait_s: float) -> None:
        await anyio.sleep(wait_s * (0.5 + self._random.random() / 2))

    def _found(self) -> None:
        tell("backplane", state="heard")
        self._hears = self.metrics.hears = True
        self._company.found()
        self._ask()

    def _take(self, carried: Carried) -> None:
        for news in carried.news:
            match news:
                case Committed(room=""):
                    self._ask()
                case Committed(room=room, position=position, update=update):
                    if (hosted := self._host.opened(room)) is not None:
                        hosted.told(position, update if self._host.now() >= self._carried_from_s else None)
                case Said(node=node, words=words):
                    if node != self._store.node:
                        self._company.heard(node, words)
                case Missed():
                    self.metrics.missed += 1
                    self._ask()

    # The store

    def _ask(self) -> None:
        self._question.set()

    async def _ask_on(self) -> None:
        """Ask the store how far it is: all when that is due or somebody wants it, else for the notices alone."""
        rooms_due_s = self._host.now() + ROOMS_EVERY_S
        while True:
            with anyio.move_on_after(NOTICES_EVERY_S if self._hears else WITHOUT_BACKPLANE_EVERY_S):
                await self._question.wait()
            everything = self._question.is_set() or not self._hears or self._host.now() >= rooms_due_s
            self._question = anyio.Event()
            if everything:
                rooms_due_s = self._host.now() + ROOMS_EVERY_S
            try:
                await self._look(self._host.loaded() if everything else ())
            except StoreError as error:
                self._host.metrics.store_failures += 1
                if isinstance(error, StorePutBack):
                    tell("store", logging.ERROR, state="put back", reason=str(error))
                    await self._begin_anew()
                elif self._asks:
                    tell("store", logging.WARNING, state="cannot be asked", reason=str(error))
                self._asks = False
            else:
                if not self._asks:
                    tell("store", state="can be asked again")
                self._asks = True

    async def _begin_anew(self) -> None:
        """Drop all that is held of a store that was put back; who comes back brings what it lacks."""
        await self._host.reload_all()  # before anything of theirs can reach what the store has now
        self._carried_from_s = self._host.now() + DISTRUST_S
        self._notice = ANEW
        self._store.renew()
        self._ask()

    async def _look(self, rooms: Sequence[str]) -> None:
        self.metrics.asked += 1
        for start in range(0, max(1, len(rooms)), ASKED_AT_ONCE):
            asked = {name: room for name in rooms[start : start + ASKED_AT_ONCE] if (room := self._host.opened(name))}
            were_at = {name: room.position for name, room in asked.items()}
            heads = await self._store.heads(list(asked))
            for name, room in asked.items():
                if heads.rooms[name] < were_at[name]:
                    room.reload()
                room.told(heads.rooms[name])
        if heads.notice < self._notice:
            raise StorePutBack("it has fewer notices than it had")
        if self._notice == ANEW:
            if self._host.webhooks is not None:
                await self._host.webhooks.reload()
            self._notice = heads.notice
        elif heads.notice > self._notice:
            await self._heed()

    async def _heed(self) -> None:
        notices = await self._store.notices(self._notice)
        if notices is None:  # this relay was cut off for days
            self._notice = (await self._store.heads(())).notice
            self._host.doubt_all()
            return
        for notice in notices:
            if notice.node != self._store.node:  # what was done here has its effect already
                await take_effect(notice, self._host, self._members)
            self._notice = notice.number

    # Beside

    async def _beat_on(self) -> None:
        while True:
            await anyio.sleep(ALIVE_EVERY_S)
            self._company.beat(is_heard=self._hears)
            self.metrics.relays = len(self._company.relays)

    async def _kept_up(self, function: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """A bug of ours in one of these must not end the relay."""
        while True:
            try:
                await function(*arguments)
            except Exception:
                tell("failed", logging.CRITICAL, part=function.__name__)
            await anyio.sleep(BACK_AFTER_S[1])

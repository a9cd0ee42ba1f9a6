"""Several relays on one store in one process: what one stores the others show, whatever the backplane does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

import anyio
import pytest
from pycrdt import Doc, Map

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Awareness, AwarenessEntry, Barrier, SyncStep1, SyncStep2, SyncUpdate
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server import cluster as cluster_module
from crdt_sync_server import compaction as compaction_module
from crdt_sync_server.auth.members import MembersAuthority
from crdt_sync_server.backplanes.memory import MemoryBackplane, MemoryHub
from crdt_sync_server.cluster import Cluster
from crdt_sync_server.company import GONE_AFTER_S
from crdt_sync_server.errors import RoomDeleted, StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.ports import Notice, NoticeKind, Role, Stored
from crdt_sync_server.quotas import READ_AGAIN_AFTER_S, Accounts, Quotas
from crdt_sync_server.roster import OPERATOR, Change, Decision, Roster
from crdt_sync_server.sharing import Sharing
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.stores.memory_members import MemoryMembers
from tests.server.room_peer import Peer

pytestmark = pytest.mark.anyio
WITHIN_S = 10.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class CountingStore(MemoryStore):
    """Counts what it is asked, and fails when told to."""

    reads = 0
    failure: StoreError | None = None

    async def since(self, room: str, after: int) -> Stored:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        return await super().since(room, after)


class NotingMembers(MemoryMembers):
    """Rosters that relays share. A change of one is a notice, as in a store that has both."""

    def __init__(self, store: MemoryStore, rosters: dict[str, Roster]) -> None:
        super().__init__()
        self._rosters = rosters
        self._store = store

    async def change(self, room: str, decide: Callable[[Roster], Decision[Any]]) -> Change[Any]:
        change = await super().change(room, decide)
        number = len(self._store._notices) + 1
        self._store._notices.append(Notice(number, NoticeKind.ROLES, room, self._store.node))
        return change


class Relay:
    """One of several: a host with its cluster. Times pass by hand for presence, and by the clock for the loops."""

    def __init__(self, node: str, store: MemoryStore, rosters: dict[str, Roster], hub: MemoryHub | None) -> None:
        self.now_s = 0.0
        self.store = CountingStore(node)
        self.store._rooms, self.store._notices = store._rooms, store._notices
        self.host = Host(self.store, now=lambda: self.now_s, idle_s=30.0)
        members = NotingMembers(self.store, rosters)
        self.host.authority = MembersAuthority(members)
        self.backplane = None if hub is None else MemoryBackplane(hub)
        self.host.cluster = Cluster(self.host, self.store, members, self.backplane, random=Random(node))
        self.sharing = Sharing(self.host, members)

    async def enter(self, name: str = "room", subject: str | None = None) -> Peer:
        """Join and complete the sync of a peer that has nothing."""
        room = self.host.room(name)
        peer = Peer(room)
        peer.subject = subject
        await room.enter(peer)
        await peer.say(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE))
        await peer.hear(SyncStep2)
        return peer

    async def hears(self) -> None:
        await until(lambda: self.host.metrics.cluster.hears)


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(WITHIN_S):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await anyio.sleep(0.002)


@asynccontextmanager
async def relays(count: int = 2, *, hub: MemoryHub | None = None) -> AsyncIterator[list[Relay]]:
    store, rosters = MemoryStore(), dict[str, Roster]()
    async with AsyncExitStack() as stack:
        opened = [Relay(f"n{number}", store, rosters, hub) for number in range(count)]
        for each in opened:
            await stack.enter_async_context(each.host.running())
            if hub is not None:
                await each.hears()
        yield opened


def update(key: str, value: object = 1) -> bytes:
    doc: Doc[Any] = Doc()
    doc.get("m", type=Map)[key] = value
    return doc.get_update()


class Reader:
    """What a peer has got, as a document."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.doc: Doc[Any] = Doc()

    async def has(self, *keys: str) -> None:
        """Wait until all these keys are there."""
        with anyio.fail_after(WITHIN_S):
            for message in self.peer.heard:
                self._take(message)
            while not set(keys) <= set(self.doc.get("m", type=Map).to_py() or {}):
                self._take(await self.peer.hear(SyncUpdate))

    def _take(self, message: object) -> None:
        if isinstance(message, SyncUpdate | SyncStep2):
            self.doc.apply_update(message.update)


async def test_what_one_relay_stores_is_on_the_others_without_asking_the_store() -> None:
    async with relays(3, hub=MemoryHub()) as (one, two, three):
        a, b, c = await one.enter(), await two.enter(), await three.enter()
        for number in range(20):
            await a.say(SyncUpdate(update(f"k{number}")), Barrier(number))
            await a.hear(Barrier)
        wanted = [f"k{number}" for number in range(20)]
        await Reader(b).has(*wanted)
        await Reader(c).has(*wanted)
        assert (two.store.reads, three.store.reads) == (0, 0)
        assert (await one.store.load("room")).position == 20, "nobody stores again what another has stored"


async def test_what_crosses_is_in_one_order_and_whole_on_all() -> None:
    async with relays(3, hub=MemoryHub()) as opened:
        peers = [await each.enter() for each in opened]

        async def write(number: int) -> None:
            for each in range(30):
                await peers[number].say(SyncUpdate(update(f"{number}/{each}")))

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(write, number)
        wanted = [f"{number}/{each}" for number in range(3) for each in range(30)]
        for peer in peers:
            await Reader(peer).has(*wanted)
        hosted = [relay.host.opened("room") for relay in opened]
        await until(lambda: len({room.position for room in hosted if room is not None}) == 1)
        doc: Doc[Any] = Doc()
        for stored in (await opened[0].store.load("room")).updates:
            doc.apply_update(stored)
        assert set(doc.get("m", type=Map).to_py() or {}) == set(wanted)


async def test_without_a_backplane_the_store_is_asked_and_nothing_is_missing() -> None:
    async with relays(2) as (one, two):
        a, b = await one.enter(), await two.enter()
        await a.say(SyncUpdate(update("one")))
        await b.say(SyncUpdate(update("two")))
        await Reader(a).has("one", "two")
        await Reader(b).has("one", "two")


async def test_while_the_backplane_is_gone_the_store_is_asked_and_after_it_nobody_asks() -> None:
    hub = MemoryHub()
    async with relays(2, hub=hub) as (one, two):
        a, b = await one.enter(), await two.enter()
        hub.fail()
        await a.say(SyncUpdate(update("meanwhile")), Barrier(1))
        await a.hear(Barrier)
        await Reader(b).has("meanwhile")
        assert two.store.reads == 1
        hub.recover()
        await one.hears()
        await two.hears()
        await a.say(SyncUpdate(update("after")))
        await Reader(b).has("meanwhile", "after")
        assert two.store.reads == 1


async def test_a_backplane_that_takes_nothing_delays_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "ROOMS_EVERY_S", 0.2)  # asked that often, on a clock that stands still
    async with relays(2, hub=MemoryHub()) as (one, two):
        assert one.backplane is not None
        a, b = await one.enter(), await two.enter()
        one.backplane.weather.fails = lambda: True
        await a.say(SyncUpdate(update("full")))
        two.now_s += 1
        await Reader(b).has("full")
        one.backplane.weather.fails = lambda: False
        await a.say(SyncUpdate(update("again")))
        two.now_s += 1
        await Reader(b).has("full", "again")


async def test_a_flushed_backplane_is_noticed_and_asked_about() -> None:
    hub = MemoryHub()
    async with relays(2, hub=hub) as (one, two):
        a, b = await one.enter(), await two.enter()
        await a.say(SyncUpdate(update("before")))
        await Reader(b).has("before")
        hub.forget()
        await a.say(SyncUpdate(update("after")))
        await Reader(b).has("before", "after")
        assert two.host.metrics.cluster.missed >= 1


async def test_a_follower_behind_a_snapshot_takes_the_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction_module, "SEGMENT_BYTES", 200)
    hub = MemoryHub()
    async with relays(2, hub=hub) as (one, two):
        a, b = await one.enter(), await two.enter()
        assert two.backplane is not None
        two.store.failure = StoreError("not now")
        two.backplane.cut()
        for number in range(40):
            await a.say(SyncUpdate(update(f"k{number}", "x" * 50)), Barrier(number))
            await a.hear(Barrier)
        room = one.host.room("room")
        async with room.held():
            await room.compact()
        await a.say(SyncUpdate(update("after")))
        two.store.failure = None
        await Reader(b).has(*(f"k{number}" for number in range(40)), "after")
        hosted = two.host.opened("room")
        assert hosted is not None
        await until(lambda: hosted.position == 41)


async def test_what_is_stored_behind_what_another_has_stored_makes_another_version() -> None:
    """Or a reader would be told that nothing has changed."""
    hub = MemoryHub()
    async with relays(2, hub=hub) as (one, two):
        a, b = await one.enter(), await two.enter()
        assert two.backplane is not None
        two.store.failure = StoreError("not now")
        two.backplane.cut()
        await a.say(SyncUpdate(update("first")), Barrier(1))
        await a.hear(Barrier)
        hosted = two.host.room("room")
        versions = [hosted.version]
        for number in range(3):
            await b.say(SyncUpdate(update(f"own {number}")), Barrier(number))
            await b.hear(Barrier)
            versions.append(hosted.version)
        assert len(set(versions)) == 4
        assert hosted.position == 0
        two.store.failure = None
        await Reader(b).has("first")
        assert hosted.position == 4
        assert hosted.version not in versions


def put_back(store: MemoryStore, position: int) -> None:
    """Restore the store to an earlier moment, while relays run on it."""
    room = store._rooms["room"]
    del room.log[position - room.through :]
    room.position = position


async def test_a_store_that_is_put_back_is_noticed_and_the_devices_bring_what_it_lacks() -> None:
    async with relays(1) as (one,):
        a = await one.enter()
        for number in range(5):
            await a.say(SyncUpdate(update(f"k{number}")), Barrier(number))
            await a.hear(Barrier)
        put_back(one.store, 2)
        assert await a.closed() is CloseCode.INTERNAL_ERROR
        again = await one.enter()
        assert one.host.room("room").position == 2
        held = Reader(a)
        await held.has(*(f"k{number}" for number in range(5)))
        await again.say(SyncUpdate(held.doc.get_update()), Barrier(9))
        await again.hear(Barrier)
        await Reader(await one.enter()).has(*(f"k{number}" for number in range(5)))


async def test_an_edit_behind_a_store_that_was_put_back_is_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its room holds what the store does not, so nothing that depends on that may be told to be durable."""
    monkeypatch.setattr(cluster_module, "WITHOUT_BACKPLANE_EVERY_S", 60.0)
    async with relays(1) as (one,):
        a = await one.enter()
        for number in range(5):
            await a.say(SyncUpdate(update(f"k{number}")), Barrier(number))
            await a.hear(Barrier)
        put_back(one.store, 2)
        await a.say(SyncUpdate(update("late")), Barrier(9))
        assert await a.closed() is CloseCode.INTERNAL_ERROR
        assert Barrier(9) not in a.heard


async def test_what_others_store_for_a_subject_counts_here() -> None:
    """Within the seconds after which its account is read again."""
    async with relays(2, hub=MemoryHub()) as (one, two):
        for relay in (one, two):
            relay.host.quotas = Quotas(subject_bytes=1000)
            relay.host.accounts = Accounts(relay.store, relay.host.quotas)
        a, b = await one.enter("u/ada/one", "ada"), await two.enter("u/ada/two", "ada")
        await b.say(SyncUpdate(update("small")), Barrier(1))
        await b.hear(Barrier)
        await a.say(SyncUpdate(update("large", "x" * 950)), Barrier(1))
        await a.hear(Barrier)
        two.now_s += READ_AGAIN_AFTER_S + 1
        await b.say(SyncUpdate(update("more", "x" * 100)))
        assert await b.closed() is CloseCode.TOO_BIG


async def test_a_room_that_is_deleted_elsewhere_closes_here_and_takes_nothing_more() -> None:
    async with relays(2, hub=MemoryHub()) as (one, two):
        b = await two.enter()
        await b.say(SyncUpdate(update("one")))
        await one.host.delete("room")
        assert await b.closed() is CloseCode.DELETED
        with pytest.raises(RoomDeleted):
            await two.enter()


async def test_what_a_role_allows_changes_on_all_relays() -> None:
    async with relays(2, hub=MemoryHub()) as (one, two):
        await one.sharing.set_role("shared", OPERATOR, "ada", Role.READER)
        b = await two.enter("shared", "ada")
        await one.sharing.remove("shared", OPERATOR, "ada")
        assert await b.closed() is CloseCode.FORBIDDEN


def shown(message: Awareness) -> list[tuple[int, str]]:
    return [(each.client_id, each.state) for each in message.entries]


async def test_who_is_elsewhere_is_shown_when_they_come_when_one_comes_and_no_longer_when_they_go() -> None:
    async with relays(2, hub=MemoryHub()) as (one, two):
        a, b = await one.enter(), await two.enter()
        await a.say(Awareness((AwarenessEntry(7, 1, '{"user":{"name":"Ada"}}'),)))
        assert shown(await b.hear(Awareness)) == [(7, '{"user":{"name":"Ada"}}')]
        late = await two.enter()
        assert shown(await late.hear(Awareness)) == [(7, '{"user":{"name":"Ada"}}')]
        one.host.room("room").leave(a)
        assert shown(await b.hear(Awareness)) == [(7, "null")]


async def test_a_room_that_is_loaded_asks_who_is_there_already() -> None:
    async with relays(2, hub=MemoryHub()) as (one, two):
        a = await one.enter()
        await a.say(Awareness((AwarenessEntry(7, 1, '"here"'),)))
        await a.hear(Awareness)
        b = await two.enter()
        assert shown(await b.hear(Awareness)) == [(7, '"here"')]


async def test_the_ghosts_of_a_relay_that_died_leave() -> None:
    hub = MemoryHub()
    async with relays(2, hub=hub) as (one, two):
        assert one.backplane is not None
        a, b = await one.enter(), await two.enter()
        await a.say(Awareness((AwarenessEntry(7, 1, '"here"'),)))
        await b.hear(Awareness)
        await anyio.wait_all_tasks_blocked()
        one.backplane.cut()
        two.now_s += GONE_AFTER_S + 1
        assert shown(await b.hear(Awareness)) == [(7, "null")]


async def test_who_moves_to_another_relay_is_shown_once_and_stays() -> None:
    """Its old connection is half dead: the relay that holds it hears of the new one, and its end says nothing."""
    async with relays(2, hub=MemoryHub()) as (one, two):
        old, watcher = await one.enter(subject="ada"), await one.enter(subject="ben")
        await old.say(Awareness((AwarenessEntry(7, 1, '"old"'),)))
        await watcher.hear(Awareness)
        new = await two.enter(subject="ada")
        await new.say(Awareness((AwarenessEntry(7, 2, '"new"'),)))
        assert shown(await watcher.hear(Awareness)) == [(7, '"new"')]
        one.host.room("room").leave(old)
        await new.say(Awareness((AwarenessEntry(7, 3, '"still"'),)))
        assert shown(await watcher.hear(Awareness)) == [(7, '"still"')]


async def test_a_relay_that_leaves_takes_its_company_with_it_at_once() -> None:
    async with relays(2, hub=MemoryHub()) as (one, two):
        a, b = await one.enter(), await two.enter()
        await a.say(Awareness((AwarenessEntry(7, 1, '"here"'),)))
        await b.hear(Awareness)
        await one.host.stop()
        assert shown(await b.hear(Awareness)) == [(7, "null")]
        assert await a.closed() is CloseCode.RESTARTING


async def test_who_is_here_is_not_kept_waiting_by_relays_that_are_always_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one answer is read the others have stored more, and tell of it without the update, which is large."""
    since = CountingStore.since

    async def overtaken(self: CountingStore, room: str, after: int) -> Stored:
        stored = await since(self, room, after)
        if self.reads < 400:
            position = await self.append(room, update(f"flood {self.reads}"))
            hosted[0].told(position)
        await anyio.lowlevel.checkpoint()
        return stored

    monkeypatch.setattr(CountingStore, "since", overtaken)
    async with relays(2) as (_, two):
        b = await two.enter()
        hosted = [two.host.room("room")]
        hosted[0].told(await two.store.append("room", update("first")))
        await until(lambda: two.store.reads > 3)
        await b.say(SyncUpdate(update("mine")), Barrier(1))
        await b.hear(Barrier)
        assert two.store.reads < 100
        await until(lambda: two.store.reads >= 400 and hosted[0].position >= 400)
        await Reader(b).has("mine", "first", "flood 399")

"""Actions within the turns of a room: in order, durable before anybody hears of them, and never half done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import SyncStep1, SyncStep2, SyncUpdate
from crdt_sync_server.actions import Action, Do
from crdt_sync_server.errors import Forbidden, NoSuchPost, NoSuchRoom, RoomDeleted, StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.limits import LimitReached
from crdt_sync_server.ports import Grant, Role
from crdt_sync_server.quotas import Quotas
from crdt_sync_server.roster import Actor
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.threads import act
from tests.server.test_host import Peer, SlowStore

pytestmark = pytest.mark.anyio
ADA = Actor("ada", "Ada\ud800")  # a token may say half a character
GROUP = "g/group"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def host_on(store: MemoryStore, **options: Quotas) -> Host:
    return Host(store, now=anyio.current_time, **options)


def open_action(number: int, text: str = "why?") -> Action:
    return Action(f"{number:016}", Do.OPEN, highlight="h", text=text)


def granting(host: Host, role: Role = Role.EDITOR) -> Callable[[], Awaitable[Grant]]:
    async def grant() -> Grant:
        return Grant("ada", role=role, as_of=host.roles_changed)

    return grant


async def posts_of(store: MemoryStore) -> set[str]:
    doc: Doc[object] = Doc()
    for update in (await store.load(f"{GROUP}/threads")).updates:
        doc.apply_update(update)
    return set(doc.get("posts", type=Map).keys())


async def test_nothing_is_told_or_answered_before_it_is_durable() -> None:
    store = SlowStore()
    host = host_on(store)
    async with host.running(), anyio.create_task_group() as tasks:
        room = host.room(f"{GROUP}/threads")
        peer = Peer(room)
        peer.read_only = True
        await room.enter(peer)
        await peer.say(SyncStep1(b"\x00"))
        await peer.hear(SyncStep2)
        store.gate = anyio.Event()
        answered: list[int] = []

        async def ask(number: int) -> None:
            await act(host, GROUP, ADA, granting(host), open_action(number), 1)
            answered.append(number)

        for number in range(3):
            tasks.start_soon(ask, number)
        while not store.appends:
            await anyio.lowlevel.checkpoint()
        assert (answered, peer.outbox.next()) == ([], None)
        store.gate.set()
        doc: Doc[object] = Doc()
        with anyio.fail_after(10):
            while len(doc.get("posts", type=Map)) < 3:
                doc.apply_update((await peer.hear(SyncUpdate)).update)
            while len(answered) < 3:
                await anyio.lowlevel.checkpoint()
        assert len(await posts_of(store)) == 3
        await host.stop()


async def test_what_could_not_be_stored_is_told_and_asked_again_is_once() -> None:
    store = SlowStore()
    host = host_on(store)
    async with host.running():
        await act(host, GROUP, ADA, granting(host), open_action(1), 1)
        store.failure = StoreError("the disk is full")
        with pytest.raises(StoreError, match="full"):
            await act(host, GROUP, ADA, granting(host), open_action(2), 1)
        store.failure = None
        for _ in range(2):
            await act(host, GROUP, ADA, granting(host), open_action(2), 1)
        assert await posts_of(store) == {open_action(1).id, open_action(2).id}
        await host.stop()


async def test_a_role_that_changes_on_the_way_is_asked_for_again() -> None:
    host = host_on(MemoryStore())
    roles = [Role.EDITOR, Role.READER]

    async def grant() -> Grant:
        given = Grant("ada", role=roles.pop(0), as_of=host.roles_changed)
        if len(roles) == 1:
            host.regrade(GROUP, "ada", Role.READER)  # between the question and the turn
        return given

    async with host.running():
        with pytest.raises(Forbidden, match="readers"):
            await act(host, GROUP, ADA, grant, open_action(1), 1)
        assert roles == []
        await host.stop()


async def test_refusals_leave_the_room_as_it_was() -> None:
    store = MemoryStore()
    host = host_on(store)
    async with host.running():
        with pytest.raises(NoSuchPost):
            await act(host, GROUP, ADA, granting(host), Action("i" * 16, Do.DELETE, post="nothing"), 1)
        for room in ("u/ada", f"{GROUP}/threads", "elsewhere"):
            with pytest.raises(NoSuchRoom, match="group"):
                await act(host, room, ADA, granting(host), open_action(1), 1)
        assert await store.rooms() == []
        await act(host, GROUP, ADA, granting(host), open_action(1), 1)
        await host.delete(GROUP)
        with pytest.raises(RoomDeleted):
            await act(host, GROUP, ADA, granting(host), open_action(2), 1)
        assert {each.name for each in await store.rooms() if each.deleted_ms} == {GROUP, f"{GROUP}/threads"}
        await host.stop()


async def test_threads_that_are_full_take_deletions_and_no_more_posts() -> None:
    host = host_on(MemoryStore(), quotas=Quotas(room_bytes=4096))
    async with host.running():
        await act(host, GROUP, ADA, granting(host), open_action(1, "x" * 2000), 1)
        with pytest.raises(LimitReached, match="full"):
            await act(host, GROUP, ADA, granting(host), open_action(2, "x" * 2000), 1)
        await act(host, GROUP, ADA, granting(host), Action("d" * 16, Do.DELETE, post=open_action(1).id), 1)
        await host.stop()


async def test_an_action_that_waits_as_the_relay_stops_is_done_or_told() -> None:
    store = SlowStore()
    host = host_on(store)
    outcome: list[str] = []

    async def ask() -> None:
        await act(host, GROUP, ADA, granting(host), open_action(1), 1)
        outcome.append("done")

    async with host.running(), anyio.create_task_group() as tasks:
        await act(host, GROUP, ADA, granting(host), open_action(0), 1)
        store.gate = anyio.Event()
        tasks.start_soon(ask)
        while store.appends < 2:
            await anyio.lowlevel.checkpoint()
        tasks.start_soon(host.stop)
        await anyio.lowlevel.checkpoint()
        store.gate.set()
    assert outcome == ["done"]
    assert len(await posts_of(store)) == 2

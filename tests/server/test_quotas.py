"""What may be stored in a room and for a subject: refusals, what they leave alone, and how room is made again."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pycrdt import Doc, Map

from crdt_sync import State, open_library
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Barrier, SyncStep1, SyncStep2, SyncUpdate
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server.errors import StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.quotas import Accounts, Quotas
from crdt_sync_server.room_log import COMPACT_FULL_BYTES_PER_S
from crdt_sync_server.stores.memory import MemoryStore
from tests.relay import RelayProcess
from tests.server.operating import tell
from tests.server.test_host import Peer

pytestmark = pytest.mark.anyio


class Writer:
    """A client with a document of its own."""

    def __init__(self) -> None:
        self.doc: Doc[Any] = Doc()
        self.fields = self.doc.get("m", type=Map)
        self.updates: list[bytes] = []
        self._subscription = self.doc.observe(lambda event: self.updates.append(event.update))

    def set(self, key: str, size_bytes: int) -> SyncUpdate:
        self.fields[key] = "x" * size_bytes
        return SyncUpdate(self.updates[-1])

    def drop(self, key: str) -> SyncUpdate:
        del self.fields[key]
        return SyncUpdate(self.updates[-1])


class Rig:
    def __init__(self, quotas: Quotas) -> None:
        self.now_s = 1000.0
        self.store = MemoryStore()
        self.host = Host(self.store, now=lambda: self.now_s, idle_s=0.0, quotas=quotas)

    async def enter(self, name: str, subject: str | None = None) -> Peer:
        room = self.host.room(name)
        peer = Peer(room)
        peer.subject = subject
        await room.enter(peer)
        await peer.say(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE))
        await peer.hear(SyncStep2)
        return peer

    async def stored(self, peer: Peer, *messages: SyncUpdate) -> bool:
        """Send updates; say whether they are durable, and if not see that the close says why."""
        await peer.say(*messages, Barrier(7))
        if await peer.hear(Barrier) is not None:
            return True
        assert peer.code is CloseCode.TOO_BIG
        return False


@asynccontextmanager
async def rig(quotas: Quotas) -> AsyncIterator[Rig]:
    rig = Rig(quotas)
    async with rig.host.running():
        yield rig
        await rig.host.stop()


async def test_a_full_room_refuses_what_adds_and_keeps_what_it_has() -> None:
    async with rig(Quotas(room_bytes=10_000)) as desk:
        a, writer = await desk.enter("room"), Writer()
        assert await desk.stored(a, writer.set("kept", 6000))
        assert not await desk.stored(a, writer.set("refused", 6000))
        reader = await desk.enter("room")  # reads go on
        step_2 = next(message for message in reader.heard if isinstance(message, SyncStep2))
        doc: Doc[Any] = Doc()
        doc.apply_update(step_2.update)
        assert list(doc.get("m", type=Map)) == ["kept"]
        assert await desk.stored(reader, Writer().set("small", 100))  # and so do writes that fit
        (record,) = await desk.store.rooms("room")
        assert record.size_bytes < 10_000


async def test_the_updates_of_one_turn_are_counted_together() -> None:
    async with rig(Quotas(room_bytes=10_000)) as desk:
        a, writer = await desk.enter("room"), Writer()
        assert not await desk.stored(a, *(writer.set(str(number), 1000) for number in range(12)))
        (record,) = await desk.store.rooms("room")
        assert 8_000 < record.size_bytes <= 10_000


async def test_who_deletes_is_never_refused_and_a_compaction_makes_room() -> None:
    async with rig(Quotas(room_bytes=10_000)) as desk:
        a, writer = await desk.enter("room"), Writer()
        assert await desk.stored(a, writer.set("big", 9_970 - 40))
        assert await desk.stored(a, writer.drop("big"))
        desk.now_s += 1
        assert await desk.stored(a, writer.set("next", 9_000)), "what was deleted still counts"
        (record,) = await desk.store.rooms("room")
        assert record.size_bytes < 10_000


async def test_a_full_room_is_not_compacted_all_the_time() -> None:
    async with rig(Quotas(room_bytes=10_000)) as desk:
        writer = Writer()
        assert await desk.stored(await desk.enter("room"), writer.set("big", 9_000))
        for number in range(3):
            assert await desk.stored(await desk.enter("room"), Writer().set(f"small {number}", 10))
            assert not await desk.stored(await desk.enter("room"), Writer().set(f"big {number}", 5_000))
        assert desk.host.metrics.compactions == 1
        desk.now_s += 10_000 / COMPACT_FULL_BYTES_PER_S
        assert not await desk.stored(await desk.enter("room"), Writer().set("big too", 5_000))
        assert desk.host.metrics.compactions == 2


async def test_a_subject_has_one_quota_for_all_its_rooms_loaded_or_not() -> None:
    quotas = Quotas(subject_bytes=10_000)
    async with rig(quotas) as desk:
        first = await desk.enter("ada/1", "ada")
        writer = Writer()
        assert await desk.stored(first, writer.set("a", 4000))
        guest = await desk.enter("ada/1", "ben")
        assert await desk.stored(guest, Writer().set("b", 2000))  # in ada's room: it counts for ada
        second = await desk.enter("ada/2", "ada")
        assert not await desk.stored(second, Writer().set("a", 5000))
        assert await desk.stored(await desk.enter("ben", "ben"), Writer().set("a", 9000))
        assert await desk.stored(await desk.enter("nobody's"), Writer().set("a", 20_000))
        assert await desk.store.usage("ada") == desk.host.accounts._accounts["ada"].stored_bytes
        assert await desk.stored(first, writer.drop("a"))
        await desk.host.room("ada/1").compact()
        assert await desk.stored(await desk.enter("ada/2", "ada"), Writer().set("a", 5000))
        assert await desk.store.usage("ada") == desk.host.accounts._accounts["ada"].stored_bytes < 10_000
    again = Rig(quotas)  # the relay is started again, and nothing of ada's is loaded
    again.store = again.host.store = desk.store  # type: ignore[assignment]
    again.host.accounts = Accounts(desk.store, quotas)
    async with again.host.running():
        assert not await again.stored(await again.enter("ada/3", "ada"), Writer().set("a", 5000))
        await again.host.delete("ada/2")
        await anyio.wait_all_tasks_blocked()
        assert await again.stored(await again.enter("ada/3", "ada"), Writer().set("a", 5000))
        await again.host.stop()


async def test_deleting_a_room_frees_its_owners_storage_at_once() -> None:
    async with rig(Quotas(subject_bytes=10_000)) as desk:
        other = await desk.enter("other", "ada")
        assert await desk.stored(other, Writer().set("a", 1000))
        assert await desk.stored(await desk.enter("room", "ada"), Writer().set("a", 8000))
        await desk.store.append("unloaded", b"x" * 500, "ada")
        desk.host.accounts._accounts["ada"].stored_bytes += 500
        for room, used in (("room", 1500), ("unloaded", 1000)):
            await desk.host.delete(room)
            await anyio.wait_all_tasks_blocked()
            assert used < desk.host.accounts._accounts["ada"].stored_bytes < used + 100
        assert await desk.stored(other, Writer().set("b", 8000))


async def test_an_account_lives_as_long_as_a_room_of_it_is_loaded() -> None:
    store = MemoryStore()
    await store.append("room", b"x" * 100, "ada")
    accounts = Accounts(store, Quotas(subject_bytes=150))
    one, two = await accounts.open("ada"), await accounts.open("ada")
    assert one is two
    one.stored_bytes += 20
    assert accounts.left_bytes(two) == 30
    accounts.close(one)
    assert (await accounts.open("ada")).stored_bytes == 120
    accounts.close(one)
    accounts.close(one)
    assert (await accounts.open("ada")).stored_bytes == 100
    assert accounts.left_bytes(None) is None


async def test_a_compaction_that_fails_is_an_error_to_who_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(Quotas()) as desk:
        await desk.stored(await desk.enter("room"), Writer().set("a", 10))

        async def fails(*arguments: object) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr(desk.store, "compact", fails)
        with pytest.raises(StoreError, match="full"):
            await desk.host.room("room").compact()
        monkeypatch.undo()
        await desk.host.room("room").compact()


async def test_a_device_over_its_subjects_quota_learns_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real relay that asks who comes, and real devices; what was stored stays and can be read."""
    monkeypatch.setenv("CRDT_SYNC_SERVER_SUBJECT_QUOTA_BYTES", "20000")
    script = Path(__file__).with_name("token_relay.py")
    with RelayProcess(tmp_path / "data", command=(sys.executable, str(script))) as relay:

        async def store(file: str, room: str, subject: str, size_bytes: int) -> State:
            async with open_library(
                tmp_path / file, relay=relay.url, room=room, token=subject, close_within_s=0
            ) as library:
                await library.add_note("x" * size_bytes)
                with anyio.fail_after(20):
                    async for status in library.status_changes():
                        if status.state is State.STOPPED:
                            assert "full" in (status.last_error or "")
                            return status.state
                        if status.state is State.CONNECTED and not status.pending:
                            return status.state
            raise AssertionError("it stays open")

        assert await store("1", "one", "ada", 12_000) is State.CONNECTED
        assert await store("2", "two", "ada", 12_000) is State.STOPPED
        assert await store("3", "three", "ben", 12_000) is State.CONNECTED
        assert await store("4", "one", "ada", 1_000) is State.CONNECTED
        owners = await anyio.to_thread.run_sync(lambda: tell(tmp_path / "data", "rooms", "list"))
        assert {each["name"]: each["owner"] for each in owners} == {"one": "ada", "three": "ben"}

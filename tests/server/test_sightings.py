"""What is noted of who comes and goes: on a clock that a test turns, with a store that counts and can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from crdt_sync_server import sightings as module
from crdt_sync_server.devices import MAX_OF_SUBJECT, Device, device_of
from crdt_sync_server.errors import StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.poll_sessions import PollSession
from crdt_sync_server.ports import ConnectRequest, Grant
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.stores.memory_devices import MemoryDevices

pytestmark = pytest.mark.anyio


class Counting(MemoryDevices):
    """Devices that say how often they were written, and can be down."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.is_down = False
        self.gate = anyio.Event()
        self.gate.set()

    async def seen(self, devices: Sequence[Device]) -> None:
        await self.gate.wait()
        if self.is_down:
            raise StoreError("the disk is full")
        self.batches.append(len(devices))
        await super().seen(devices)


class Scene:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.devices = Counting()
        self.host = Host(MemoryStore(), now=lambda: self.now_s, wall=lambda: self.now_s)
        self.host.sightings.devices = self.devices

    def peer(self, subject: str | None = "ada", device: str | None = "phone", room: str = "r") -> PollSession:
        return PollSession(
            self.host.room(room),
            grant=Grant(subject, device=device),
            client="192.0.2.7",
            max_message_bytes=10_000,
            now=lambda: self.now_s,
            limits=self.host.limits,
        )

    async def entered(self, subject: str | None = "ada", device: str | None = "phone", room: str = "r") -> PollSession:
        peer = self.peer(subject, device, room)
        await self.host.room(room).enter(peer)
        return peer

    async def known(self, room: str = "r") -> list[tuple[str, str | None, int, int, int]]:
        found = await self.host.sightings.listed(room=room)
        return [(each.subject, each.device, each.first_ms // 1000, each.last_ms // 1000, each.times) for each in found]


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    here = Scene()
    async with here.host.running():
        with anyio.fail_after(20):
            yield here
        await here.host.stop()


async def test_who_comes_and_goes_is_known_at_once_and_stored_in_one_batch() -> None:
    async with scene() as here:
        phone = await here.entered()
        here.now_s = 110
        desk = await here.entered(device=None)
        here.now_s = 120
        here.host.room("r").leave(phone)
        await here.entered()
        assert await here.known() == [("ada", None, 110, 110, 1), ("ada", "phone", 100, 120, 2)]
        assert here.devices.batches == [], "no connect has waited for the store"
        await here.host.sightings.flush()
        assert await here.known() == [("ada", None, 110, 110, 1), ("ada", "phone", 100, 120, 2)]
        await here.host.sightings.flush()
        assert here.devices.batches == [2], "what has not changed is not written again"
        here.now_s = 130
        here.host.room("r").leave(desk)
        assert await here.known() == [("ada", None, 110, 130, 1), ("ada", "phone", 100, 120, 2)]


async def test_it_is_time_once_a_minute_and_who_stays_is_noted_every_ten() -> None:
    async with scene() as here:
        peer = await here.entered()
        noted = here.host.sightings
        assert not noted.is_due()
        here.now_s += module.FLUSH_EVERY_S
        assert noted.is_due()
        await noted.flush()
        assert not noted.is_due()
        noted.refresh([("r", peer)])
        assert (await here.known())[0][3] == 100
        here.now_s = 100 + module.REFRESH_EVERY_S
        noted.refresh([("r", peer)])
        noted.refresh([("r", peer)])
        assert await here.known() == [("ada", "phone", 100, 700, 1)]


async def test_nobody_without_a_name_and_no_room_of_threads_is_noted() -> None:
    async with scene() as here:
        await here.entered(subject=None)
        await here.entered(room="g/x/threads")
        assert [await here.known(room) for room in ("r", "g/x/threads")] == [[], []]


async def test_what_could_not_be_stored_is_stored_later() -> None:
    async with scene() as here:
        here.devices.is_down = True
        peer = await here.entered()
        await here.host.sightings.flush()
        here.now_s = 130
        here.host.room("r").leave(peer)
        assert await here.known() == [("ada", "phone", 100, 130, 1)]
        here.devices.is_down = False
        await here.host.sightings.flush()
        assert [(each.first_ms, each.last_ms, each.times) for each in await here.devices.listed()] == [
            (100_000, 130_000, 1)
        ]


async def test_who_asks_while_marks_are_stored_sees_each_once() -> None:
    async with scene() as here:
        await here.entered()
        here.devices.gate = anyio.Event()
        found: list[list[tuple[str, str | None, int, int, int]]] = []

        async def ask() -> None:
            found.append(await here.known())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.host.sightings.flush)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            here.devices.gate.set()
        assert found == [[("ada", "phone", 100, 100, 1)]]


async def test_of_a_deleted_room_nothing_stays_nor_comes_with_who_leaves_it() -> None:
    async with scene() as here:
        await here.entered()
        await here.entered(room="kept")
        await here.host.sightings.flush()
        await here.host.delete("r")
        await anyio.wait_all_tasks_blocked()
        assert await here.known() == []
        assert await here.devices.listed(room="r") == []
        assert len(await here.known("kept")) == 1


async def test_a_subject_is_forgotten_with_its_marks() -> None:
    async with scene() as here:
        peer = await here.entered()
        await here.entered(subject="bob")
        await here.host.sightings.flush()
        here.host.room("r").leave(peer)
        await here.host.sightings.forget(subject="ada")
        assert [each[0] for each in await here.known()] == ["bob"]


async def test_a_relay_that_stops_stores_what_is_marked() -> None:
    async with scene() as here:
        await here.entered()
        here.now_s = 150
    assert [(each.last_ms, each.times) for each in await here.devices.listed()] == [(150_000, 1)]


async def test_more_than_there_is_place_for_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MARKS", 4)
    async with scene() as here:
        for number in range(6):
            await here.entered(device=f"{number}")
            assert here.host.sightings.is_due() is (number >= 1)
        assert len(await here.known()) == 4


async def test_who_makes_up_names_has_as_many_as_are_kept_and_no_more_and_takes_no_one_s_place() -> None:
    async with scene() as here:
        for number in range(MAX_OF_SUBJECT + 3):
            await here.entered(device=f"{number:02d}")
        await here.entered(subject="bob")
        assert [each[0] for each in await here.known()] == ["ada"] * MAX_OF_SUBJECT + ["bob"]
        await here.host.sightings.flush()
        await here.entered(device="after")
        assert "after" in {each[1] for each in await here.known()}


async def test_many_are_stored_a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits of other rooms come in between; what is left when the store fails stays marked."""
    monkeypatch.setattr(module, "BATCH", 2)
    async with scene() as here:
        for number in range(5):
            await here.entered(subject=f"{number}")
        await here.host.sightings.flush()
        assert here.devices.batches == [2, 2, 1]
        assert len(await here.known()) == 5


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("device=e-reader", "e-reader"),
        ("token=x&device=Zo%C3%AB%27s%20phone", "Zoë's phone"),
        ("device=e%CC%81", "é"),
        ("device=", None),
        ("device=%20", None),
        ("device=a%0Ab", None),
        ("device=a%00", None),
        ("device=%FF", "�"),
        ("device=" + "x" * 100, "x" * 100),
        ("device=" + "x" * 101, None),
        ("&" * 100, None),
        ("", None),
    ],
)
def test_a_device_is_called_what_can_be_shown(query: str, name: str | None) -> None:
    assert device_of(ConnectRequest("r", (), query, None)) == name

"""Devices that poll through networks that are in the way: real libraries, a real relay, a proxy on real sockets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import anyio
import httpx
import pytest
from pycrdt import Doc, Map

from crdt_sync import Anchor, Library, State, Status, open_library
from crdt_sync.errors import InvalidEdit
from crdt_sync.sync import fallback, poll_requests, polling
from tests.interop.node import stock_clients
from tests.proxies import Fate, Proxy, Upgrade
from tests.relay import RelayProcess

pytestmark = pytest.mark.anyio
ON_ASYNCIO_ALONE = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)  # the slow ones, once
VERSE = Anchor.verse("Gen.1.1", work="KJV", quote="In the beginning")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("relay")


@pytest.fixture(scope="module")
def relay(folder: Path) -> Iterator[RelayProcess]:
    with RelayProcess(folder) as relay:
        yield relay


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return f"polling/{request.node.name}"


async def status_where(library: Library, wanted: Callable[[Status], Any], within_s: float = 30) -> Status:
    with anyio.fail_after(within_s):
        async for status in library.status_changes():
            if wanted(status):
                return status
    raise AssertionError


async def polls(library: Library) -> None:
    await status_where(library, lambda status: status.state is State.CONNECTED and status.transport == "polling")


async def seen(library: Library, count: int, within_s: float = 60) -> set[str]:
    """Wait, bounded, until the library holds `count` highlights, and return their ids."""
    with anyio.fail_after(within_s):
        async with library.changes() as feed:
            while len(highlights := await library.highlights()) < count:
                await feed.take()
    return {highlight.id for highlight in highlights}


def on_the_relays_disk(folder: Path, room: str) -> set[str]:
    """The ids of the highlights in the relay's own database, read beside it."""
    doc: Doc[Any] = Doc()
    rows = "SELECT data FROM snapshots WHERE room = :room UNION ALL SELECT data FROM updates WHERE room = :room"
    with closing(sqlite3.connect(folder / "relay.sqlite3")) as database:
        for (update,) in database.execute(rows, {"room": room}):
            doc.apply_update(update)
    return set(doc.get("highlights", type=Map).to_py() or {})


def fates(seed: int, *bad: Fate, share: float) -> Callable[[], Fate]:
    """With this probability a request meets the next of `bad`; the seed fixes which."""
    random, turns = Random(seed), cycle(bad)
    return lambda: next(turns) if random.random() < share else Fate.PASS


async def exchange(a: Library, b: Library, each: int) -> set[str]:
    """Both devices make highlights, in turns; return all ids once they are everywhere and confirmed."""
    made = set()
    for _ in range(each):
        made.add(await a.add_highlight(VERSE))
        made.add(await b.add_highlight(VERSE))
    assert await seen(a, len(made)) == await seen(b, len(made)) == made
    assert await a.synced(60)
    assert await b.synced(60)
    return made


@pytest.mark.parametrize(
    ("upgrade", "status"),
    [(Upgrade.REFUSE, 403), (Upgrade.REFUSE, 200), (Upgrade.REFUSE, 502), (Upgrade.STRIP, 0)],
    ids=["403", "200", "502", "strips Upgrade"],
)
async def test_where_upgrades_are_refused_a_device_polls_and_is_told_the_truth(
    relay: RelayProcess, folder: Path, tmp_path: Path, room: str, upgrade: Upgrade, status: int
) -> None:
    with Proxy(relay.port, upgrade=upgrade, status=status) as network:
        async with (
            open_library(tmp_path / "a", relay=network.url, room=room) as a,
            open_library(tmp_path / "b", relay=relay.url, room=room) as b,
        ):
            await polls(a)
            made = await exchange(a, b, 5)
            assert on_the_relays_disk(folder, room) == made
            assert (a.status.transport, b.status.transport) == ("polling", "websocket")
            assert (a.status.pending, a.status.confirms_storage, a.status.last_error) == (0, True, None)


async def test_where_upgrades_hang_a_device_polls(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    with Proxy(relay.port, upgrade=Upgrade.HANG) as network:
        async with (
            httpx.AsyncClient(timeout=0.5) as hasty,
            open_library(tmp_path / "a", relay=network.url, room=room, client=hasty) as a,
        ):
            await polls(a)
            await a.add_highlight(VERSE)
            assert await a.synced(20)


@ON_ASYNCIO_ALONE
async def test_where_websockets_are_cut_again_and_again_a_device_polls(
    relay: RelayProcess, folder: Path, tmp_path: Path, room: str
) -> None:
    with Proxy(relay.port, cut_after_s=0.7) as network:
        async with (
            open_library(tmp_path / "a", relay=network.url, room=room, random=Random(1)) as a,
            open_library(tmp_path / "b", relay=relay.url, room=room) as b,
        ):
            await status_where(a, lambda status: status.transport == "polling")
            made = await exchange(a, b, 30)
            assert on_the_relays_disk(folder, room) == made
            assert network.upgrades >= fallback.CUTS


@ON_ASYNCIO_ALONE
async def test_a_library_larger_than_any_connection_carries_gets_through_in_pieces(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room=room) as a:
        for _ in range(3):
            await a.add_note("x" * 1_000_000)
        assert await a.synced(30)
    lossy = fates(5, Fate.CUT_RESPONSE, share=0.3)
    with Proxy(relay.port, upgrade=Upgrade.REFUSE, fate=lossy) as network:
        async with open_library(tmp_path / "b", relay=network.url, room=room) as b:
            assert await b.synced(60)
            assert len(await b.notes()) == 3
            await b.add_note("y" * 2_000_000)
            assert await b.synced(60)
        assert network.fates[Fate.CUT_RESPONSE] > 2
    async with open_library(tmp_path / "a", relay=relay.url, room=room) as a:
        assert await a.synced(30)
        assert len(await a.notes()) == 4


@ON_ASYNCIO_ALONE
async def test_over_300_ms_and_5_percent_loss_everything_arrives_once(
    relay: RelayProcess, folder: Path, tmp_path: Path, room: str
) -> None:
    lossy = fates(7, Fate.LOSE_REQUEST, Fate.LOSE_RESPONSE, Fate.CUT_RESPONSE, share=0.05)
    with Proxy(relay.port, upgrade=Upgrade.REFUSE, fate=lossy, round_trip_s=0.3) as network:
        async with (
            open_library(tmp_path / "a", relay=network.url, room=room) as a,
            open_library(tmp_path / "b", relay=network.url, room=room) as b,
        ):
            await polls(a)
            await polls(b)
            made = await exchange(a, b, 40)
            assert on_the_relays_disk(folder, room) == made


async def test_repeated_late_and_lost_polls_lose_nothing_and_apply_nothing_twice(
    relay: RelayProcess, folder: Path, tmp_path: Path, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll_requests, "ANSWER_WITHIN_S", 0.5)
    monkeypatch.setattr(polling, "MAX_WAIT_S", 0.5)
    unruly = fates(11, *(fate for fate in Fate if fate is not Fate.PASS), share=0.4)
    with Proxy(relay.port, upgrade=Upgrade.REFUSE, fate=unruly, late_s=0.3) as network:
        async with (
            open_library(tmp_path / "a", relay=network.url, room=room) as a,
            open_library(tmp_path / "b", relay=relay.url, room=room) as b,
        ):
            await polls(a)
            made = set()
            for number in range(30):
                made.add(await a.add_highlight(VERSE))
                made.add(await b.add_highlight(VERSE))
                if number % 10 == 9:
                    assert await a.synced(60)
                    ours = {highlight.id for highlight in await a.highlights()}
                    assert ours <= on_the_relays_disk(folder, room)  # "saved" is saved
            assert await seen(a, len(made)) == await seen(b, len(made)) == made
        assert all(network.fates[fate] for fate in Fate), network.fates
    assert len(on_the_relays_disk(folder, room)) == len(made)


@ON_ASYNCIO_ALONE
async def test_kill_9_of_the_relay_while_devices_poll_loses_nothing_acknowledged(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay, Proxy(relay.port, upgrade=Upgrade.REFUSE) as network:
        async with (
            open_library(tmp_path / "a", relay=network.url, room="r") as a,
            open_library(tmp_path / "b", relay=network.url, room="r") as b,
        ):
            made: set[str] = set()
            for _ in range(3):
                await polls(a)
                for _ in range(10):
                    made.add(await a.add_highlight(VERSE))
                    made.add(await b.add_highlight(VERSE))
                assert await a.synced(30)
                acknowledged = {highlight.id for highlight in await a.highlights()}
                made.add(await a.add_highlight(VERSE))
                relay.kill()
                assert acknowledged <= on_the_relays_disk(tmp_path / "relay", "r")
                made.add(await a.add_highlight(VERSE))
                relay.start()
                a.reconnect()
                b.reconnect()
            assert await a.synced(60)
            assert await b.synced(60)
            assert await seen(a, len(made)) == await seen(b, len(made)) == made
        assert on_the_relays_disk(tmp_path / "relay", "r") == made


@ON_ASYNCIO_ALONE
async def test_a_relay_that_is_gone_is_noticed_and_one_that_comes_back_is_found(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        async with open_library(tmp_path / "a", relay=relay.url, room="r", transport="polling") as a:
            await polls(a)
            relay.kill()
            status = await status_where(a, lambda status: status.state is State.WAITING)
            assert status.last_error
            await a.add_highlight(VERSE)
            assert a.status.pending == 1
            relay.start()
            a.reconnect()
            assert await a.synced(30)


@ON_ASYNCIO_ALONE
async def test_a_network_that_swallows_every_answer_is_noticed(
    relay: RelayProcess, folder: Path, tmp_path: Path, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll_requests, "ANSWER_WITHIN_S", 0.2)
    monkeypatch.setattr(polling, "MAX_WAIT_S", 0.2)
    monkeypatch.setattr(polling, "LOST_AFTER_S", 1.0)
    with Proxy(relay.port) as network:
        async with open_library(tmp_path / "a", relay=network.url, room=room, transport="polling") as a:
            await polls(a)
            network.fate = lambda: Fate.SILENCE
            item_id = await a.add_highlight(VERSE)
            status = await status_where(a, lambda status: status.state is State.WAITING)
            assert status.last_error == "the relay did not answer in time"
            assert status.pending or item_id in on_the_relays_disk(folder, room)  # a poll may have got through before
            network.fate = lambda: Fate.PASS
            assert await a.synced(30)


async def test_presence_comes_and_goes_over_polling(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    with Proxy(relay.port, upgrade=Upgrade.REFUSE) as network:
        async with open_library(tmp_path / "a", relay=relay.url, room=room) as a:
            changed = anyio.Event()

            def listen(_: object) -> None:
                nonlocal changed
                changed.set()
                changed = anyio.Event()

            async def others(wanted: dict[int, object]) -> None:
                with anyio.fail_after(15):
                    while a.presence.others() != wanted:
                        await changed.wait()

            a.presence.listen(listen)
            assert await a.synced(10)
            a.presence.set({"name": "Ada"})
            async with open_library(tmp_path / "b", relay=network.url, room=room) as b:
                await polls(b)
                b.presence.set({"name": "Zoë 🙂"})
                await others({b.presence.client_id: {"name": "Zoë 🙂"}})
                assert b.presence.others() == {a.presence.client_id: {"name": "Ada"}}
            await others({})  # at once, by the goodbye


async def test_a_stock_yjs_client_and_a_polling_device_share_one_library(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    with Proxy(relay.port, upgrade=Upgrade.REFUSE) as network, stock_clients() as node:
        async with open_library(tmp_path / "a", relay=network.url, room=room) as a:
            await polls(a)
            node.open("y", relay.url, room)
            item_id = await a.add_highlight(VERSE, tags=["x"])
            assert await a.synced(10)
            node.until("y", highlights={item_id: {"anchor": VERSE.to_json()}}, fields={f"{item_id}/color": "yellow"})
            node.set("y", {"theirs": {"anchor": {"source": "Gen.1.2"}, "createdAt": 1}}, root="highlights")
            node.set("y", {"theirs/color": "red"}, root="fields")
            assert await seen(a, 2) == {item_id, "theirs"}


async def test_when_websockets_work_again_a_device_moves_over_and_loses_nothing(
    relay: RelayProcess, folder: Path, tmp_path: Path, room: str
) -> None:
    with Proxy(relay.port, upgrade=Upgrade.REFUSE) as network:
        async with (
            open_library(tmp_path / "a", relay=network.url, room=room) as a,
            open_library(tmp_path / "b", relay=relay.url, room=room) as b,
        ):
            await polls(a)
            states: list[State] = []
            made: set[str] = set()
            over = anyio.Event()

            async def watch() -> None:
                async for status in a.status_changes():
                    states.append(status.state)
                    if status.transport == "websocket" and status.state is State.CONNECTED:
                        over.set()
                        return

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                network.upgrade = Upgrade.PASS
                a.reconnect()
                with anyio.fail_after(30):
                    while not over.is_set():
                        made.add(await a.add_highlight(VERSE))
                        made.add(await b.add_highlight(VERSE))
            assert State.WAITING not in states
            assert await seen(a, len(made)) == await seen(b, len(made)) == made
            assert await a.synced(30)
            assert on_the_relays_disk(folder, room) >= made


async def test_presence_moves_over_with_the_device(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    with Proxy(relay.port, upgrade=Upgrade.REFUSE) as network:
        async with (
            open_library(tmp_path / "a", relay=network.url, room=room) as a,
            open_library(tmp_path / "b", relay=relay.url, room=room) as b,
        ):
            await polls(a)
            a.presence.set({"page": 1})
            network.upgrade = Upgrade.PASS
            a.reconnect()
            await status_where(a, lambda status: status.transport == "websocket" and status.state is State.CONNECTED)
            turned = anyio.Event()
            b.presence.listen(lambda change: turned.set() if change.state == {"page": 2} else None)
            a.presence.set({"page": 2})
            with anyio.fail_after(10):  # the old session would stand in its way for 30 s
                await turned.wait()


async def test_a_transport_that_is_none_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidEdit, match="polling"):
        async with open_library(tmp_path / "a", relay="ws://x", room="r", transport="pigeon"):  # type: ignore[arg-type]
            raise AssertionError("it must not open")


@ON_ASYNCIO_ALONE
async def test_a_polling_device_tries_websockets_by_itself(
    relay: RelayProcess, tmp_path: Path, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fallback, "PROBE_FIRST_S", 0.2)
    with Proxy(relay.port, upgrade=Upgrade.REFUSE) as network:
        async with open_library(tmp_path / "a", relay=network.url, room=room) as a:
            await polls(a)
            assert await anyio.to_thread.run_sync(network.wait_for_upgrades, 3)
            assert a.status.transport == "polling"
            network.upgrade = Upgrade.PASS
            await status_where(a, lambda status: status.transport == "websocket" and status.state is State.CONNECTED)


async def test_a_refusal_by_the_relay_is_no_reason_to_poll(relay: RelayProcess, tmp_path: Path) -> None:
    with Proxy(relay.port) as network:
        async with open_library(tmp_path / "a", relay=network.url, room="a//b") as a:
            status = await status_where(a, lambda status: status.state is State.STOPPED)
            assert "room name" in str(status.last_error)
        assert network.fates.total() == 0  # no plain request was made


async def test_a_refusal_of_a_poll_stops_and_says_why(relay: RelayProcess, tmp_path: Path) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room="a//b", transport="polling") as a:
        status = await status_where(a, lambda status: status.state is State.STOPPED)
        assert "room name" in str(status.last_error)


async def test_a_403_where_there_is_no_relay_to_poll_either_stops(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    with Proxy(relay.port, upgrade=Upgrade.REFUSE) as network:
        async with open_library(tmp_path / "a", relay=f"{network.url}/no/relay/here", room=room) as a:
            status = await status_where(a, lambda status: status.state is State.STOPPED)
            assert "403" in str(status.last_error)


@ON_ASYNCIO_ALONE
async def test_a_device_that_leaves_ends_its_session_at_once(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay", "--max-poll-sessions", "1") as relay:
        for name in ("a", "b"):
            async with open_library(tmp_path / name, relay=relay.url, room="r", transport="polling") as library:
                await library.add_highlight(VERSE)
                assert await library.synced(15)  # well below the 30 s after which a session ends by itself


async def test_leaving_waits_for_the_relays_word_over_polling(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room=room, transport="polling") as a:
        assert await a.synced(10)
        for _ in range(30):
            await a.add_highlight(VERSE)
    async with open_library(tmp_path / "a") as a:
        assert a.status.pending == 0

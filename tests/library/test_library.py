"""Real libraries over real sockets and a relay in a process of its own, on asyncio and trio."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from crdt_sync import Anchor, ChangeKind, Library, State, Status, open_library
from crdt_sync.errors import BoundElsewhere, InvalidEdit, NotFound
from crdt_sync.sync.presence import PresenceChange, PresenceKind
from tests.interop.node import INTEROP, stock_clients
from tests.relay import RelayProcess

pytestmark = pytest.mark.anyio
VERSE = Anchor.verse("Gen.1.1", work="KJV", quote="In the beginning")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return f"library/{request.node.name}"


async def status_where(library: Library, wanted: Any) -> Status:
    with anyio.fail_after(15):
        async for status in library.status_changes():
            if wanted(status):
                return status
    raise AssertionError


async def seen(library: Library, count: int) -> set[str]:
    """Wait, bounded, until the library holds `count` highlights, and return their ids."""
    with anyio.fail_after(15):
        async with library.changes() as feed:
            while len(highlights := await library.highlights()) < count:
                await feed.take()
    return {highlight.id for highlight in highlights}


async def test_a_highlight_made_on_one_device_is_on_the_other(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    async with (
        open_library(tmp_path / "a", relay=relay.url, room=room, author="ada") as a,
        open_library(tmp_path / "b", relay=relay.url, room=room) as b,
        b.changes() as feed,
    ):
        item_id = await a.add_highlight(VERSE, color="green", tags=["creation"])
        with anyio.fail_after(5):
            (change,) = await feed.take()
        assert (change.item_id, change.kind, change.here) == (item_id, ChangeKind.ADDED, False)
        assert await b.highlight(item_id) == await a.highlight(item_id)
        assert await a.synced(5)
        status = a.status
        assert (status.state, status.pending, status.confirms_storage) == (State.CONNECTED, 0, True)
        assert status.transport == "websocket"
        assert status.durable_at_ms


async def test_it_works_with_no_relay_at_all(tmp_path: Path) -> None:
    async with open_library(tmp_path / "a") as library:
        item_id = await library.add_highlight(VERSE)
        note_id = await library.add_note("one\ntwo", highlight_id=item_id)
        await library.append_to_note(note_id, "three")
        assert (await library.notes(highlight_id=item_id))[0].text == "one\ntwo\nthree"
        assert [hit.item_id for hit in (await library.search("begin")).hits] == [item_id]
        assert library.status.state is State.OFFLINE
        assert library.status.pending == 3
        assert not await library.synced(1)
        with pytest.raises(NotFound):  # as it was raised, not in a group
            await library.delete("nobody")
        await library.verify()


async def test_what_both_sides_did_offline_merges_when_they_meet(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room=room) as a:
        shared = await a.add_highlight(VERSE)
        assert await a.synced(5)
        async with open_library(tmp_path / "b", relay=relay.url, room=room) as b:
            await seen(b, 1)
    async with open_library(tmp_path / "a") as a, open_library(tmp_path / "b") as b:
        await a.add_highlight(VERSE)
        await b.add_highlight(VERSE)
        await a.delete(shared)
        note_id = await b.add_note("written meanwhile", highlight_id=shared)
    async with (
        open_library(tmp_path / "a", relay=relay.url, room=room) as a,
        open_library(tmp_path / "b", relay=relay.url, room=room) as b,
    ):
        assert await seen(a, 2) == await seen(b, 2)
        assert await a.synced(5)
        assert await b.synced(5)
        (trashed,) = await b.highlights(trashed=True)
        assert trashed.id == shared
        assert await a.note(note_id) == await b.note(note_id)
        await a.restore(shared)
        assert shared in await seen(b, 3)


async def test_presence_comes_and_goes(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room=room) as a:
        told: list[PresenceChange] = []
        news = anyio.Event()

        def listen(change: PresenceChange) -> None:
            nonlocal news
            told.append(change)
            news.set()

        async def next_news(count: int) -> None:
            nonlocal news
            with anyio.fail_after(10):
                while len(told) < count:
                    await news.wait()
                    news = anyio.Event()

        a.presence.listen(listen)
        assert await a.synced(5)
        async with open_library(tmp_path / "b", relay=relay.url, room=room) as b:
            b.presence.set({"name": "Zoë 🙂"})
            await next_news(1)
            assert a.presence.others() == {b.presence.client_id: {"name": "Zoë 🙂"}}
            b.presence.set({"name": "Zoë", "at": "Gen.1.1"})
            await next_news(2)
        await next_news(3)
        assert [change.kind for change in told] == [PresenceKind.JOINED, PresenceKind.UPDATED, PresenceKind.LEFT]
        assert a.presence.others() == {}
        with pytest.raises(InvalidEdit):
            a.presence.set({"x": object()})


async def test_kill_9_of_the_relay_in_bursts_loses_nothing_acknowledged(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        made: set[str] = set()
        acknowledged: set[str] = set()
        async with (
            open_library(tmp_path / "a", relay=relay.url, room="r", durability="normal") as a,
            open_library(tmp_path / "b", relay=relay.url, room="r", durability="normal") as b,
        ):
            for round_ in range(5):
                assert await a.synced(20)
                for _ in range(10 + 7 * round_):
                    made.add(await a.add_highlight(VERSE))
                    made.add(await b.add_highlight(VERSE))
                    if not a.status.pending and not b.status.pending:
                        acknowledged = set(made)
                relay.kill()
                made.add(await a.add_highlight(VERSE))
                relay.start()
                a.reconnect()
                b.reconnect()
            assert await a.synced(20)
            assert await b.synced(20)
            assert await seen(a, len(made)) == await seen(b, len(made)) == made
        relay.kill()
        relay.start()
        async with open_library(tmp_path / "c", relay=relay.url, room="r") as c:
            assert await seen(c, len(made)) == made >= acknowledged


async def test_leaving_waits_for_the_relays_word(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room=room) as a:
        assert await a.synced(5)
        for _ in range(30):
            await a.add_highlight(VERSE)
    async with open_library(tmp_path / "a") as a:
        assert a.status.pending == 0


async def test_leaving_before_the_connection_stands_waits_for_the_relays_word_too(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room=room) as a:
        await a.add_highlight(VERSE)
    async with open_library(tmp_path / "a") as a:
        assert a.status.pending == 0


async def test_leaving_a_relay_that_never_answers_takes_no_longer_than_was_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, anyio.fail_after(10):
        async with open_library(
            tmp_path / "a", relay=f"ws://127.0.0.1:{deaf.getsockname()[1]}", room="r", close_within_s=0.1
        ) as a:
            await a.add_highlight(VERSE)
    async with open_library(tmp_path / "a") as a:
        assert a.status.pending == 1


async def test_leaving_without_a_relay_is_quick(tmp_path: Path) -> None:
    with anyio.fail_after(5):
        async with open_library(tmp_path / "a", relay="ws://127.0.0.1:1", room="r") as a:
            await a.add_highlight(VERSE)
            status = await status_where(a, lambda status: status.state is State.WAITING)
            assert status.last_error
            assert status.pending == 1


async def test_a_file_belongs_to_its_first_relay_room_and_account(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room=room, subject="ada") as a:
        assert await a.synced(5)
    with pytest.raises(BoundElsewhere, match="ada"):
        async with open_library(tmp_path / "a", relay=relay.url, room=room, subject="bob"):
            raise AssertionError("it must not open")


@pytest.mark.parametrize(("relay_url", "room_name"), [("ftp://x", "r"), ("relay", "r"), ("ws://x", None)])
async def test_a_relay_that_is_none_is_said_at_once(tmp_path: Path, relay_url: str, room_name: str | None) -> None:
    with pytest.raises(InvalidEdit):
        async with open_library(tmp_path / "a", relay=relay_url, room=room_name):
            raise AssertionError("it must not open")


async def test_a_refusal_for_good_stops_and_says_why(relay: RelayProcess, tmp_path: Path) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room="a//b") as a:
        status = await status_where(a, lambda status: status.state is State.STOPPED)
        assert "room name" in str(status.last_error)
        await a.add_highlight(VERSE)  # the library itself goes on


async def test_an_error_of_the_block_comes_out_as_it_was_raised(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    with pytest.raises(KeyError):
        async with open_library(tmp_path / "a", relay=relay.url, room=room):
            raise KeyError("mine")


@pytest.mark.parametrize(
    "command",
    [(sys.executable, str(INTEROP / "pycrdt_server.py")), ("node", str(INTEROP / "y_websocket_2.mjs"))],
    ids=["pycrdt-websocket", "y-websocket 2"],
)
async def test_with_a_peer_that_never_confirms_the_status_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    peer = RelayProcess(tmp_path / "none", command=command)
    peer.start()
    try:
        async with (
            open_library(tmp_path / "a", relay=peer.url, room="room") as a,
            open_library(tmp_path / "b", relay=peer.url, room="room") as b,
        ):
            mine, theirs = await a.add_highlight(VERSE), await b.add_highlight(VERSE)
            assert await seen(a, 2) == await seen(b, 2) == {mine, theirs}
            status = await status_where(a, lambda status: status.confirms_storage is False)
            assert (status.state, status.pending) == (State.CONNECTED, 1)
            with anyio.fail_after(10):
                assert not await a.synced(60)  # no use waiting for a word that never comes
    finally:
        peer.kill()


async def test_a_stock_yjs_client_and_a_device_share_one_library(
    relay: RelayProcess, tmp_path: Path, room: str, anyio_backend: str
) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room=room) as a:
        with stock_clients() as node:
            node.open("y", relay.url, room)
            item_id = await a.add_highlight(VERSE, tags=["x"])
            assert await a.synced(5)
            node.until("y", highlights={item_id: {"anchor": VERSE.to_json()}}, fields={f"{item_id}/color": "yellow"})
            node.set("y", {"theirs": {"anchor": {"source": "Gen.1.2"}, "createdAt": 1}}, root="highlights")
            node.set("y", {f"{item_id}/color": "blue", "theirs/color": "red"}, root="fields")
            assert await seen(a, 2) == {item_id, "theirs"}
            async with a.changes() as feed:
                with anyio.fail_after(5):
                    while (await a.highlight(item_id)).color != "blue":  # type: ignore[union-attr]
                        await feed.take()

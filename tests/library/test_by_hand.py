"""Edits carried by hand, backups restored, and a repair that a relay completes: with a real relay."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from crdt_sync import Anchor, Library, State, open_library
from crdt_sync.errors import BoundElsewhere, GapError, LibraryError, ReadOnlyFile, UnreadableExport
from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.upkeep import repair, wipe
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
    return f"by-hand/{request.node.name}"


async def ids(library: Library) -> set[str]:
    return {each.id for each in await library.highlights()}


def files_of(library: Path) -> list[Path]:
    return list(library.parent.glob(f"{library.name}*"))


async def until(library: Library, count: int) -> None:
    with anyio.fail_after(20):
        async with library.changes() as feed:
            while len(await library.highlights()) < count:
                await feed.take()


async def test_two_devices_without_a_network_meet_over_a_stick_and_one_brings_both_to_the_relay(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    async with open_library(tmp_path / "a") as a, open_library(tmp_path / "b") as b:
        first = await a.add_highlight(VERSE)
        second = await b.add_highlight(VERSE)
        assert await b.apply_updates(await a.export_updates())
        back = await b.export_updates(since=await a.state_vector())
        assert len(back) < len(await b.export_updates())  # only what the other lacks
        assert await a.apply_updates(back)
        assert not await a.apply_updates(back)
        assert await ids(a) == await ids(b) == {first, second}
        assert (a.status.pending, b.status.pending) == (2, 2)  # its own edit, and what the stick brought
        third = await a.add_highlight(VERSE)
        missing = await a.export_updates(since=await a.state_vector())
        with pytest.raises(GapError):  # it holds nothing, and it goes on from what b lacks
            await b.apply_updates(missing)
        stick = await a.export_updates(since=await b.state_vector())
        await b.apply_updates(stick)
        assert set(await b.unsaved()) == {first, second, third}
    async with (
        open_library(tmp_path / "b", relay=relay.url, room=room) as b,
        open_library(tmp_path / "c", relay=relay.url, room=room) as c,
    ):
        assert await b.synced(20)
        assert (b.status.pending, await b.unsaved()) == (0, [])
        await until(c, 3)
        assert await ids(c) == {first, second, third}  # what a brought by stick is on the relay, through b
        await b.apply_updates(await c.export_updates())
        assert b.status.pending == 0  # nothing new: nothing to confirm


async def test_an_export_that_goes_on_from_what_is_not_here_says_which_one_is_needed(tmp_path: Path) -> None:
    async with open_library(tmp_path / "a") as a, open_library(tmp_path / "b") as b:
        await a.add_highlight(VERSE)
        vector = await a.state_vector()
        await a.add_highlight(VERSE)
        mine = await b.add_highlight(VERSE)
        with pytest.raises(GapError, match="state-vector"):
            await b.apply_updates(await a.export_updates(since=vector))
        assert (await ids(b), b.status.pending) == ({mine}, 1)
        with pytest.raises(UnreadableExport):
            await b.apply_updates(b"nonsense")
        await b.apply_updates(await a.export_updates())
        await b.verify()
        assert len(await ids(b)) == 3


async def test_a_stick_does_not_merge_two_accounts(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    async with open_library(tmp_path / "ada", relay=relay.url, room=room, subject="ada") as ada:
        await ada.add_highlight(VERSE)
        assert await ada.synced(20)
        export = await ada.export_updates()
    async with open_library(tmp_path / "bob", relay=relay.url, room=f"{room}/bob", subject="bob") as bob:
        assert await bob.synced(20)
        with pytest.raises(BoundElsewhere, match="ada"):
            await bob.apply_updates(export)
        assert await ids(bob) == set()
    async with open_library(tmp_path / "early", relay="ws://127.0.0.1:1", room="bob") as early:
        with pytest.raises(BoundElsewhere):  # it is not bound yet, and on its way to another room
            await early.apply_updates(export)
    async with open_library(tmp_path / "new") as new:
        await new.apply_updates(export)
        assert str((await new.devices()).binding).endswith("as ada")
    with pytest.raises(BoundElsewhere, match="sign-out"):
        async with open_library(tmp_path / "new", relay=relay.url, room=f"{room}/bob", subject="bob"):
            raise AssertionError("it must not open")


async def test_who_syncs_while_another_process_signs_out_stops_and_merges_nothing(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    async with (
        open_library(tmp_path / "a", relay=relay.url, room=room) as syncing,
        open_library(tmp_path / "friend", relay=relay.url, room=room) as friend,
    ):
        await syncing.add_highlight(VERSE)
        assert await syncing.synced(20)
        async with open_library(tmp_path / "a") as a:
            await a.sign_out()
            mine = await a.add_highlight(VERSE)  # of whoever signs in next
        theirs = await friend.add_highlight(VERSE)
        assert await friend.synced(20)
        with anyio.fail_after(20):
            async for status in syncing.status_changes():
                if status.state is State.STOPPED and status.pending == 2:
                    break
        assert "signed out" in (status.last_error or "")
        assert mine not in await ids(friend)
        assert theirs not in await ids(syncing)
        assert (await syncing.devices()).binding is None
    async with open_library(tmp_path / "a", relay=relay.url, room=f"{room}/next") as a:
        assert await a.synced(20)
        assert len(await ids(a)) == 2


async def test_signing_out_keeps_the_library_and_makes_all_of_it_new_to_the_next_relay(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    async with open_library(tmp_path / "a", relay=relay.url, room=room) as a:
        item_id = await a.add_highlight(VERSE)
        assert await a.synced(20)
        with pytest.raises(LibraryError, match="without a relay"):
            await a.sign_out()
    async with open_library(tmp_path / "a") as a:
        assert a.status.pending == 0
        await a.sign_out()
        assert (a.status.pending, await a.unsaved()) == (1, [item_id])
    async with open_library(tmp_path / "a", relay=relay.url, room=f"{room}/next") as a:
        assert await a.synced(20)
        assert str((await a.devices()).binding).startswith(f"room '{room}/next'")
    wipe(tmp_path / "a")
    assert files_of(tmp_path / "a") == []


async def test_an_older_backup_restored_and_edited_gets_all_back_and_both_sides_agree(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    path, backup = tmp_path / "a", tmp_path / "backup"
    async with open_library(path, relay=relay.url, room=room) as a:
        early = await a.add_highlight(VERSE)
        assert await a.synced(20)
    shutil.copyfile(path, backup)
    async with open_library(path, relay=relay.url, room=room) as a:
        late = await a.add_highlight(VERSE)
        note = await a.add_note("one", highlight_id=late)
        await a.append_to_note(note, "two")
        await a.delete(early)
        assert await a.synced(20)
    for each in files_of(path):
        each.unlink()
    shutil.copyfile(backup, path)
    async with open_library(path) as a:
        again = await a.add_highlight(VERSE)
        assert (a.status.pending, await a.unsaved()) == (1, [again])  # what the relay confirmed of the backup stands
    async with (
        open_library(path, relay=relay.url, room=room) as a,
        open_library(tmp_path / "b", relay=relay.url, room=room) as b,
    ):
        await until(a, 2)
        assert await a.synced(20)
        await until(b, 2)
        assert await ids(a) == await ids(b) == {late, again}
        assert (await a.notes())[0].text == "one\ntwo"
        assert decode_state_vector(await a.state_vector()) == decode_state_vector(await b.state_vector())
        await a.verify()


async def test_a_repaired_library_is_completed_by_its_relay(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    path = tmp_path / "a"
    async with open_library(path, relay=relay.url, room=room) as a:
        for _ in range(3):
            await a.add_highlight(VERSE)
        assert await a.synced(20)
        await a.compact()
        known = await ids(a)
    async with open_library(path) as a:
        never_synced = await a.add_note("only here")
        await a.append_to_note(never_synced, "and this")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM snapshots")
    done = repair(path, tmp_path / "new")
    assert done.binding is not None
    async with (
        open_library(tmp_path / "new", relay=relay.url, room=room) as new,
        open_library(tmp_path / "b", relay=relay.url, room=room) as b,
    ):
        await until(new, 3)
        assert await new.synced(20)
        assert await ids(new) == known
        with anyio.fail_after(20):
            async with b.changes() as feed:
                while not await b.notes():
                    await feed.take()
        assert (await b.note(never_synced)).text == "only here\nand this"  # type: ignore[union-attr]
        assert await new.rescued() == []  # the relay had it all
        await new.verify()


async def test_a_file_that_may_not_be_written_does_not_open_with_a_relay(
    relay: RelayProcess, tmp_path: Path, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_library(tmp_path / "a") as a:
        await a.add_highlight(VERSE)
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everything
    async with open_library(tmp_path / "a") as a:
        assert len(await ids(a)) == 1
        with pytest.raises(ReadOnlyFile, match="permissions"):
            await a.add_highlight(VERSE)
        await a.verify()
    with pytest.raises(ReadOnlyFile):
        async with open_library(tmp_path / "a", relay=relay.url, room=room):
            raise AssertionError("it must not open")

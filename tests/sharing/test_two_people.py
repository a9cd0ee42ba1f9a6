"""Ada and Ben, from the making of a group to the day on which Ben is taken out of it, over a real relay."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crdt_sync import Anchor, State, open_library
from crdt_sync.sharing import Role, Shared, copy_into_group, open_groups
from tests.relay import RelayProcess
from tests.server.api.tokens import token, token_relay
from tests.sharing.people import WAIT_S, group_of, groups_of, highlights_of, library_of, status_where

pytestmark = pytest.mark.anyio
PRIVATE = "what-Ada-tells-nobody"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RelayProcess]:
    (tmp_path / "relay").mkdir()
    with token_relay(tmp_path / "relay") as relay:
        yield relay


async def fill(path: Path, source: str, color: str) -> str:
    """Make an own library with a highlight and much that is private; return the highlight's id."""
    async with open_library(path) as own:
        verse = Anchor.verse(source, work="Bible.KJV", quote=f"the words of {source}")
        highlight = await own.add_highlight(verse, color=color, tags=[PRIVATE], comment=PRIVATE)
        await own.add_note(PRIVATE, title=PRIVATE, highlight_id=highlight)
        return highlight


def bytes_under(folder: Path, start: str) -> bytes:
    """Return all bytes of the files under `folder` whose names start like this."""
    return b"".join(each.read_bytes() for each in sorted(folder.rglob(f"{start}*")) if each.is_file())


async def test_two_people_share_what_they_marked_and_nothing_else(relay: RelayProcess, tmp_path: Path) -> None:
    adas, bens = (
        await fill(tmp_path / "own-ada", "Gen.1.1", "green"),
        await fill(tmp_path / "own-ben", "Gen.1.1", "blue"),
    )
    room = await group_of(relay, "ada", "ben")
    async with (
        library_of(relay, "ada", tmp_path / "circle-ada", room) as ada,
        library_of(relay, "ben", tmp_path / "circle-ben", room) as ben,
        open_library(tmp_path / "own-ada") as own_ada,
        open_library(tmp_path / "own-ben") as own_ben,
    ):
        copied = await copy_into_group(own_ada, ada, [adas])
        await copy_into_group(own_ben, ben, work="Bible.KJV")
        assert await ada.synced(WAIT_S)
        assert await ben.synced(WAIT_S)
        seen = await highlights_of(ada, 2)
        assert await highlights_of(ben, 2) == seen
        assert seen[copied.made[0]] == "green"
        shared = {each.shared: each.created_by for each in await ben.highlights()}
        assert shared == {Shared(adas, "ada"): "Ada", Shared(bens, "ben"): "Ben"}
        await own_ada.purge(adas)  # what becomes of the source is nothing to the copy
        assert await highlights_of(ada, 2) == seen
    assert relay.terminate() == 0  # all that was ever sent is in its files now
    for folder, start in ((tmp_path, "circle-"), (tmp_path / "relay" / "data", "")):
        data = bytes_under(folder, start)
        assert PRIVATE.encode() not in data
        assert b"the words of Gen.1.1" in data, "or the test would look for nothing"
    assert PRIVATE.encode() in bytes_under(tmp_path, "own-ada")
    relay.start()


async def test_a_reader_is_told_that_an_edit_is_refused_and_keeps_it(relay: RelayProcess, tmp_path: Path) -> None:
    room = await group_of(relay, "ada", "ben")
    verse = Anchor.verse("Gen.1.2", work="Bible.KJV", quote="and void")
    async with (
        groups_of(relay, "ada") as groups,
        library_of(relay, "ada", tmp_path / "circle-ada", room) as ada,
    ):
        async with library_of(relay, "ben", tmp_path / "circle-ben", room) as ben:
            ben.close_within_s = 0
            assert await ben.synced(WAIT_S)
            await groups.set_role(room, "ben", Role.READER)
            kept = await ben.add_highlight(verse)
            status = await status_where(ben, lambda status: status.state is State.STOPPED)
            assert "read-only" in (status.last_error or "")
            assert status.pending == 1, "it is never called saved"
            assert not await ben.synced(0.1)
            assert await ben.highlight(kept) is not None
        assert await ada.highlights() == []
        async with library_of(relay, "ben", tmp_path / "circle-ben", room) as ben:  # a reader reads on
            ben.close_within_s = 0
            seen = await ada.add_highlight(verse)
            assert {*await highlights_of(ben, 2)} == {kept, seen}
            status = await status_where(ben, lambda status: status.last_error)
            assert (status.state, status.pending, "read-only" in status.last_error) == (State.CONNECTED, 1, True)
            assert not await ben.synced(WAIT_S), "which is said at once"
            await groups.set_role(room, "ben", Role.EDITOR)
            assert await status_where(ben, lambda status: not status.pending and status.last_error is None)
        assert {*await highlights_of(ada, 2)} == {kept, seen}
        await groups.set_role(room, "ben", Role.READER)
        async with library_of(relay, "ben", tmp_path / "circle-ben", room) as ben:
            assert await ben.synced(WAIT_S), "nothing is pending"
            assert ben.status.last_error is None


async def test_who_is_taken_out_is_told_and_loses_nothing_of_theirs(relay: RelayProcess, tmp_path: Path) -> None:
    room = await group_of(relay, "ada", "ben")
    own = await fill(tmp_path / "own-ben", "Gen.1.3", "yellow")
    verse = Anchor.verse("Gen.1.4", work="Bible.KJV", quote="the light")
    async with groups_of(relay, "ada") as groups, library_of(relay, "ada", tmp_path / "circle-ada", room) as ada:
        shared = await ada.add_highlight(verse)
        async with library_of(relay, "ben", tmp_path / "circle-ben", room) as ben:
            assert await ben.synced(WAIT_S)
            await highlights_of(ben, 1)
            await groups.remove(room, "ben")
            status = await status_where(ben, lambda status: status.state is State.STOPPED)
            assert "not open to you" in (status.last_error or "")
            unsent = await ben.add_highlight(verse, color="pink")
            assert ben.status.pending == 1
            assert {each.id for each in await ben.highlights()} == {shared, unsent}
        async with library_of(relay, "ben", tmp_path / "circle-ben", room) as ben:
            status = await status_where(ben, lambda status: status.state is State.STOPPED)
            assert {each.id for each in await ben.highlights()} == {shared, unsent}, "and it opens as before"
            exported = await ben.export_updates()
        assert [each.id for each in await ada.highlights()] == [shared]
    assert exported
    async with open_library(tmp_path / "own-ben") as library:
        assert await library.highlight(own) is not None
    with closing(sqlite3.connect(tmp_path / "circle-ben")) as file:
        assert file.execute("SELECT edits_made - edits_acknowledged FROM state").fetchone() == (1,)


async def test_who_comes_back_brings_what_was_left_unsent(relay: RelayProcess, tmp_path: Path) -> None:
    room = await group_of(relay, "ada", "ben")
    verse = Anchor.verse("Gen.1.5", work="Bible.KJV")
    async with groups_of(relay, "ada") as groups, library_of(relay, "ada", tmp_path / "circle-ada", room) as ada:
        await groups.remove(room, "ben")
        async with open_library(tmp_path / "circle-ben") as ben:
            unsent = await ben.add_highlight(verse)
        link = (await groups.invite(room)).link
        async with open_groups(relay.url, token=token("ben")) as bens:
            await bens.accept(link or "")
        async with library_of(relay, "ben", tmp_path / "circle-ben", room) as ben:
            assert await ben.synced(WAIT_S)
        assert [*await highlights_of(ada, 1)] == [unsent]

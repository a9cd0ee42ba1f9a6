"""Undo, the trash, versions and reading positions in open libraries: two devices, a real relay, asyncio and trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from crdt_sync import Anchor, Library, blocking, open_library
from crdt_sync.document import EditHighlight
from crdt_sync.errors import InvalidEdit
from crdt_sync.history import Steps, Undone
from crdt_sync.reading import JumpReason
from tests.relay import RelayProcess

Value = TypeVar("Value")

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


async def until(read: Callable[[], Awaitable[Value]], is_so: Callable[[Value], object]) -> None:
    """Wait, bounded, until what is read is so: no event tells of a place."""
    with anyio.fail_after(15):
        while not is_so(await read()):  # noqa: ASYNC110
            await anyio.sleep(0.02)


async def pending(library: Library, count: int) -> None:
    with anyio.fail_after(15):
        async for status in library.status_changes():
            if status.pending >= count:
                return


async def test_an_undo_reaches_the_other_device_and_leaves_its_changes(
    relay: RelayProcess, tmp_path: Path, room: str
) -> None:
    async with (
        open_library(tmp_path / "a", relay=relay.url, room=room) as a,
        open_library(tmp_path / "b", relay=relay.url, room=room) as b,
    ):
        mark = await a.add_highlight(VERSE)
        await a.edit(EditHighlight(mark, color="red", comment="mine", add_tags=("t",)))
        await until(lambda: b.highlights(tag="t"), len)
        await b.edit(EditHighlight(mark, color="green"))
        await until(lambda: a.highlights(color="green"), len)
        async with a.changes() as feed:
            assert await a.undo() == Undone((mark,), kept=(mark,))
            assert [change.item_id for change in await feed.take()] == [mark]
        assert await a.synced(15)
        await until(lambda: b.highlight(mark), lambda made: made is not None and not made.comment)
        made = await b.highlight(mark)
        assert made is not None
        assert (made.color, made.comment, made.tags) == ("green", "", ())
        assert await b.undo() == Undone((mark,))  # its own edit, and not what has come from the other
        assert (await b.highlight(mark)).color == "red"  # type: ignore[union-attr]
        assert await a.redo() is not None
        assert await a.redo() is None


async def test_places_go_from_device_to_device(relay: RelayProcess, tmp_path: Path, room: str) -> None:
    async with open_library(tmp_path / "b", relay=relay.url, room=room) as b:
        async with open_library(tmp_path / "a", relay=relay.url, room=room) as a:
            await a.reading.name_device("Phone")
            await a.reading.set_position("KJV", progression=0.1, source="Gen.1")
            await until(lambda: b.reading.positions("KJV"), len)  # the first goes at once
            await a.reading.set_position("KJV", progression=0.4, source="Exod.2")
        # the block of a has told the rest as it ended
        await until(lambda: b.reading.positions("KJV"), lambda found: found[0].anchor.progression == 0.4)
        jump = await b.reading.suggestion("KJV")
        assert jump is not None
        assert (jump.reason, jump.anchor.source, jump.position.device_name) == (JumpReason.LATER, "Exod.2", "Phone")
        await b.reading.decline(jump)
        assert await b.reading.suggestion("KJV") is None
        await b.reading.forget_devices(jump.position.device)
        assert await b.reading.positions("KJV") == []


async def test_a_place_that_moves_is_written_in_its_time_and_not_before(tmp_path: Path) -> None:
    async with open_library(tmp_path / "a") as library:
        library.reading.write_every_s = 0.3
        await library.reading.set_position("KJV", progression=0.1)
        await pending(library, 1)
        for step in range(5):
            await library.reading.set_position("KJV", progression=0.2 + step / 10)
        await pending(library, 2)
        assert library.status.pending == 2
    with pytest.raises(InvalidEdit):
        async with open_library(tmp_path / "b") as library:
            await library.reading.set_position("KJV")


async def test_bookmarks_the_trash_and_versions(tmp_path: Path) -> None:
    async with open_library(tmp_path / "a") as library:
        later = await library.add_bookmark(Anchor(work={"id": "KJV"}, source="Gen.10", progression=0.2), title="here")
        early = await library.add_bookmark(Anchor(work={"id": "KJV"}, source="Gen.2", progression=0.1))
        mark = await library.add_highlight(VERSE)
        await library.rename_bookmark(later, "there")
        assert [(each.id, each.comment) for each in await library.bookmarks("KJV")] == [(early, ""), (later, "there")]
        assert await library.bookmarks("another") == []
        version = await library.save_version("all")
        note = await library.add_note("words")
        for item in (mark, note):
            await library.delete(item)
        assert {item.id for item in await library.trash()} == {mark, note}
        assert await library.empty_trash(older_than=timedelta(days=30)) == ()
        assert set(await library.empty_trash()) == {mark, note}
        with pytest.raises(InvalidEdit):
            await library.empty_trash(older_than=timedelta(-1))
        with await library.at_version(version) as then:
            assert then.highlight(mark) is not None
            assert [hit.item_id for hit in then.search("beginning").hits] == [mark]
            assert (then.notes(), then.counts().highlights, len(then.highlights(work="KJV"))) == ([], 3, 3)
        assert await library.restore_version(version) == (mark,)
        assert await library.highlight(mark) is not None
        assert [each.name for each in await library.versions()] == ["all"]
        await library.purge_everywhere(mark)
        assert [each.highlights for each in await library.versions()] == [2]
        await library.delete_version(version)
        assert await library.versions() == []
        await library.forget_steps()
        assert await library.steps() == Steps(0, 0)
        await library.verify()


def test_the_same_without_an_event_loop(tmp_path: Path) -> None:
    with blocking.open_library(tmp_path / "a") as library:
        mark = library.add_bookmark(VERSE, title="here")
        assert library.undo() == Undone((mark,))
        assert library.bookmarks() == []
        assert library.redo() == Undone((mark,))
        version = library.save_version("one")
        with library.at_version(version) as then:
            assert then.highlight(mark) == library.highlight(mark)
        library.reading.set_position("KJV", progression=0.5)
        (position,) = library.reading.positions("KJV")
        assert position.here
    with blocking.open_library(tmp_path / "a") as library:
        assert [each.id for each in library.reading.devices()] == [position.device]

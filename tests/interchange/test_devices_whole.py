"""From a device's file to a library and back: twice, on two devices apart, and around what a person changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crdt_sync import Highlight, Library, open_library
from crdt_sync.document import EditHighlight
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange import lua
from tests.interchange.devices import KINDLE, KOREADER, KOREADER_OLD, READWISE, clipping, kobo

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def text(name: str, words: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text(words, encoding="utf-8", newline="")
        return folder / name

    return make


FILES: dict[str, tuple[Callable[[Path], Path], int]] = {
    "koreader": (text("metadata.epub.lua", KOREADER), 3),
    "koreader before 2024": (text("metadata.epub.lua", KOREADER_OLD), 4),
    "kindle": (text("My Clippings.txt", KINDLE), 4),
    "kobo": (lambda folder: kobo(folder / "KoboReader.sqlite"), 3),
    "readwise": (text("readwise.csv", READWISE), 3),
}
each_file = pytest.mark.parametrize(("make", "count"), FILES.values(), ids=FILES)


async def everything(library: Library) -> dict[str, object]:
    """Return all items by their ids, with all that a reader sees of them."""
    items = [*await library.highlights(), *await library.highlights(trashed=True)]
    return {item.id: item for item in (*items, *await library.notes(), *await library.notes(trashed=True))}


@each_file
async def test_twice_changes_nothing(tmp_path: Path, make: Callable[[Path], Path], count: int) -> None:
    path = make(tmp_path)
    async with open_library(tmp_path / "library") as library:
        first = await library.import_file(path)
        assert (len(first.added), first.conflicts) == (count, ())
        before, vector = await everything(library), await library.export_updates()
        again = await library.import_file(path)
        assert (again.added, again.changed, sorted(again.there)) == ((), (), sorted(first.added))
        assert await library.export_updates() == vector
        assert await everything(library) == before
        assert len(before) == count


@each_file
async def test_two_devices_apart_make_one_of_each(tmp_path: Path, make: Callable[[Path], Path], count: int) -> None:
    path = make(tmp_path)
    async with open_library(tmp_path / "one") as one, open_library(tmp_path / "two") as two:
        await one.import_file(path)
        marked = next(item for item in await one.highlights() if item.kind == "highlight")
        await one.edit(EditHighlight(marked.id, color="purple", comment="Mine.", add_tags=("kept",)))
        thrown = next(item for item in await one.highlights() if item.id != marked.id)
        await one.delete(thrown.id)
        await two.import_file(path)
        await one.apply_updates(await two.export_updates())
        await two.apply_updates(await one.export_updates())
        for library in (one, two):
            assert len(await everything(library)) == count
            kept = await library.highlight(marked.id)
            assert kept is not None
            assert (kept.color, kept.comment, "kept" in kept.tags) == ("purple", "Mine.", True)
            gone = await library.highlight(thrown.id)
            assert gone is not None
            assert gone.is_deleted
        assert await everything(one) == await everything(two)
        for library in (one, two):  # and once more, after all that
            report = await library.import_file(path)
            assert (report.added, report.changed) == ((), ())


async def test_a_file_that_grew_brings_what_is_new_and_resets_nothing(tmp_path: Path) -> None:
    path = text("My Clippings.txt", KINDLE)(tmp_path)
    async with open_library(tmp_path / "library") as library:
        await library.import_file(path)
        german = next(item for item in await library.highlights() if "Nacht" in str(item.anchor.work.get("title")))
        await library.edit(EditHighlight(german.id, color="red"))
        more = clipping(
            "- Ihre Notiz bei Position 131 | Hinzugefügt am Dienstag, 11. August 2026 21:20:00",
            "Nachschlagen.",
            "Das Wörterbuch der Nacht (Zweite Auflage) (Muster (Hg.), Ada)",
        ) + clipping(
            "- Your Highlight on page 13 | location 190-191 | Added on Monday, 10 August 2026 15:00:00", "New."
        )
        path.write_text(KINDLE + more, encoding="utf-8", newline="")
        report = await library.import_file(path)
        assert (len(report.added), report.changed, len(report.there)) == (1, (german.id,), 3)
        after = await library.highlight(german.id)
        assert after is not None
        assert (after.color, after.comment) == ("red", "Nachschlagen.")
        path.write_text(KINDLE, encoding="utf-8", newline="")  # an older copy, from a device that lay in a drawer
        report = await library.import_file(path)
        assert (report.added, report.changed) == ((), ())
        kept = await library.highlight(german.id)
        assert kept is not None
        assert kept.comment == "Nachschlagen."
        assert len(await everything(library)) == 5


async def test_times_colours_and_trash_are_the_files(tmp_path: Path) -> None:
    async with open_library(tmp_path / "library") as library:
        await library.import_file(kobo(tmp_path / "KoboReader.sqlite"))
        (hidden,) = await library.highlights(trashed=True)
        assert hidden.anchor.quote is not None
        assert hidden.anchor.quote.exact == "Deleted on the device."
        note = next(item for item in await library.highlights() if item.comment)
        assert (note.color, note.created_at_ms, note.updated_at_ms) == ("blue", 1_786_370_587_000, 1_786_406_400_000)
        assert note.anchor.heading == "Five: The Pier"


async def test_koreader_gets_its_own_back(tmp_path: Path) -> None:
    path = text("metadata.epub.lua", KOREADER)(tmp_path)
    async with open_library(tmp_path / "library") as library:
        await library.import_file(path)
        marked = next(item for item in await library.highlights() if item.style == "underline")
        await library.edit(EditHighlight(marked.id, comment="Changed here."))
        written = await library.export_file(tmp_path / "out.lua", "koreader")
        assert (written.items, written.skipped) == (3, ())
    before, after = (lua.loads(each.read_bytes(), each) for each in (path, tmp_path / "out.lua"))
    by_place = {each["pos0"]: each for each in after["annotations"].values() if "pos0" in each}
    for each in before["annotations"].values():
        if "pos0" in each:
            expected = dict(each)
            if each["drawer"] == "underscore":
                expected |= {"note": "Changed here."}
                expected["datetime_updated"] = by_place[each["pos0"]]["datetime_updated"]
                assert expected["datetime_updated"] > each["datetime_updated"]
            assert by_place[each["pos0"]] == expected


async def test_readwise_gets_its_own_back(tmp_path: Path) -> None:
    path = text("readwise.csv", READWISE)(tmp_path)
    async with open_library(tmp_path / "one") as one, open_library(tmp_path / "two") as two:
        await one.import_file(path)
        written = await one.export_file(tmp_path / "out.csv", "readwise")
        assert (written.items, len(written.skipped)) == (2, 1)
        await two.import_file(tmp_path / "out.csv")
        seen = {item.id: shown(item) for item in await one.highlights()}
        assert {item.id: shown(item) for item in await two.highlights()} == seen


def shown(item: Highlight) -> tuple[object, ...]:
    return item.anchor, item.color, item.tags, item.comment, item.created_at_ms, item.kind


async def test_nothing_is_half_written(tmp_path: Path) -> None:
    """The damage is in the middle, after records that could be read."""
    path = kobo(tmp_path / "KoboReader.sqlite", count=2000)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    async with open_library(tmp_path / "library") as library:
        vector = await library.export_updates()
        with pytest.raises(UnreadableFile, match="damaged"):
            await library.import_file(path)
        assert await library.export_updates() == vector
        assert (await library.counts()).highlights == 0

"""Import and export as an application has them: on both loops, with progress, over a real relay, and blocking."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crdt_sync import ChangeKind, Highlight, blocking, open_library
from crdt_sync.document import EditHighlight
from crdt_sync.errors import InvalidEdit, StorageError, UnreadableFile
from crdt_sync.storage import store as store_module
from crdt_sync.storage.store import LibraryStore
from tests.interchange.test_web_annotations import FROM_A_READER
from tests.relay import RelayProcess

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    path = tmp_path / "from a reader.json"
    path.write_text(json.dumps(FROM_A_READER))
    return path


def many(path: Path, count: int, text: str = "") -> Path:
    first = FROM_A_READER["items"][0]
    items = [{**first, "id": f"https://x.example/{n}", "body": {"value": f"{text} {n}"}} for n in range(count)]
    path.write_text(json.dumps({**FROM_A_READER, "items": items}))
    return path


async def test_a_file_comes_in_as_one_edit_with_progress(tmp_path: Path) -> None:
    counts: list[int] = []
    path = many(tmp_path / "many.json", 1_200)
    async with open_library(tmp_path / "a") as library, library.changes() as feed:
        report = await library.import_file(path, dry_run=True, progress=counts.append)
        assert (len(report.added), report.dry_run, counts) == (1_200, True, [500, 1_000, 1_200])
        assert (await library.counts()).highlights == 0
        report = await library.import_file(path)
        assert (report.format, len(report.added), report.skipped) == ("epub", 1_200, ())
        changes = await feed.take()
        assert {change.kind for change in changes} == {ChangeKind.ADDED}
        assert {change.item_id for change in changes} == set(report.added)
        assert library.status.pending == 1
        assert len((await library.import_file(path)).there) == 1_200
        assert library.status.pending == 1
        await library.verify()


async def test_what_cannot_be_read_or_written_is_told_and_changes_nothing(tmp_path: Path, annotations: Path) -> None:
    async with open_library(tmp_path / "a") as library:
        await library.import_file(annotations)
        with pytest.raises(InvalidEdit, match="there is no format 'nonsense'; there are"):
            await library.import_file(annotations, "nonsense")
        with pytest.raises(InvalidEdit, match="can be imported and not exported"):
            await library.export_file(tmp_path / "x", "kindle")
        with pytest.raises(InvalidEdit, match="Markdown is a folder"):
            await library.encode("markdown")
        (tmp_path / "x").write_text("nothing known")
        with pytest.raises(UnreadableFile, match="is of no format that is known"):
            await library.import_file(tmp_path / "x")
        with pytest.raises(StorageError, match="is there already"):
            await library.export_file(annotations, "epub-json")
        assert json.loads(annotations.read_text()) == FROM_A_READER
        written = await library.export_file(annotations, "epub-json", replace=True)
        assert (written.files, written.items) == ((annotations,), 2)
        assert json.loads(annotations.read_text())["items"][0]["id"] in {each["id"] for each in FROM_A_READER["items"]}
        assert (await library.encode("bundle", work="none of it")).items == 0


async def test_two_devices_import_apart_and_meet_over_a_relay(tmp_path: Path, annotations: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        async with open_library(tmp_path / "a") as here:
            first, _ = (await here.import_file(annotations)).added
            await here.edit(EditHighlight(first, color="green", comment="mine"))
            await here.delete(first)
        async with open_library(tmp_path / "b") as there:
            await there.import_file(annotations)
        async with (
            open_library(tmp_path / "a", relay=relay.url, room="r") as here,
            open_library(tmp_path / "b", relay=relay.url, room="r") as there,
        ):
            assert await here.synced(15)
            assert await there.synced(15)
            assert await here.synced(15)
            for library in (here, there):
                assert (await library.counts()).highlights == 2
                found = await library.highlight(first)
                assert isinstance(found, Highlight)
                assert (found.color, found.comment, found.is_deleted) == ("green", "mine", True)
                assert not (await library.import_file(annotations)).added
                assert (await library.highlight(first)) == found
            assert await here.highlights(trashed=True) == await there.highlights(trashed=True)


def test_an_import_that_is_larger_than_a_message_leaves_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_UPDATE_BYTES", 20_000)
    with blocking.open_library(tmp_path / "a") as library:
        library.import_file(many(tmp_path / "many.json", 300, "x" * 100))
    store = LibraryStore(tmp_path / "a")
    outgoing = store.outgoing(0, "nobody")
    assert outgoing is not None
    assert len(outgoing.updates) > 3
    assert all(len(update) < 40_000 for update in outgoing.updates)
    other = LibraryStore(tmp_path / "b")
    for update in outgoing.updates:
        assert other.apply_updates([update], "wire").failure is None
    assert other.state_vector() == store.state_vector()
    assert other.read.counts() == store.read.counts()
    for each in (store, other):
        each.close()


def test_the_blocking_library_does_the_same(tmp_path: Path, annotations: Path) -> None:
    counts: list[Any] = []
    with blocking.open_library(tmp_path / "a") as library:
        assert len(library.import_file(annotations, progress=counts.append).added) == 2
        assert counts == [2]
        assert library.export_file(tmp_path / "out.annotations", "epub").items == 2
        assert len(library.import_file(tmp_path / "out.annotations").there) == 2

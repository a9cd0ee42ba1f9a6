"""No file, of whatever format it is taken for, brings anything but records, skipped ones, or one clear error."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt_sync import open_library
from crdt_sync.document import Highlight
from crdt_sync.document.imported import Imported
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.bounds import MAX_STREAMED_BYTES
from crdt_sync.interchange.importing import read_file
from crdt_sync.interchange.readwise import READER as READWISE_READER
from crdt_sync.interchange.records import Entry, Record, Skipped
from crdt_sync.interchange.registry import FORMATS, reader_for
from tests.interchange.devices import KINDLE, KOREADER, KOREADER_OLD, READWISE, kobo, read

READERS = sorted(name for name, each in FORMATS.items() if each.reads is not None)
each_format = pytest.mark.parametrize("name", READERS)


def taken(name: str, path: Path) -> int:
    """Read a file as one of this format; return how many records it had, -1 if it was refused."""
    reader = FORMATS[name].reader
    assert reader is not None
    try:
        found = read_file(reader, path)
    except UnreadableFile as error:
        assert len(str(error)) > 10
        return -1
    for each in found.records:
        assert isinstance(each, Record)
        json.dumps([each.original, each.anchor and each.anchor.to_json()], allow_nan=False, ensure_ascii=False).encode()
    assert all(isinstance(each, Skipped) and each.where and each.reason for each in found.skipped)
    return len(found.records)


@cache
def samples() -> dict[str, bytes]:
    """Return a good file of each format, by a name that its format gives such a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readwise.csv"
        path.write_text(READWISE, encoding="utf-8", newline="")
        found = {
            "metadata.epub.lua": KOREADER.encode(), "metadata.old.lua": KOREADER_OLD.encode(),
            "My Clippings.txt": KINDLE.encode(), "readwise.csv": READWISE.encode(),
            "KoboReader.sqlite": kobo(Path(folder) / "k").read_bytes(),
        }  # fmt: skip
        anyio.run(exported, path, Path(folder))
        found |= {each.name: each.read_bytes() for each in Path(folder).glob("out/*") if each.is_file()}
        entries = [entry(each, str(n)) for n, each in enumerate(read(READWISE_READER, path)[0]) if each.anchor]
    for name, each in FORMATS.items():
        if (writer := each.writer) is not None:
            found[f"{name}{writer.suffix}"] = writer.encode(entries).data
    return found


async def exported(path: Path, folder: Path) -> None:
    """Write what is no file of entries: a bundle, and a folder of Markdown."""
    async with open_library(folder / "library") as library:
        await library.import_file(path)
        (folder / "out").mkdir()
        await library.export_file(folder / "out" / "bundle.json", "bundle")
        await library.export_file(folder / "out", "markdown")


def entry(record: Record, item_id: str) -> Entry:
    assert record.anchor is not None
    item = Highlight(item_id, record.anchor, record.color, "highlight", record.tags, record.comment, 1, "me", 1)
    return Entry(item, Imported("other"))


def test_there_is_a_good_file_of_each_format(tmp_path: Path) -> None:
    seen = set()
    for name, data in samples().items():
        (tmp_path / name).write_bytes(data)
        reader = reader_for(tmp_path / name)
        assert taken(reader.name, tmp_path / name) >= 0
        seen.add(reader.name)
    assert seen >= {"koreader", "kindle", "kobo", "readwise", "hypothesis", "bundle", "markdown", "epub"}


@each_format
def test_what_is_no_file(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path / "loop", tmp_path / "link", tmp_path / "none", Path("/dev/zero")):
        assert taken(name, path) == -1
    (tmp_path / "folder").mkdir()
    assert taken(name, tmp_path / "folder") <= 0


def nasty() -> Iterator[bytes]:
    yield b""
    yield b"\0" * 100_000
    yield b"\xff\xfe" + b"\x00\xd8" * 100
    yield b"\xef\xbb\xbf" * 1000
    yield KINDLE.encode("utf-16-le") + b"\x00"
    yield b"{" * 100_000
    yield b"[" * 100_000 + b"]" * 100_000
    yield b'{"a":' * 100_000
    yield b'"' * 100_001
    yield b"return " + b"{" * 100_000 + b"}" * 100_000
    yield b"return {[1]=" * 50_000
    yield b"--[[" * 10_000
    yield b"[" + b"9" * 100_000 + b"]"
    yield b'{"@context":"http://www.w3.org/ns/anno.jsonld","items":[1e999,NaN]}'
    yield b'{"type":"Annotation","id":1,"target":[[[]]],"body":{"value":{}}}'
    yield b'{"rows":[null,1,"a",[],{"target":null},{"target":[{"selector":[null]}]}]}'
    yield b"Highlight,Book Title\n" + b'"' + b"x" * 500_000
    yield b"Highlight,Book Title\n" + b'a,"b"c"\n' * 1000
    yield b"==========\n" * 100_000
    yield b"- Your Highlight on page " + b"9" * 500 + b"\n\nx\n==========\n"
    yield b"(" * 50_000 + b")" * 50_000 + b"\n- Your Highlight on page 1\n\nx\n==========\n"
    yield b"SQLite format 3\0" + b"\xff" * 10_000
    yield b"---\n" * 10_000
    yield b"> " * 100_000 + b"^a"
    yield b"<!-- crdt-sync-file {" + b"[" * 100_000 + b"} -->\n> a ^b\n"


@each_format
def test_nasty_files(tmp_path: Path, name: str) -> None:
    for number, data in enumerate(nasty()):
        path = tmp_path / str(number)
        path.write_bytes(data)
        taken(name, path)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("bomb") / "z"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations.json", b" " * 80_000_000)
    return path.read_bytes()


@each_format
def test_archives(tmp_path: Path, name: str, bomb: bytes) -> None:
    for member in (b"annotations.json", b"../../../t.jsons", b"/etc/passwd.json"):
        (tmp_path / "z").write_bytes(bomb.replace(b"annotations.json", member))
        assert taken(name, tmp_path / "z") <= 0


@pytest.mark.parametrize("name", [each for each in READERS if each != "kobo"])  # a database is read page by page
def test_what_is_too_large_is_not_begun(tmp_path: Path, name: str) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(MAX_STREAMED_BYTES + 1)
    assert taken(name, path) == -1


fragments = st.sampled_from(
    [
        b"\0", b"\xff", b"\xed\xa0\x80", b"{", b"[", b'"', b"\\", b"\\u0000", b"\\ud800", b"1e999", b"NaN", b"-1",
        b"null",
        b"[]", b"{}", b"true", b"9" * 30, b"\n", b"\r\n", b",", b"==========\n", b"- Your Note on page 1\n", b"..",
        b"/",
        b"2026-13-45", b"-9999999999999999999999", b"\xe2\x80\xa8", b"[[", b"]]", b"--[[", b"\\255", b"(", b")",
    ]
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a good file, changed in a few places."""
    name, data = draw(st.sampled_from(sorted(samples().items())))
    made = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(made)))
        match draw(st.sampled_from(["put", "cut", "flip", "copy", "end"])):
            case "put":
                made[at:at] = draw(fragments)
            case "cut":
                del made[at : at + draw(st.integers(1, 60))]
            case "flip" if at < len(made):
                made[at] = draw(st.integers(0, 255))
            case "copy":
                start = draw(st.integers(0, len(made)))
                made[at:at] = made[start : start + draw(st.integers(1, 200))]
            case "end":
                del made[max(at, 1) :]
    return name, bytes(made)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_good_files_that_were_changed(made: tuple[str, bytes]) -> None:
    name, data = made
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            reader = reader_for(path)
        except UnreadableFile:
            return
        taken(reader.name, path)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(READERS),
    st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")),
)
def test_any_bytes_as_any_format(name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        taken(name, path)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | st.sampled_from(sorted(samples().values())))
def test_recognising_raises_nothing(data: bytes) -> None:
    for each in FORMATS.values():
        if (reader := each.reader) is not None:
            reader.recognises(Path("file"), data)

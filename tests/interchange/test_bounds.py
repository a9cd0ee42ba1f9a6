"""What a stranger's file may hold, and how one is opened."""

from __future__ import annotations

import json
import os
import socket
import stat
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.document import Anchor
from crdt_sync.document.anchors import Quote
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange import bounds
from crdt_sync.interchange.records import Record, Skipped


def test_only_a_file_is_opened_and_nothing_is_waited_for(tmp_path: Path) -> None:
    fifo, loop, link = tmp_path / "fifo", tmp_path / "loop", tmp_path / "link"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    link.symlink_to(fifo)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path, told in [
            (fifo, "a pipe"), (link, "a pipe"), (tmp_path, "a folder"), (Path("/dev/zero"), "a device"),
            (tmp_path / "socket", "a socket"), (loop, "leads back to itself"), (tmp_path / "none", "there is no"),
            (Path("a\0b"), "no name of a file"), (tmp_path / ("x" * 300), "cannot be read"),
        ]:  # fmt: skip
            for read in (bounds.read_head, bounds.read_bytes):
                with pytest.raises(UnreadableFile, match=told):
                    read(path)


def test_a_link_to_a_file_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"words")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert bounds.read_bytes(tmp_path / "link") == b"words"


def test_a_file_has_a_size_and_a_growing_one_too(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(bounds.MAX_BYTES + 1)  # a hole: no disk is used
    with pytest.raises(UnreadableFile, match="67,108,865 bytes"):
        bounds.read_bytes(path)
    with pytest.raises(UnreadableFile, match="10 are the most"):
        bounds.read_bytes(path, limit=10)


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"a", "a"), (b"\xef\xbb\xbfa", "a"), ("é".encode("utf-16"), "é"), (b"\xfe\xff\x00a", "a"), (b"", "")],
)
def test_text_is_utf_8_or_marked(data: bytes, text: str) -> None:
    assert bounds.decoded(data, "f") == text


@pytest.mark.parametrize("data", [b"caf\xe9", b"\xff\xfea", b"\xff\xfe\x00\xd8"])
def test_other_text_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match="is not text in UTF-"):
        bounds.decoded(data, "f")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 101 + "]" * 101, "nested more than 100"), ("[" * 1_000_000, "nested more than 100"),
        ('{"a":' * 101, "nested more than 100"), ("[1", "line 1"), ("\n\n[,]", "line 3"), ("", "line 1"),
        ("[NaN]", "NaN"), ("[-Infinity]", "-Infinity"), ("[1e999]", "too large"), ("9" * 5000, "400 digits"),
        ("[-1e400]", "too large"), ("[" + "9" * 399 + "]", "too large"), ('"' + '\\"' * 1_000_000, "line 1"),
    ],
)  # fmt: skip
def test_json_is_bounded(text: str, told: str) -> None:
    with pytest.raises(UnreadableFile, match=told):
        bounds.parsed_json(text, "f")


def test_the_number_of_json_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_VALUES", 100)
    assert len(bounds.parsed_json("[" + "1," * 98 + "1]", "f")) == 99
    with pytest.raises(UnreadableFile, match="more than 100 values"):
        bounds.parsed_json("[" + "1," * 100 + "1]", "f")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("[]{}\",\\ab"), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(json_values)
def test_json_is_what_it_says(value: Any) -> None:
    assert bounds.parsed_json(json.dumps(value), "f") == value
    assert bounds.parsed_json(json.dumps(value, ensure_ascii=False).encode(), "f") == value


@given(st.binary(max_size=200) | st.text('[]{}",:\\u0012eE.-ntfalsr', max_size=60).map(str.encode))
def test_any_json_is_read_or_refused(data: bytes) -> None:
    with suppress(UnreadableFile):
        bounds.parsed_json(data, "f")


def archive(path: Path, *members: tuple[str, bytes], link: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if link else 0o644 << 16
            made.writestr(info, data, zipfile.ZIP_DEFLATED)
    return path


def member(path: Path, name: str = "a.json", limit: int = 1000) -> bytes:
    with bounds.opened_zip(path) as opened:
        return bounds.read_member(opened, name, limit=limit)


def test_a_member_is_read(tmp_path: Path) -> None:
    assert member(archive(tmp_path / "z", ("folder/", b""), ("a.json", b"words"))) == b"words"


@pytest.mark.parametrize("name", ["../a.json", "/a.json", "a/../../b", "C:/a", "..\\a", "\\\\server\\a"])
def test_a_member_may_not_lie_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableFile, match="not safe"):
        member(archive(tmp_path / "z", (name, b"")))


def test_a_member_may_not_be_a_link(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="link"):
        member(archive(tmp_path / "z", ("a.json", b"/etc/passwd"), link=True))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "z", ("a.json", b"\0" * 10_000_000))
    assert path.stat().st_size < 20_000
    with pytest.raises(UnreadableFile, match="unpacks to more than 1,000 bytes"):
        member(path)
    lying = bytearray(path.read_bytes())  # both headers say that it is small
    for at in (lying.index(b"PK\x03\x04") + 22, lying.index(b"PK\x01\x02") + 24):
        lying[at : at + 4] = (500).to_bytes(4, "little")
    path.write_bytes(lying)
    with pytest.raises(UnreadableFile):
        member(path)


def test_an_archive_has_so_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_MEMBERS", 3)
    with pytest.raises(UnreadableFile, match="4 members"):
        member(archive(tmp_path / "z", *((str(n), b"") for n in range(4))))


def test_what_is_no_archive(tmp_path: Path) -> None:
    whole = archive(tmp_path / "z", ("a.json", b"words" * 100)).read_bytes()
    for data in (b"", b"PK\x03\x04", whole[: len(whole) // 2], whole[:40] + b"\xff" * 10 + whole[50:]):
        (tmp_path / "bad").write_bytes(data)
        with pytest.raises(UnreadableFile):
            member(tmp_path / "bad")
    with pytest.raises(UnreadableFile, match=r"has no b\.json"):
        member(tmp_path / "z", "b.json")


def record(**given: Any) -> Record:
    return Record(Anchor(quote=Quote(given.pop("quote", "q"))), "here", **given)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (record(quote="a\0b"), "NUL"), (record(comment="half \ud83d"), "no text"),
        (record(tags=("\udcff",)), "no text"),
        (record(quote="x" * 600_000, comment="x" * 600_000), "1,000,000 characters"),
        (record(original={"a": [1] * 1_000_001}), "1,000,000 characters"), (record(original=nested(200)), "nested"),
        (record(original={"a": float("nan")}), "a number that is none"), (record(original={"a": 2**60}), "too large"),
        (record(original={"a": {1, 2}}), "of no kind"), (record(created_at_ms=10**30), "too large"),
        (record(original={"\0": 1}), "NUL"), (record(original={"a": b"bytes"}), "of no kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_record_that_no_library_could_hold_is_skipped(bad: Record, told: str) -> None:
    (skipped,) = bounds.checked([bad], Path("f"))
    assert isinstance(skipped, Skipped)
    assert skipped.where == "here"
    assert told in skipped.reason


def test_other_records_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [record(quote="é 漢 🜁", original=nested(50), tags=("a", "b"), created_at_ms=-5), Skipped("there", "so")]
    assert list(bounds.checked(items, Path("f"))) == items
    monkeypatch.setattr(bounds, "MAX_RECORDS", 1)
    with pytest.raises(UnreadableFile, match="more than 1 records"):
        list(bounds.checked(items, Path("f")))

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.devices import Device, Here

OLD = "In the beginning God created the heaven and the earth.\nAnd the earth was without form, and void.\n"


@pytest.fixture
def device(tmp_path: Path) -> Device:
    device = Here(tmp_path / "a.sqlite3")
    device("init")
    return device


def test_a_highlight_is_made_from_a_text_and_found_in_another(device: Device, tmp_path: Path) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_bytes(b"\xef\xbb\xbf" + OLD.replace("\n", "\r\n").encode())
    new.write_text("A preface.\n" + OLD)
    first = device.json("highlight", "add", "GEN 1:1", "--text", str(old), "--find", "the Heaven and the earth")["id"]
    second = device.json("highlight", "add", "Gen.1.2", "--text", str(old), "--start", "59", "--end", "68")["id"]
    listed = {each["id"]: each["anchor"] for each in device.json("highlight", "list", "GEN 1")}
    assert listed[first]["source"] == "Gen.1.1"
    assert listed[first]["quote"]["exact"] == "the heaven and the earth"
    assert listed[first]["position"] == {"start": 29, "end": 53, "unit": "codepoint"}
    assert listed[second]["quote"] == {
        "exact": "the earth", "prefix": "d the heaven and the earth.\nAnd ", "suffix": " was without form, and void.\n"
    }  # fmt: skip
    answers = {each["id"]: each for each in device.json("highlight", "resolve", str(new), "--work", "Bible.KJV")}
    assert [answers[each]["verdict"] for each in (first, second)] == ["relocated", "relocated"]
    assert (answers[first]["start"], answers[first]["foundBy"], answers[first]["written"]) == (40, "quote", False)
    assert "2 highlights: 0 exact, 2 relocated, 0 ambiguous, 0 orphan; 2 written" in device(
        "highlight", "resolve", str(new), "--write"
    )
    assert "2 exact" in device("highlight", "resolve", str(new), "--within", "GEN 1")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--find", "the earth"), 1, "these words 2 times"),
        (("--find", "the sea"), 1, "does not have these words"),
        (("--start", "3"), 1, "--start and --end"),
        (("--start", "3", "--end", "999"), 1, "code points"),
        (("--find", "God", "--start", "3"), 1, "--find, or"),
    ],
)
def test_a_place_that_is_none_is_refused(
    device: Device, tmp_path: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    path = tmp_path / "old.txt"
    path.write_text(OLD)
    assert words in device("highlight", "add", "Gen.1.1", "--text", str(path), *arguments, status=status)


def test_mistakes_with_texts_and_places_are_told(device: Device, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\xff")
    assert "no text in UTF-8" in device("highlight", "resolve", str(path), status=1)
    assert "nowhere.txt" in device("highlight", "resolve", str(tmp_path / "nowhere.txt"), status=1)
    assert "no book 'GNE'" in device("highlight", "add", "GNE 1:1", status=1)
    assert "--text" in device("highlight", "add", "Gen.1.1", "--find", "God", status=2)
    assert "leave it out" in device("highlight", "add", "Gen.1.1", "God", "--text", str(path), status=2)

"""Undo, the trash, versions, bookmarks and positions as a person types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from crdt_sync.document import AddHighlight, AddNote, Anchor, EditHighlight, Trash
from tests.cli.devices import Device
from tests.cli.test_upkeep import edited, made


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return made(tmp_path / "a.sqlite3")


MARK = AddHighlight(Anchor.verse("Gen.1.1", work="Bible.KJV", quote="In the beginning"), id="mark")


def test_an_edit_is_taken_back_and_made_again(device: Device) -> None:
    edited(device.path, MARK)
    edited(device.path, EditHighlight("mark", color="red"))
    assert device("undo") == "Changed: mark.\n"
    (found,) = device.json("highlight", "list")
    assert found["color"] == "yellow"
    assert device.json("redo") == {"ids": ["mark"], "kept": []}
    assert device.json("redo") is None
    device("undo")
    device("undo")
    assert device("undo") == "There is nothing to undo.\n"


def test_the_trash_is_emptied_only_on_a_yes(device: Device) -> None:
    edited(device.path, MARK, AddNote("words\nmore", id="note"), Trash("mark"), Trash("note"))
    listed = device("trash", "list")
    assert "In the beginning" in listed
    assert "words" in listed
    assert "--yes" in device("trash", "empty", status=1)
    device("trash", "restore", "mark")
    assert device.json("trash", "empty", "--yes", "--older-than", "1") == {"purged": []}
    assert device("trash", "empty", "--yes") == "Destroyed: 1 item.\n"
    assert device.json("trash", "list") == []
    assert "--yes" in device("trash", "purge", "mark", status=1)
    device("trash", "purge", "mark", "--yes")
    assert device.json("highlight", "list") == []
    assert "nothing to undo" in device("undo")


def test_a_version_is_saved_shown_restored_and_deleted(device: Device) -> None:
    edited(device.path, MARK, AddNote("words", id="note"))
    assert device("version", "save", "before") == "1\n"
    edited(device.path, EditHighlight("mark", color="red"))
    edited(device.path, Trash("note"))
    assert "before  (1 highlight, 1 note" in device("version", "list")
    assert [each["color"] for each in device.json("version", "show", "1")["highlights"]] == ["yellow"]
    assert "words" in device("version", "show", "1")
    assert "--yes" in device("version", "restore", "1", status=1)
    assert device.json("version", "restore", "1", "--yes") == {"changed": ["mark", "note"]}
    assert [each["id"] for each in device.json("note", "list")] == ["note"]
    device("trash", "purge", "note", "--everywhere", "--yes")
    assert device.json("version", "show", "1")["notes"] == []
    device("version", "delete", "1")
    assert device.json("version", "list") == []
    assert "there is no version 1" in device("version", "show", "1", status=1)


def test_bookmarks_and_positions(device: Device, tmp_path: Path) -> None:
    mark = device.json("bookmark", "add", "Gen.2.4", "the second account", "--progression", "0.1")["id"]
    assert "the second account" in device("bookmark", "list", "Bible.KJV")
    device("bookmark", "delete", mark[:8])
    assert device.json("bookmark", "list") == []
    device("position", "name", "Desk")
    device("position", "set", "Bible.KJV", "Gen.2", "--progression", "0.2")
    assert device("position", "list", "Bible.KJV").startswith("Desk, this device: Gen.2 20.0%")
    assert device("position", "suggest", "Bible.KJV").startswith("Stay here")
    assert "a source, a progression" in device("position", "set", "Bible.KJV", status=1)
    other = made(tmp_path / "b.sqlite3")
    (tmp_path / "stick").write_bytes(b"")
    device("export-updates", str(tmp_path / "stick"), "--force")
    other("apply-updates", str(tmp_path / "stick"))
    jump = other.json("position", "suggest", "Bible.KJV")
    assert (jump["reason"], jump["anchor"]["source"], jump["device_name"]) == ("later", "Gen.2", "Desk")
    assert "Gen.2 20.0%  (read on later, Desk)" in other("position", "suggest", "Bible.KJV")
    (desk,) = other.json("position", "devices")
    other("position", "forget", desk["id"])
    assert other.json("position", "list", "Bible.KJV") == []

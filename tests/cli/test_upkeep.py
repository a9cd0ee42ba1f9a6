"""The commands that look after the file and carry edits by hand, on real files."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from crdt_sync.cli.settings import Settings
from crdt_sync.document import AddHighlight, AddNote, Anchor, AppendToNote, Edit
from crdt_sync.storage.store import LibraryStore
from tests.cli.devices import Device, Here
from tests.relay import RelayProcess


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return made(tmp_path / "a.sqlite3")


def made(path: Path) -> Here:
    """Make a library, without the processes that the test is not about."""
    Settings(author="Ada").save(path)
    edited(path)
    return Here(path)


def edited(path: Path, *edits: Edit) -> tuple[str, ...]:
    with closing(LibraryStore(path, author="Ada")) as store:
        return store.edit(*edits).ids


def verse(source: str, quote: str = "") -> AddHighlight:
    return AddHighlight(Anchor.verse(source, work="Bible.KJV", quote=quote))


def highlights(path: Path) -> set[str]:
    with closing(LibraryStore(path)) as store:
        return {each.id for each in store.read.highlights()}


def test_a_sound_library_and_a_damaged_one(device: Device, tmp_path: Path) -> None:
    first, _ = edited(device.path, verse("Gen.1.1", "In the beginning"), verse("Gen.1.2"))
    (note,) = edited(device.path, AddNote("kept in the tables"))
    assert device.json("verify") == {"sound": True, "findings": []}
    sizes = device.json("compact")
    assert 0 < sizes["bytes_after"] <= sizes["bytes_before"]
    edited(device.path, AppendToNote(note, "more"))
    with closing(sqlite3.connect(device.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM snapshots")
    damaged = device.path.read_bytes()
    error = device("verify", status=1)
    assert "crdt-sync: the updates 1 to 2 are missing" in error
    assert "crdt-sync repair" in error
    new = Here(tmp_path / "new.sqlite3")
    assert "crdt-sync repair" in device("highlight", "add", "Gen.1.3", status=1)  # no edit goes on top of a hole
    report = device("repair", str(device.path), "--into", str(new.path))
    assert "Found: the updates 1 to 2 are missing" in report
    assert "1 update put aside" in report
    assert "3 items in the old tables" in report
    assert device.path.read_bytes() == damaged
    assert "there already" in device("repair", str(device.path), "--into", str(new.path), status=1)
    assert f"missing {first}  Gen.1.1  In the beginning" in new("rescued")
    taken = new.json("rescued", "--take")
    assert (len(taken["taken"]), taken["rescued"]) == (3, [])
    assert new("note", "show", note) == "kept in the tables\nmore\n"
    assert Settings.load(new.path).author == "Ada"


def test_edits_go_over_a_stick_and_mistakes_say_what_to_do(device: Device, tmp_path: Path) -> None:
    other, stick = made(tmp_path / "b.sqlite3"), tmp_path / "stick"
    (first,), (second,) = edited(device.path, verse("Gen.1.1")), edited(other.path, verse("Gen.1.2"))
    assert device.json("export-updates", str(stick))["updates"] == 1
    assert "there already" in device("export-updates", str(stick), status=1)
    assert other.json("apply-updates", str(stick)) == {"new": True, "pending": 2}
    other("export-updates", str(stick), "--since", str(stick), "--force")  # since what the other device's file had
    device("apply-updates", str(stick))
    assert highlights(device.path) == {first, second}
    vector = other("state-vector").strip()
    edited(device.path, verse("Gen.1.3"))
    device("export-updates", str(tmp_path / "gapped"), "--since", device("state-vector").strip())
    assert "state-vector" in other("apply-updates", str(tmp_path / "gapped"), status=1)
    device("export-updates", str(tmp_path / "fits"), "--since", vector)
    assert other.json("apply-updates", str(tmp_path / "fits"))["new"] is True
    assert len(highlights(other.path)) == 3
    (tmp_path / "cut").write_bytes((tmp_path / "fits").read_bytes()[:-1])
    assert "copy it again" in other("apply-updates", str(tmp_path / "cut"), status=1)
    assert "no file of updates" in other("apply-updates", str(device.path), status=1)
    assert "No such file" in other("apply-updates", str(tmp_path / "nowhere"), status=1)
    assert "--since" in other("export-updates", str(tmp_path / "x"), "--since", "nonsense", status=1)
    assert not (tmp_path / "x").exists()
    assert not list(tmp_path.glob(".*"))  # no draft is left behind


def test_who_wrote_and_signing_out(device: Device, tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        device("init", "--relay", relay.url, "--room", "ours", "--author", "Ada")
        edited(device.path, verse("Gen.1.1"))
        device("sync")
        found = device.json("devices")
        assert [(each["name"], each["highlights"], each["notes"]) for each in found["authors"]] == [("Ada", 1, 0)]
        assert (found["sessions"], found["binding"]["room"]) == (1, "ours")
        (item,) = edited(device.path, verse("Gen.1.2", "And the earth"))
        assert device.json("sign-out") == {"wiped": False, "unsaved": [item]}
        status = device.json("status")
        assert (status["relay"], status["highlights"], status["author"]) == (None, 2, "Ada")
        assert status["pending"] > 0
        device("init", "--relay", relay.url, "--room", "another")
        device("sync")
        assert "room 'another'" in device("devices")


def test_a_wipe_names_what_is_unsynced_and_asks(device: Device) -> None:
    (item,) = edited(device.path, verse("Gen.1.1", "In the beginning"))
    error = device("sign-out", "--wipe", status=1)
    assert "Never confirmed by a relay: 1 edit" in error
    assert f"{item}  Gen.1.1  In the beginning" in error
    assert "version" not in error
    device("version", "save", "before Lent")
    assert "go with it: before Lent" in device("sign-out", "--wipe", status=1)
    assert "--yes" in error
    assert device.path.exists()
    assert answered(device, "n\n") == 1
    assert device.path.exists()
    assert answered(device, "y\n") == 0
    assert not list(device.path.parent.glob("a.sqlite3*"))


def test_a_wipe_for_a_program_says_what_it_destroyed_and_waits_for_other_programs(device: Device) -> None:
    (item,) = edited(device.path, verse("Gen.1.1"))
    with closing(sqlite3.connect(device.path, isolation_level=None)) as other:
        other.execute("SELECT * FROM highlights").fetchall()
        assert "held by another process" in device("sign-out", "--wipe", "--yes", status=1)
    assert highlights(device.path) == {item}
    device("version", "save", "before Lent")
    told = device.json("sign-out", "--wipe", "--yes")
    assert told == {"wiped": True, "unsaved": [item], "versions": ["before Lent"]}
    assert not list(device.path.parent.glob("a.sqlite3*"))


def answered(device: Device, answer: str) -> int:
    """Answer on a terminal; return the exit status."""
    controller, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "crdt_sync.cli", "sign-out", "--wipe"],
            env=device.environment,
            stdin=terminal,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.write(controller, answer.encode())
        return process.wait(timeout=60)
    finally:
        os.close(controller)
        os.close(terminal)


@pytest.mark.parametrize(
    "command",
    ["repair", "sign-out", "export-updates"],
)
def test_every_command_has_help(device: Device, command: str) -> None:
    assert "Usage" in device(command, "--help")

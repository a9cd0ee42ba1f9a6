"""The commands that look after the file and carry edits by hand: a process each, on real files."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.test_cli import Device
from tests.relay import RelayProcess


@pytest.fixture
def device(tmp_path: Path) -> Device:
    device = Device(tmp_path / "a.sqlite3")
    device("init", "--author", "Ada")
    return device


def test_a_sound_library_and_a_damaged_one(device: Device, tmp_path: Path) -> None:
    first = device.json("highlight", "add", "Gen.1.1", "In the beginning")["id"]
    device("highlight", "add", "Gen.1.2")
    device("compact")
    note = device.json("note", "add", "kept in the tables")["id"]
    assert "sound" in device("verify")
    assert device.json("verify") == {"sound": True, "findings": []}
    sizes = device.json("compact")
    assert 0 < sizes["bytes_after"] <= sizes["bytes_before"]
    device("note", "append", note, "more")
    with closing(sqlite3.connect(device.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM snapshots")
    damaged = device.path.read_bytes()
    error = device("verify", status=1)
    assert "crdt-sync: the updates 1 to 3 are missing" in error
    assert "crdt-sync repair" in error
    new = Device(tmp_path / "new.sqlite3")
    assert "crdt-sync repair" in device("highlight", "add", "Gen.1.3", status=1)  # no edit goes on top of a hole
    report = device("repair", str(device.path), "--into", str(new.path))
    assert "Found: the updates 1 to 3 are missing" in report
    assert "1 updates wait" in report
    assert "3 items stood in the old tables" in report
    assert device.path.read_bytes() == damaged
    assert "there already" in device("repair", str(device.path), "--into", str(new.path), status=1)
    assert f"missing {first}  Gen.1.1  In the beginning" in new("rescued")
    taken = new.json("rescued", "--take")
    assert (len(taken["taken"]), taken["rescued"]) == (3, [])
    assert new("note", "show", note) == "kept in the tables\nmore\n"
    new("verify")
    assert new.json("status")["author"] == "Ada"  # its settings came along


def test_edits_go_over_a_stick_and_mistakes_say_what_to_do(device: Device, tmp_path: Path) -> None:
    other, stick = Device(tmp_path / "b.sqlite3"), tmp_path / "stick"
    other("init")
    first = device.json("highlight", "add", "Gen.1.1")["id"]
    second = other.json("highlight", "add", "Gen.1.2")["id"]
    assert device.json("export-updates", str(stick))["updates"] == 1
    assert "there already" in device("export-updates", str(stick), status=1)
    assert other.json("apply-updates", str(stick)) == {"new": True, "pending": 2}
    assert "nothing new" in other("apply-updates", str(stick))
    other("export-updates", str(stick), "--since", str(stick), "--force")  # since what the other device's file had
    device("apply-updates", str(stick))
    assert {each["id"] for each in device.json("highlight", "list")} == {first, second}
    vector = other("state-vector").strip()
    device("highlight", "add", "Gen.1.3")
    device("export-updates", str(tmp_path / "late"), "--since", device("state-vector").strip())
    device("highlight", "add", "Gen.1.4")
    device("export-updates", str(tmp_path / "gapped"), "--since", str(tmp_path / "late"))
    assert "state-vector" in other("apply-updates", str(tmp_path / "gapped"), status=1)
    device("export-updates", str(tmp_path / "fits"), "--since", vector)
    assert other.json("apply-updates", str(tmp_path / "fits"))["new"] is True
    assert len(other.json("highlight", "list")) == 4
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
        device("highlight", "add", "Gen.1.1")
        device("sync")
        found = device.json("devices")
        assert [(each["name"], each["highlights"], each["notes"]) for each in found["authors"]] == [("Ada", 1, 0)]
        assert (found["sessions"], found["binding"]["room"]) == (1, "ours")
        assert "Ada: 1 highlights, 0 notes" in device("devices")
        item = device.json("highlight", "add", "Gen.1.2", "And the earth")["id"]
        assert device.json("sign-out") == {"wiped": False, "unsaved": [item]}
        status = device.json("status")
        assert (status["relay"], status["highlights"], status["author"]) == (None, 2, "Ada")
        assert status["pending"] > 0
        device("init", "--relay", relay.url, "--room", "another")
        device("sync")
        assert device.json("devices")["binding"]["room"] == "another"


def test_a_wipe_names_what_is_unsynced_and_asks(device: Device) -> None:
    item = device.json("highlight", "add", "Gen.1.1", "In the beginning")["id"]
    error = device("sign-out", "--wipe", status=1)
    assert "1 edits were never confirmed" in error
    assert f"{item}  Gen.1.1  In the beginning" in error
    assert "--yes" in error
    assert device.path.exists()
    assert answered(device, "n\n") == 1
    assert device.path.exists()
    assert answered(device, "y\n") == 0
    assert not list(device.path.parent.glob("a.sqlite3*"))


def test_a_wipe_for_a_program_says_what_it_destroyed_and_waits_for_other_programs(device: Device) -> None:
    item = device.json("highlight", "add", "Gen.1.1")["id"]
    with closing(sqlite3.connect(device.path, isolation_level=None)) as other:
        other.execute("SELECT * FROM highlights").fetchall()
        assert "held by another process" in device("sign-out", "--wipe", "--yes", status=1)
    assert device.json("highlight", "list")[0]["id"] == item
    assert device.json("sign-out", "--wipe", "--yes") == {"wiped": True, "unsaved": [item]}
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
    [
        "compact",
        "verify",
        "repair",
        "rescued",
        "devices",
        "sign-out",
        "export-updates",
        "apply-updates",
        "state-vector",
    ],
)
def test_every_command_has_help(device: Device, command: str) -> None:
    assert "Usage" in device(command, "--help")

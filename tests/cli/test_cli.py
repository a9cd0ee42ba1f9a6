"""The commands as a person runs them: a process each, against a real relay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.relay import RelayProcess


class Device:
    """One library and the command line on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {**os.environ, "CRDT_SYNC_LIBRARY": str(path), "COLUMNS": "200", "NO_COLOR": "1"}

    def __call__(self, *arguments: str, status: int = 0) -> str:
        done = self.start(*arguments)
        output, error = done.communicate(timeout=60)
        assert done.returncode == status, error
        assert "Traceback" not in error
        return error if status else output

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "crdt_sync.cli", *arguments]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "a.sqlite3")


def test_a_day_with_highlights_and_notes(device: Device) -> None:
    device("init", "--author", "Ada")
    first = device.json("highlight", "add", "Gen.1.1", "In the beginning", "--tag", "creation", "--comment", "ö 🙂")[
        "id"
    ]
    device("highlight", "add", "Exod.1.1")
    listed = device("highlight", "list", "Gen.1")
    assert first in listed
    assert "In the beginning" in listed
    assert "Exod" not in listed
    device("highlight", "edit", first[:8], "--color", "green", "--untag", "creation", "--tag", "genesis")
    (found,) = device.json("highlight", "list", "Gen")
    assert (found["color"], found["tags"], found["created_by"]) == ("green", ["genesis"], "Ada")
    note = device.json("note", "add", "one\ntwo", "--title", "Thoughts", "--highlight", first[:8])["id"]
    device("note", "append", note[:8], "three")
    assert device("note", "show", note) == "Thoughts\none\ntwo\nthree\n"
    assert note in device("note", "list")
    assert device.json("search", "begin")[0]["item_id"] == first
    device("highlight", "delete", first)
    assert first in device("highlight", "list", "--trash")
    device("highlight", "restore", first)
    whole = device.json("export")
    assert (len(whole["highlights"]), len(whole["notes"])) == (2, 1)
    status = device.json("status")
    assert (status["highlights"], status["trashed"], status["state"], status["pending"]) == (2, 0, "offline", 7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["highlight", "edit", "zz", "--color", "red"], "list"),
        (["note", "show", "zz"], "list"),
        (["sync"], "init --relay"),
        (["init", "--relay", "nonsense", "--room", "r"], "wss://"),
        (["highlight", "add", ""], ""),
    ],
)
def test_a_mistake_gets_one_line_that_says_what_to_do(device: Device, arguments: list[str], words: str) -> None:
    device("init")
    if words:
        error = device(*arguments, status=1)
        assert words in error
        assert error.startswith("crdt-sync: ")
        assert error.count("\n") == 1
    else:
        device(*arguments)  # an empty source is a place like any other


def test_without_a_library_it_says_how_to_make_one(device: Device) -> None:
    assert "crdt-sync init" in device("highlight", "list", status=1)
    device.path.write_bytes(b"hello, I am no database" * 50)
    assert "not a library" in device("init", status=1)


def test_two_devices_sync_and_one_watches(tmp_path: Path) -> None:
    a, b = Device(tmp_path / "a.sqlite3"), Device(tmp_path / "b.sqlite3")
    with RelayProcess(tmp_path / "relay") as relay:
        for device, name in ((a, "Ada"), (b, "Bo")):
            device("init", "--relay", relay.url, "--room", "ours", "--author", name)
        mine = a.json("highlight", "add", "Gen.1.1")["id"]
        assert a.json("status")["pending"] == 1
        assert a.json("sync")["synced"] is True
        assert a.json("status")["pending"] == 0
        watch = b.start("watch", "--json")
        assert watch.stdout is not None
        events = (json.loads(line) for line in watch.stdout)
        next(event for event in events if event["event"] == "change" and event["id"] == mine)
        second = a.json("highlight", "add", "Gen.1.2")["id"]
        assert "In step" in a("sync")
        change = next(event for event in events if event["event"] == "change")
        assert (change["id"], change["change"], change["here"]) == (second, "added", False)
        watch.send_signal(signal.SIGINT)
        watch.communicate(timeout=20)
        assert watch.returncode == 0
        relay.kill()
        a("sync", "--timeout", "0.3", status=3)
        relay.start()
    assert len(b.json("highlight", "list")) == 2


def test_not_in_step_in_time_is_status_3(device: Device) -> None:
    device("init", "--relay", "ws://127.0.0.1:1", "--room", "r")
    device("highlight", "add", "Gen.1.1")
    device("sync", "--timeout", "0.2", status=3)
    assert device.json("status")["pending"] == 1


def test_every_command_has_help(device: Device) -> None:
    for command in ([], ["highlight"], ["note"], ["init"], ["sync"], ["watch"], ["status"], ["highlight", "add"]):
        assert "Usage" in device(*command, "--help")

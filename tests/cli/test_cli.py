"""The commands as a person runs them, against a real relay: as processes where that says more."""

from __future__ import annotations

import json
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest
from httpx_ws import aconnect_ws
from pycrdt import Doc, Map

from crdt_sync.document import AddHighlight, AddNote, Anchor
from crdt_sync.protocol.messages import Awareness, AwarenessEntry, encode
from crdt_sync.storage.store import LibraryStore
from tests.cli.devices import Device, Here
from tests.relay import RelayProcess


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Here(tmp_path / "a.sqlite3")


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
    assert device.json("search", "begin")["hits"][0]["item_id"] == first
    device("highlight", "delete", first)
    assert first in device("highlight", "list", "--trash")
    device("highlight", "restore", first)
    whole = json.loads(device("export"))
    assert (len(whole["roots"]["highlights"]), len(whole["roots"]["notes"])) == (2, 1)
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


def test_without_a_library_it_says_how_to_make_one(tmp_path: Path) -> None:
    device = Device(tmp_path / "a.sqlite3")
    assert "crdt-sync init" in device("highlight", "list", status=1)
    device.path.write_bytes(b"hello, I am no database" * 50)
    assert "not a library" in device("init", status=1)


def test_two_devices_sync_and_one_watches(tmp_path: Path) -> None:
    a, b = Here(tmp_path / "a.sqlite3"), Here(tmp_path / "b.sqlite3")
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
    for wrong in ("-1", "nan"):
        assert "0 or more" in device("sync", "--timeout", wrong, status=2)
    assert device.json("status")["pending"] == 1


def test_every_command_has_help(device: Device) -> None:
    for command in ([], ["highlight"], ["note"], ["init"], ["sync"], ["watch"], ["status"], ["highlight", "add"]):
        assert "Usage" in device(*command, "--help")


def test_what_other_devices_and_file_names_say_is_printed_as_it_is(tmp_path: Path) -> None:
    """In square brackets it is no markup, and a time may be none: anyone in the room can write both."""
    folder = tmp_path / "a [bold] :smile: folder"
    folder.mkdir()
    device = Here(folder / "a.sqlite3")
    assert f"{folder}/a.sqlite3" in device("init")
    doc: Doc[Any] = Doc()
    highlight = {"anchor": {"source": "[/red]"}, "createdAt": 2.0**52, "createdBy": "[/eve]"}
    doc.get("highlights", type=Map)["[/id]"] = highlight
    doc.get("notes", type=Map)["[bold]"] = {"highlight": "[/red]", "createdBy": "[/eve]"}
    with closing(LibraryStore(device.path)) as store:
        store.apply_updates([doc.get_update()], "a device of somebody else")
    assert "[/id]" in device("highlight", "list")
    assert "[bold]" in device("note", "list")
    assert "[/red]" in device("note", "list")
    assert "[/eve]: 1 highlight, 1 note, the last made at 4503599627370496 ms" in device("devices")
    assert f"{folder}/x has " in device("export-updates", f"{folder}/x")
    assert f"{folder}/a.sqlite3 is gone" in device("sign-out", "--wipe", "--yes")


def test_what_other_devices_say_does_not_command_the_terminal(device: Device) -> None:
    evil = "\x1b]0;owned\x07 a \x9b31m b"
    with closing(LibraryStore(device.path, author=evil)) as store:
        store.edit(AddHighlight(Anchor.verse("Gen.1.1", work="w", quote=f"{evil} quote"), id="h", comment=evil))
        store.edit(AddNote(evil, id="n", title=evil))
    for command in (("highlight", "list"), ("note", "list"), ("note", "show", "n"), ("search", "owned"), ("devices",)):
        said = device(*command)
        assert "owned" in said, command
        assert not set(said) & {"\x1b", "\x07", "\x9b"}, command


def test_a_library_that_a_program_made_needs_no_settings(device: Device) -> None:
    with closing(LibraryStore(device.path)) as store:
        store.edit(AddNote("made elsewhere"))
    assert device.json("verify")["sound"]
    assert "made elsewhere" in device("note", "list")
    assert "init --relay" in device("sync", status=1)


def test_a_sync_that_is_interrupted_is_no_success(device: Device) -> None:
    device("init", "--relay", "ws://127.0.0.1:1", "--room", "r")
    device("highlight", "add", "Gen.1.1")
    sync = device.start("sync", "--timeout", "60", "--json")
    with sync:
        wait_until_open(device.path)
        sync.send_signal(signal.SIGINT)
        _, error = sync.communicate(timeout=20)
    assert sync.returncode == 130
    assert "Traceback" not in error


def wait_until_open(path: Path) -> None:
    """Wait, bounded, until a process has the library open: then its write-ahead log is there."""
    end = time.monotonic() + 20
    while not path.with_name(f"{path.name}-wal").exists():
        assert time.monotonic() < end, "nobody opens it"
        time.sleep(0.01)


def test_output_that_nobody_reads_on_is_no_error_in_words(device: Device) -> None:
    with closing(LibraryStore(device.path)) as store:
        store.edit(AddNote("long " * 100_000))
    export = device.start("export")
    with export:
        assert export.stdout is not None
        assert export.stderr is not None
        assert export.stdout.read(10) == '{"format":'
        export.stdout.close()
        assert export.stderr.read() == ""
        assert export.wait(20) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_watch_tells_of_whoever_shows_no_name(tmp_path: Path) -> None:
    device = Device(tmp_path / "a.sqlite3")
    with RelayProcess(tmp_path / "relay") as relay:
        device("init", "--relay", relay.url, "--room", "ours")
        url = f"{relay.url.replace('ws', 'http')}/ours"
        async with httpx.AsyncClient() as client, aconnect_ws(url, client) as stranger:
            watch = device.start("watch", "--json")
            with watch:
                await stranger.send_bytes(encode(Awareness((AwarenessEntry(7, 1, '["no object"]'),))))
                assert watch.stdout is not None
                events = (json.loads(line) for line in watch.stdout)
                told = await anyio.to_thread.run_sync(
                    lambda: next((event for event in events if event["event"] == "presence"), None)
                )
                watch.send_signal(signal.SIGINT)
                assert watch.stderr is not None
                assert "Traceback" not in watch.stderr.read()
        assert told == {"event": "presence", "client": 7, "is": "joined", "state": ["no object"]}

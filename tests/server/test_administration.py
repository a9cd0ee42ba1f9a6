"""`rooms …` through a relay that runs, a process with a socket, and on a store at rest."""

from __future__ import annotations

import json
import socket
import sqlite3
import stat
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from httpx_ws import WebSocketDisconnect, connect_ws
from pycrdt import Doc, Map

from crdt_sync import State, open_library
from crdt_sync.protocol.messages import Barrier, SyncStep1, SyncStep2, SyncUpdate, decode, encode
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server.admin_socket import ask_running, serve_admin
from crdt_sync_server.administration import Administration, AdministrationAnswer
from crdt_sync_server.errors import RelayError
from crdt_sync_server.host import Host
from crdt_sync_server.stores.sqlite import SqliteStore
from tests.relay import RelayProcess
from tests.server.operating import call, call_process, edit, tell


def test_the_same_answers_from_a_relay_that_runs_and_from_its_store(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RelayProcess(data) as relay:
        edit(relay, tmp_path / "ada", "ada/books", "one", "two")
        edit(relay, tmp_path / "ben", "ben [bold]", "three")
        assert stat.S_IMODE((data / "admin.sock").stat().st_mode) == 0o600
        running = {name: tell(data, "rooms", *what) for name, what in QUESTIONS.items()}
        update = call_process(data, "rooms", "export", "ada/books").stdout
        with httpx.Client() as client, connect_ws(f"{relay.url.replace('ws', 'http')}/ada%2Fbooks", client) as session:
            session.receive_bytes(timeout=10)
            assert [each["connections"] for each in tell(data, "rooms", "list")] == [1, 0]
        shown = call(data, "rooms", "list").stdout.decode()
        assert "ben [bold]" in shown
    assert not (data / "admin.sock").exists()
    stopped = {name: tell(data, "rooms", *what) for name, what in QUESTIONS.items()}
    assert stopped == running
    assert [each["name"] for each in stopped["list"]] == ["ada/books", "ben [bold]"]
    assert stopped["list"][0]["size_bytes"] > 0
    assert stopped["show"]["roots"]["notes"] == 2
    assert stopped["show"]["clients"] == 1
    assert len(stopped["export"]["notes"]) == 2
    assert stopped["verify"] == {"rooms": 2, "problems": []}
    doc: Doc[Map[object]] = Doc()
    doc.apply_update(update)
    assert len(doc.get("notes", type=Map)) == 2
    target = tmp_path / "update"
    assert call(data, "rooms", "export", "ada/books", "--to", str(target)).returncode == 0
    again: Doc[Map[object]] = Doc()
    again.apply_update(target.read_bytes())
    assert again.get("notes", type=Map).to_py() == doc.get("notes", type=Map).to_py()


QUESTIONS = {
    "list": ("list",),
    "show": ("show", "ada/books"),
    "export": ("export", "ada/books"),
    "verify": ("verify",),
}


def test_compaction_through_a_relay_keeps_everything_and_its_clients(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RelayProcess(data) as relay:
        for number in range(3):
            edit(relay, tmp_path / "ada", "ada", f"{number}")
        assert tell(data, "rooms", "list")[0]["log_length"] == 3
        done = tell(data, "rooms", "compact", "ada")
        assert 0 < done["after_bytes"] <= done["before_bytes"]
        assert tell(data, "rooms", "list")[0]["log_length"] == 0
        assert edit(relay, tmp_path / "ben", "ada", "3") == ["0", "1", "2", "3"]
    assert tell(data, "rooms", "compact", "ada")["after_bytes"] > 0
    assert tell(data, "rooms", "verify")["problems"] == []


def test_a_deleted_room_is_closed_with_4404_and_no_late_device_brings_it_back(tmp_path: Path) -> None:
    data, room = tmp_path / "data", "ada"

    async def refused(relay: RelayProcess) -> None:
        async with open_library(tmp_path / "ada", relay=relay.url, room=room, close_within_s=0) as library:
            await library.add_note("written after the deletion", title="late")
            with anyio.fail_after(20):
                async for status in library.status_changes():
                    if status.state is State.STOPPED:
                        assert "deleted" in (status.last_error or "")
                        break

    with RelayProcess(data) as relay:
        edit(relay, tmp_path / "ada", room, "one")
        edit(relay, tmp_path / "ben", "other", "two")
        url = relay.url.replace("ws", "http")
        with httpx.Client() as client, connect_ws(f"{url}/{room}", client) as session:
            session.receive_bytes(timeout=10)
            assert tell(data, "rooms", "delete", room, "--yes")["connections"] == 1
            assert _code(session) == 4404
        with httpx.Client() as client, connect_ws(f"{url}/{room}", client) as session:
            assert _code(session) == 4404
        anyio.run(refused, relay)
        for command in ("show", "export", "compact", "delete"):
            failed = call(data, "rooms", command, room, *(("--yes",) if command == "delete" else ()))
            assert (failed.returncode, b"was deleted" in failed.stderr) == (1, True)
        relay.kill()
        relay.start()
        anyio.run(refused, relay)
        assert [each["name"] for each in tell(data, "rooms", "list")] == ["other"]
        assert [each["name"] for each in tell(data, "rooms", "list", "--deleted")] == [room]
    assert b"body of one" not in b"".join(call(data, "rooms", "export", each).stdout for each in ("ada", "other"))


def test_deleting_asks_first(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "data") as relay:
        edit(relay, tmp_path / "ada", "ada", "one")
    for answer in ("n\n", ""):
        refused = call(tmp_path / "data", "rooms", "delete", "ada", text=answer)
        assert refused.returncode == 1
        assert b"for good?" in refused.stdout
    assert [each["name"] for each in tell(tmp_path / "data", "rooms", "list")] == ["ada"]
    assert call(tmp_path / "data", "rooms", "delete", "ada", text="y\n").returncode == 0
    assert tell(tmp_path / "data", "rooms", "list") == []


def test_what_a_killed_relay_leaves_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    data = tmp_path / "data"
    relay = RelayProcess(data)
    relay.start()
    edit(relay, tmp_path / "ada", "ada", "one")
    relay.kill()
    assert (data / "admin.sock").exists()
    assert [each["name"] for each in tell(data, "rooms", "list")] == ["ada"]
    with relay:
        assert [each["name"] for each in tell(data, "rooms", "list")] == ["ada"]
        second = call_process(data, "serve", "--port", "0")
        assert second.returncode == 1
        assert b"in use by another process" in second.stderr


def test_a_store_that_is_held_by_one_who_does_not_answer(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay:
        edit(relay, tmp_path / "ada", "ada", "one")
    with closing(sqlite3.connect(tmp_path / "relay.sqlite3-lock", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        failed = call(tmp_path, "rooms", "list")
    assert failed.returncode == 1
    assert b"does not answer" in failed.stderr
    assert failed.stderr.count(b"\n") == 1


def test_a_path_too_long_for_a_socket_costs_the_admin_channel_alone(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30)
    with RelayProcess(data) as relay:
        edit(relay, tmp_path / "ada", "ada", "one")
        failed = call(data, "rooms", "list")
        assert failed.returncode == 1
        assert b"does not answer" in failed.stderr
        assert any("no admin socket" in line for line in relay.output)
    assert len(tell(data, "rooms", "list")) == 1


def test_garbage_on_the_socket_is_answered_in_words(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay:
        for line in (b"garbage\n", b"[]\n", b'{"do": "list", "do": 5}\n', b"\n", b'{"do": "show", "room": 5}\n'):
            with closing(socket.socket(socket.AF_UNIX)) as client:
                client.settimeout(10)
                client.connect(str(tmp_path / "admin.sock"))
                client.sendall(line)
                assert "error" in json.loads(client.makefile().readline())
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.settimeout(10)
            client.connect(str(tmp_path / "admin.sock"))
            with suppress(OSError):
                client.sendall(b"x" * 1_000_000)
            with suppress(ConnectionError):
                assert client.recv(100) == b""
        assert tell(tmp_path, "rooms", "list") == []
        assert not any("Traceback" in line for line in relay.output)


@pytest.mark.anyio
async def test_a_bug_in_a_command_is_not_told_as_a_relay_that_stopped(
    tmp_path: Path,
) -> None:
    class Broken(Administration):
        async def answer(self, request: Mapping[str, Any]) -> AdministrationAnswer:
            raise ZeroDivisionError("a bug")

    database = tmp_path / "relay.sqlite3"
    store = await SqliteStore.open(database)
    try:
        async with serve_admin(database, Broken(Host(store, now=time.monotonic), store.members)):
            with pytest.raises(RelayError, match="ZeroDivisionError"):
                await ask_running(database, {"do": "list"})
    finally:
        await store.close()


@pytest.mark.parametrize("command", [["list"], ["show", "x"], ["verify"], ["delete", "x", "--yes"]])
def test_without_a_store_nothing_is_made(tmp_path: Path, command: list[str]) -> None:
    failed = call(tmp_path / "nowhere", "rooms", *command)
    assert failed.returncode == 1
    assert b"there is no store" in failed.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_name_that_is_no_text_is_no_rooms(tmp_path: Path) -> None:
    """The command line hands on bytes that are not UTF-8 as half characters."""
    with RelayProcess(tmp_path):
        running = call(tmp_path, "rooms", "show", "a\udcff")
    for done in (running, call(tmp_path, "rooms", "delete", "a\udcff", "--yes")):
        assert done.returncode == 1
        assert b"there is no room" in done.stderr


def test_an_unknown_room_is_not_made_by_looking_at_it(tmp_path: Path) -> None:
    with RelayProcess(tmp_path):
        failed = call(tmp_path, "rooms", "show", "nobody")
        assert b"there is no room 'nobody'" in failed.stderr
        assert tell(tmp_path, "rooms", "list") == []


def test_verify_names_the_room_whose_updates_do_not_fit(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay:
        url = relay.url.replace("ws", "http")
        for room in ("bad", "garbage", "good"):
            with httpx.Client() as client, connect_ws(f"{url}/{room}", client) as session:
                session.send_bytes(encode(SyncStep1(b"\x00")))
                session.send_bytes(encode(SyncStep2(EMPTY_UPDATE)))
                doc: Doc[Map[object]] = Doc()
                updates: list[bytes] = []
                subscription = doc.observe(lambda event, into=updates: into.append(event.update))
                for number in range(3):
                    doc.get("m", type=Map)[str(number)] = number
                doc.unobserve(subscription)
                for number, update in enumerate(updates):
                    session.send_bytes(encode(SyncUpdate(update)))
                    session.send_bytes(encode(Barrier(number)))
                    while not any(message == Barrier(number) for message in decode(session.receive_bytes(timeout=10))):
                        pass
    with closing(sqlite3.connect(tmp_path / "relay.sqlite3")) as connection, connection:
        first = "(SELECT min(position) FROM updates WHERE room = ?)"
        connection.execute(f"DELETE FROM updates WHERE position = {first}", ("bad",))
        connection.execute(f"UPDATE updates SET data = x'ff' WHERE position = {first}", ("garbage",))
    found = call(tmp_path, "rooms", "verify", "--json")
    assert found.returncode == 3
    problems = json.loads(found.stdout)["problems"]
    assert {(each["room"], each["problem"].partition(":")[0]) for each in problems} == {
        (None, "room 'bad'"),
        (None, "room 'garbage'"),
        ("bad", "update 1 of 2 lacks one before it"),
        ("garbage", "update 1 of 3 cannot be read"),
    }
    table = call(tmp_path, "rooms", "verify")
    assert table.returncode == 3
    assert "3 rooms checked, 4 problems" in table.stdout.decode()


def _code(session: object) -> int:
    try:
        while True:
            session.receive_bytes(timeout=10)  # type: ignore[attr-defined]
    except WebSocketDisconnect as error:
        return error.code

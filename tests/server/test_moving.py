"""`move-to-postgres`: a store that a real relay has filled, and a relay on the real database that goes on with it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pycrdt import Doc

from crdt_sync_server.contents import contents
from crdt_sync_server.stores.sqlite import SqliteStore
from tests.hostile import until
from tests.relay import RelayProcess
from tests.server.api.test_discussion import act, posted
from tests.server.api.test_documents import edited, post
from tests.server.api.tokens import at, client_of, token_relay
from tests.server.operating import COMMAND, call, call_process, tell

URL = "CRDT_SYNC_SERVER_DATABASE_URL"


def in_database(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, options="-csearch_path=crdt_sync") as connection:
        return connection.execute(query).fetchall()


def contents_of(data: Path) -> dict[str, bytes]:
    """Return every byte of the store, the write-ahead log that a kill has left included."""
    files = (data / "relay.sqlite3", data / "relay.sqlite3-wal")
    return {path.name: path.read_bytes() for path in files if path.exists()}


def documents(relay: RelayProcess, *rooms: str) -> dict[str, tuple[bytes, int, Any]]:
    """Return the state of each room, and all that can be read in it; an object within comes in any order."""
    found = {}
    with client_of(relay, "ada") as ada:
        for room in rooms:
            update = ada.get(at(room, "/document")).raise_for_status().content
            doc: Doc[Any] = Doc()
            doc.apply_update(update)
            found[room] = (doc.get_state(), len(update), contents(update))
    return found


def status(relay: RelayProcess, token: str, room: str) -> int:
    with client_of(relay, None, authorization=f"Bearer {token}") as client:
        return client.get(at(room, "/document")).status_code


def filled(data: Path, *rooms: str) -> None:
    """Put a store into `data` with an update in each room."""
    with RelayProcess(data) as relay, client_of(relay, None) as client:
        for room in rooms:
            assert post(client, room, edited(Doc(), key=room)).status_code in (200, 204), room


class Filled:
    """What a relay stores of a few people, and what they still have in their hands afterwards."""

    def __init__(self, relay: RelayProcess, data: Path) -> None:
        self.good, self.bad = (tell(data, "tokens", "create", "ada", "--name", name) for name in ("good", "bad"))
        with client_of(relay, "ada") as ada, client_of(relay, "bob") as bob:
            self.group = str(ada.post("/groups", json={"name": "Dante"}).json()["room"])
            self.invitation = ada.post(
                at(self.group, "/invitations"), json={"role": "editor", "lifetime_s": 3600, "uses": 5}
            ).json()["token"]
            bob.post("/invitations/accept", json={"token": self.invitation}).raise_for_status()
            for room in ("u/ada/compacted", "u/ada/log", "u/ada/deleted", self.group):
                doc: Doc[Any] = Doc()
                for number in range(5):
                    post(ada, room, edited(doc, **{f"key{number}": f"{room} {number}"})).raise_for_status()
            thread = posted(relay, "bob", self.group, "why a wood?")
            act(relay, "ada", self.group, "reply", thread=thread, text="why not?").raise_for_status()
            tell(data, "rooms", "compact", "u/ada/compacted")
            post(ada, "u/ada/compacted", edited(Doc(), later="since")).raise_for_status()
        self.rooms = ("u/ada/compacted", "u/ada/log", self.group, f"{self.group}/threads")
        self.documents = documents(relay, *self.rooms)
        assert status(relay, self.good["token"], "u/ada/log") == status(relay, self.bad["token"], "u/ada/log") == 200
        tell(data, "tokens", "revoke", self.bad["id"])
        tell(data, "webhooks", "add", "https://index.example/changed", "--under", "g")
        tell(data, "rooms", "delete", "u/ada/deleted", "--yes")


LISTS = (
    ("rooms", "list"), ("rooms", "list", "--deleted"), ("grants", "list"), ("tokens", "list"), ("webhooks", "list"),
    ("audit", "--most", "1000"),
)  # fmt: skip


def test_a_relay_on_the_database_goes_on_where_the_file_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    data = tmp_path / "data"
    with token_relay(tmp_path) as relay:
        old = Filled(relay, data)
        relay.kill()  # what was committed last is in the log beside the file
        relay.start()
        relay.kill()
        before = contents_of(data)
        assert {"relay.sqlite3", "relay.sqlite3-wal"} <= before.keys()
        monkeypatch.setenv(URL, postgres_url)
        moved = call_process(data, "move-to-postgres", "--json")
        assert moved.returncode == 0, moved.stderr
        assert contents_of(data) == before
        said = json.loads(moved.stdout)
        with closing(sqlite3.connect(data / "relay.sqlite3")) as connection:
            for table in ("members", "invitations", "audit", "tokens", "webhooks", "devices"):
                ((count,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
                assert (said[table], count > 0) == (count, table != "devices"), table
            secrets = connection.execute("SELECT id, secret FROM webhooks").fetchall()
            uses = connection.execute("SELECT invitation, subject FROM invitation_uses").fetchall()
        assert (said["rooms"], said["tombstones"]) == (4, 1)
        assert in_database(postgres_url, "SELECT id, secret FROM webhooks") == secrets
        assert in_database(postgres_url, "SELECT invitation, subject FROM invitation_uses") == uses == [uses[0]]
        assert tell(data, "rooms", "verify") == {"rooms": 4, "problems": []}
        listed = [tell(data, *which) for which in LISTS]
        relay.start()
        assert "PostgreSQL at" in "".join(relay.output)
        assert documents(relay, *old.rooms) == old.documents
        assert status(relay, old.good["token"], "u/ada/log") == 200
        assert status(relay, old.bad["token"], "u/ada/log") == 401
        with client_of(relay, "cy") as cy, client_of(relay, "ada") as ada:
            joined = cy.post("/invitations/accept", json={"token": old.invitation}).raise_for_status().json()
            assert (joined["room"], joined["role"]) == (old.group, "editor")
            assert ada.get(at("u/ada/deleted", "/document")).status_code == 410
            for room in old.rooms[:3]:
                post(ada, room, edited(Doc(), afterwards=1)).raise_for_status()
        posted(relay, "bob", old.group, "a new thread")
        assert tell(data, "rooms", "verify") == {"rooms": 4, "problems": []}
        assert relay.terminate() == 0
        monkeypatch.delenv(URL)
        assert [tell(data, *which) for which in LISTS] == listed
        relay.start()


def test_what_was_killed_on_the_way_left_nothing_and_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    filled(tmp_path, "one", "two")
    tell(tmp_path, "webhooks", "add", "https://index.example/changed")
    monkeypatch.setenv(URL, postgres_url)
    assert tell(tmp_path, "rooms", "list") == []  # makes the schema
    with psycopg.connect(postgres_url, autocommit=True, options="-csearch_path=crdt_sync") as connection:
        connection.execute(
            "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END'"
        )
        connection.execute("CREATE TRIGGER stop BEFORE INSERT ON webhooks FOR EACH ROW EXECUTE FUNCTION stop()")
        connection.execute("SELECT pg_advisory_lock(7)")
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        with subprocess.Popen([*COMMAND, "move-to-postgres", "--data", str(tmp_path)]) as process:
            until(lambda: connection.execute(waiting).fetchall() == [(1,)])  # all but the webhooks was sent
            other = call(tmp_path, "move-to-postgres")
            assert (other.returncode, b"in use by another process" in other.stderr) == (1, True)
            with psycopg.connect(postgres_url, autocommit=True, options="-clock_timeout=1ms") as relay:
                with pytest.raises(psycopg.errors.LockNotAvailable):  # nobody comes between
                    relay.execute("INSERT INTO crdt_sync.rooms (room) VALUES ('three')")
                assert relay.execute("SELECT count(*) FROM crdt_sync.rooms").fetchall() == [(0,)]
            os.kill(process.pid, signal.SIGKILL)
        connection.execute("SELECT pg_advisory_unlock(7)")
        connection.execute("DROP TRIGGER stop ON webhooks")  # waits until the server has noticed
        assert connection.execute("SELECT count(*) FROM rooms").fetchall() == [(0,)]
    assert tell(tmp_path, "move-to-postgres")["rooms"] == 2
    assert tell(tmp_path, "rooms", "verify") == {"rooms": 2, "problems": []}
    assert len(tell(tmp_path, "webhooks", "list")) == 1


def test_a_terminal_sees_how_far_a_large_store_is(tmp_path: Path, postgres_url: str) -> None:
    async def fill() -> None:
        store = await SqliteStore.open(tmp_path / "relay.sqlite3", durability="normal")
        await store.compact("room", [os.urandom(1024 * 1024)] * 33, 0)
        await store.close()

    asyncio.run(fill())
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as terminal, open(theirs, "wb") as its_end:
        environment = {**os.environ, URL: postgres_url, "TERM": "xterm", "COLUMNS": "100"}
        command = [*COMMAND, "move-to-postgres", "--data", str(tmp_path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=its_end, check=True, timeout=60, env=environment)
        shown = terminal.read(100_000)
    assert done.stdout.startswith(b"1 room, 33.0 MiB, ")
    assert b"checking and copying" in shown
    assert b"%" in shown


def test_a_relay_that_has_the_empty_database_open_hears_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    filled(tmp_path / "data", "one", "two")
    tell(tmp_path / "data", "rooms", "delete", "one", "--yes")
    monkeypatch.setenv(URL, postgres_url)
    with RelayProcess(tmp_path / "other") as relay, client_of(relay, None) as client:
        assert contents(client.get(at("two", "/document")).content) == {}  # it is open now, and empty
        ((before,),) = in_database(postgres_url, "SELECT number FROM last_notice")
        tell(tmp_path / "data", "move-to-postgres")
        assert in_database(postgres_url, "SELECT number, (SELECT count(*) FROM notices) FROM last_notice") == [
            (before + 1, 0)
        ]
        until(lambda: contents(client.get(at("two", "/document")).content) == {"m": {"key": "two"}})
        assert client.get(at("one", "/document")).status_code == 410


def test_people_are_told_what_was_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> None:
    filled(tmp_path, "one", "two")
    monkeypatch.setenv(URL, postgres_url)
    done = call(tmp_path, "move-to-postgres")
    first, second = done.stdout.decode().splitlines()
    assert first.startswith("2 rooms, ")
    assert first.endswith(
        "0 tombstones, 0 members, 0 invitations, 0 lines of the audit, 0 tokens, 0 devices, 0 webhooks"
    )
    assert second.startswith(f"all of {tmp_path / 'relay.sqlite3'} is in PostgreSQL at 127.0.0.1:")
    assert done.stderr == b""

"""The steps of docs/runbook.md, with a real PostgreSQL, real relays and devices."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from crdt_sync import blocking
from tests.postgres_recovery import Recovered
from tests.postgres_server import PASSWORD, PostgresServer, binaries
from tests.redis_server import RedisServer
from tests.relay import RelayProcess

PAGE = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text("utf-8")
WITHIN_S = 30.0
URL = "CRDT_SYNC_SERVER_DATABASE_URL"


def shown(title: str) -> str:
    found = re.search(rf'^ *```\w+ title="{re.escape(title)}"\n(.*?)^ *```$', PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def run(script: str, folder: Path, **environment: str) -> str:
    """Run what the page shows, as it stands there."""
    programs = binaries()
    path = f"{Path(sys.executable).parent}:{programs}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-eu", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, **environment, "PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def notes(library: blocking.Library) -> set[str]:
    return {note.text for note in library.notes()}


def saved(library: blocking.Library, *texts: str) -> None:
    for text in texts:
        library.add_note(text)
    assert library.synced(WITHIN_S)


@contextmanager
def seen_by_a_new_device(relay: RelayProcess, room: str, folder: Path) -> Iterator[set[str]]:
    with blocking.open_library(folder, relay=relay.url, room=room) as library:
        assert library.synced(WITHIN_S)
        yield notes(library)


@pytest.fixture
def archive() -> Iterator[Path]:
    """A folder that the server may write to, which is a user of its own where the tests run as root."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o777)
        yield path


def with_archive(settings: str, archive: Path) -> dict[str, str]:
    pairs = [line.partition(" = ") for line in settings.replace("/archive", str(archive)).splitlines()]
    return {name: value.strip("'") for name, _, value in pairs}


def test_a_restore_to_a_moment_loses_what_no_device_has_and_lets_nothing_deleted_come_back(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(**with_archive(shown("archive"), archive)))
        url = server.url(server.create())
        monkeypatch.setenv(URL, url)
        restored = stack.enter_context(Recovered(server, archive))
        relays = [stack.enter_context(RelayProcess(tmp_path / f"relay{number}")) for number in range(2)]
        one, two = relays
        ada = stack.enter_context(blocking.open_library(tmp_path / "ada", relay=one.url, room="shared"))
        ben = stack.enter_context(blocking.open_library(tmp_path / "ben", relay=two.url, room="shared"))
        with blocking.open_library(tmp_path / "cy", relay=one.url, room="deleted later") as cy:
            saved(cy, "what was deleted")
        token = run("crdt-sync-server tokens create ada", tmp_path, **{URL: url}).split()[-1]
        saved(ada, "before")
        server.run("SELECT pg_create_restore_point('noon')")
        saved(ada, "after, by ada")
        saved(ben, "after, by ben")
        with blocking.open_library(tmp_path / "gone", relay=one.url, room="of a device that is lost") as gone:
            saved(gone, "nobody has this any more")
        run('crdt-sync-server rooms delete --yes "deleted later"', tmp_path, **{URL: url})
        (token_id,) = re.findall(r'"id": "(\w+)"', run("crdt-sync-server tokens list --json", tmp_path, **{URL: url}))
        run(f"crdt-sync-server tokens revoke {token_id}", tmp_path, **{URL: url})
        server.run("SELECT pg_switch_wal()")

        for relay in relays:
            relay.terminate()
        run(shown("save"), tmp_path, DATABASE_URL=url)
        server.stop()
        recovery = shown("recovery").replace("/archive", str(archive))
        recovery, times = re.subn(r"recovery_target_time = .*", "recovery_target_name = 'noon'", recovery)
        assert times == 1
        restored.restore(recovery)
        run(shown("carry over"), tmp_path, DATABASE_URL=url, **{URL: url})
        run("crdt-sync-server rooms verify", tmp_path, **{URL: url})
        for relay in relays:
            relay.start()

        for device in (ada, ben):
            assert device.synced(WITHIN_S)
        saved(ada, "since")
        everything = {"before", "after, by ada", "after, by ben", "since"}
        wait(lambda: notes(ben) == everything)
        with seen_by_a_new_device(two, "shared", tmp_path / "new") as found:
            assert found == everything
        with seen_by_a_new_device(one, "of a device that is lost", tmp_path / "new2") as found:
            assert found == set(), "or the page is wrong about what is lost"
        with blocking.open_library(tmp_path / "cy", relay=one.url, room="deleted later") as cy:
            wait(lambda: "deleted" in str(cy.status.last_error))
        with psycopg.connect(url) as connection:
            found_tokens = connection.execute("SELECT id, revoked_ms IS NOT NULL FROM crdt_sync.tokens").fetchall()
        assert found_tokens == [(token_id, True)]
        assert token


def test_relays_that_run_while_the_database_is_put_back_load_it_again(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which the page advises against, and a failover does: one edit is lost, and another gets its position."""
    name = postgres.create()
    url = postgres.url(name)
    monkeypatch.setenv(URL, url)
    with ExitStack() as stack:
        one, two = (stack.enter_context(RelayProcess(tmp_path / f"relay{number}")) for number in range(2))
        ada, ben, cy = (
            stack.enter_context(blocking.open_library(tmp_path / device, relay=relay.url, room="shared"))
            for device, relay in (("ada", one), ("ben", two), ("cy", one))
        )
        saved(ada, "kept")
        wait(lambda: notes(ben) == notes(cy) == {"kept"})
        dump = tmp_path / "dump"
        run('pg_dump "$DATABASE_URL" --format custom --file dump', tmp_path, DATABASE_URL=url)
        saved(ada, "lost")
        wait(lambda: notes(ben) == notes(cy) == {"kept", "lost"})
        postgres.run(f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name}")
        run('pg_restore --dbname "$DATABASE_URL" dump', tmp_path, DATABASE_URL=url)
        saved(cy, "new")
        wait(lambda: notes(ada) == notes(ben) == notes(cy) == {"kept", "lost", "new"})
        for number, relay in enumerate((one, two)):
            with seen_by_a_new_device(relay, "shared", tmp_path / f"new{number}") as found:
                assert found == {"kept", "lost", "new"}
        for relay in (one, two):
            wait(lambda relay=relay: "put back" in "".join(relay.output))  # type: ignore[misc]
        assert dump.exists()


def test_users_of_the_database_take_turns(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres.create()
    postgres.run("CREATE ROLE relay LOGIN", f"ALTER DATABASE {name} OWNER TO relay")
    try:
        with ExitStack() as stack:
            postgres.run(shown("two users"))
            monkeypatch.setenv(URL, postgres.url(name, user="relay_a", password="one that nobody guesses"))
            one = stack.enter_context(RelayProcess(tmp_path / "relay0"))
            ada = stack.enter_context(blocking.open_library(tmp_path / "ada", relay=one.url, room="room"))
            saved(ada, "by the first")
            postgres.run(shown("the other user"))
            monkeypatch.setenv(URL, postgres.url(name, user="relay_b", password="another that nobody guesses"))
            two = stack.enter_context(RelayProcess(tmp_path / "relay1"))
            ben = stack.enter_context(blocking.open_library(tmp_path / "ben", relay=two.url, room="room"))
            saved(ben, "by the other")
            wait(lambda: notes(ada) == notes(ben) == {"by the first", "by the other"})
            one.terminate()
            postgres.run(*filter(None, shown("no longer the first").split(";\n")))
            saved(ben, "still")
        owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'crdt_sync'"
        assert postgres.run(owners, database=name) == [("relay",)]
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(postgres.url(name, user="relay_a", password="one that nobody guesses"))
    finally:
        postgres.run(f"DROP DATABASE {name} WITH (FORCE)", "DROP ROLE relay_a, relay_b, relay")


def test_a_store_moves_from_a_file_to_a_database(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"OLD_DATA": str(tmp_path / "old")}
    with (
        RelayProcess(tmp_path / "old") as relay,
        blocking.open_library(tmp_path / "ada", relay=relay.url, room="room") as ada,
    ):
        saved(ada, "of long ago")
        relay.terminate()
        assert "1 room checked, 0 problems" in run(shown("check the file"), tmp_path, **where)
        ada.add_note("written meanwhile")
        said = run(shown("move all"), tmp_path, **where, **{URL: postgres_url})
        assert said.startswith("1 room, ")
        assert said.endswith("1 room checked, 0 problems\n")
        monkeypatch.setenv(URL, postgres_url)
        relay.start()
        assert ada.synced(WITHIN_S)
        with seen_by_a_new_device(relay, "room", tmp_path / "ben") as found:
            assert found == {"of long ago", "written meanwhile"}


def test_a_room_moves_from_a_file_to_a_database(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = "shelf/a b"
    with (
        RelayProcess(tmp_path / "old") as old,
        blocking.open_library(tmp_path / "ada", relay=old.url, room=room) as ada,
    ):
        saved(ada, "of long ago")
    monkeypatch.setenv(URL, postgres_url)
    with RelayProcess(tmp_path / "new") as new:
        script = f"unset {URL}\n" + shown("move a room")
        where = {
            "ROOM": room,
            "OLD_DATA": str(tmp_path / "old"),
            "TOKEN": "none",
            "RELAY": new.url.replace("ws", "http"),
        }
        run(script, tmp_path, **where)
        with seen_by_a_new_device(new, room, tmp_path / "ben") as found:
            assert found == {"of long ago"}


def test_a_user_of_redis_has_two_passwords_while_they_change(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--requirepass", "old password") as server:
        for command in re.findall(r"^    (redis-cli .*)$", PAGE, re.MULTILINE):
            assert command.startswith("redis-cli ACL")
            run(command.replace("redis-cli", f"redis-cli -e -p {server.port}"), tmp_path, REDISCLI_AUTH="old password")
            accepted = [password for password in ("old password", "new password") if takes(server.port, password)]
            assert accepted == (["old password", "new password"] if ">" in command else ["new password"])


def takes(port: int, password: str) -> bool:
    with redis.Redis(port=port, password=password) as client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return False


def test_what_the_page_links_to_is_there() -> None:
    for path in re.findall(r"\]\(([\w./-]+)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / path).exists(), path
    assert PASSWORD not in PAGE

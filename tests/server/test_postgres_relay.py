"""A relay on PostgreSQL, and the commands of an operator beside it, which go to the same database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from crdt_sync_server.config import Config
from crdt_sync_server.settings import load_settings
from tests.postgres_server import PASSWORD, PostgresServer
from tests.relay import RelayProcess
from tests.server.operating import call, call_process, edit, tell

VARIABLE = "CRDT_SYNC_SERVER_DATABASE_URL"


@pytest.fixture
def data(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the relay does not need, where the environment names a database."""
    monkeypatch.setenv(VARIABLE, postgres_url)
    return tmp_path / "data"


def test_what_devices_store_is_there_after_kill_9_and_no_file_is(
    data: Path, tmp_path: Path, postgres: PostgresServer, postgres_url: str
) -> None:
    with RelayProcess(data) as relay:
        edit(relay, tmp_path / "ada", "ada/books", "one", "two")
        relay.kill()
        relay.start()
        assert edit(relay, tmp_path / "other", "ada/books", "three") == ["one", "three", "two"]
        assert relay.terminate() == 0
        relay.start()
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
    said = "".join(relay.output)
    assert f"data in PostgreSQL at 127.0.0.1:{postgres.port}/{name}" in said
    assert PASSWORD not in said
    assert not data.exists()


def test_commands_go_to_the_database_beside_relays_that_run(data: Path, tmp_path: Path) -> None:
    with RelayProcess(data) as relay:
        edit(relay, tmp_path / "ada", "u/ada", "one", "two")
        edit(relay, tmp_path / "ben", "ben [bold]", "three")
        assert [each["name"] for each in tell(data, "rooms", "list")] == ["ben [bold]", "u/ada"]
        assert tell(data, "rooms", "show", "u/ada")["roots"]["notes"] == 2
        assert tell(data, "rooms", "verify") == {"rooms": 2, "problems": []}
        assert b"one" in call_process(data, "rooms", "export", "u/ada", "--json").stdout
        tell(data, "rooms", "compact", "u/ada")
        assert [each["log_length"] for each in tell(data, "rooms", "list")][1] == 0
        assert edit(relay, tmp_path / "again", "u/ada", "four") == ["four", "one", "two"]
        assert call(data, "grants", "set", "u/ada", "ben", "reader").returncode == 0
        assert [(each["room"], each["subject"]) for each in tell(data, "grants", "list")] == [("u/ada", "ben")]
        assert [each["what"] for each in tell(data, "audit")] == ["role"]
        token = tell(data, "tokens", "create", "ada")
        assert [each["id"] for each in tell(data, "tokens", "list")] == [token["id"]]
        assert call(data, "tokens", "revoke", token["id"]).returncode == 0
        assert call(data, "webhooks", "add", "https://a.example").returncode == 0
        (hook,) = tell(data, "webhooks", "list")
        assert call(data, "webhooks", "remove", hook["id"]).returncode == 0
        assert call(data, "rooms", "delete", "ben [bold]", "--yes").returncode == 0
        deleted = call(data, "users", "delete", "ada", "--yes", "--json")
        assert deleted.returncode == 0, deleted.stderr
        assert json.loads(deleted.stdout)["erased"] is False
        assert b"PostgreSQL keeps" in call(data, "users", "delete", "ben", "--yes").stdout
        assert call(data, "rooms", "show", "u/ada").returncode == 1
    assert not data.exists()


def test_a_backup_is_postgresqls_own(data: Path, tmp_path: Path) -> None:
    for command in (["backup", str(tmp_path / "copy")], ["restore", str(tmp_path / "copy")]):
        done = call(data, *command)
        assert done.returncode == 1
        assert b"pg_dump" in done.stderr
        assert b"docs/postgres.md" in done.stderr
    assert not (tmp_path / "copy").exists()


def test_a_database_that_cannot_be_had_is_one_line(
    data: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error, with status 1, and never with the password."""
    wrong = "postgresql://postgres:geheim%20sehr@127.0.0.1:1/relay"
    for url, words in ((wrong, b"127.0.0.1:1/relay"), (f"{wrong}/%", b"no PostgreSQL URL"), ("x y=geheim%20sehr", b"")):
        monkeypatch.setenv(VARIABLE, url)
        for command in (["serve", "--port", "0"], ["rooms", "list"]):
            done = call_process(data, *command)
            assert (done.returncode, done.stderr.count(b"\n"), done.stdout) == (1, 1, b"")
            assert done.stderr.startswith(b"crdt-sync-server: ")
            assert words in done.stderr
            assert b"geheim" not in done.stderr


def test_the_password_may_lie_in_libpqs_own_file(
    data: Path, tmp_path: Path, postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And host, port and the rest in its variables."""
    name = str(psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"])
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{postgres.port}:*:postgres:{PASSWORD}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    monkeypatch.setenv(VARIABLE, f"postgresql://postgres@127.0.0.1:{postgres.port}/{name}")
    assert tell(data, "rooms", "list") == []
    for variable, value in (("PGHOST", "127.0.0.1"), ("PGPORT", str(postgres.port)), ("PGUSER", "postgres")):
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("PGDATABASE", name)
    monkeypatch.setenv(VARIABLE, "postgresql://")
    assert tell(data, "rooms", "list") == []


def test_the_url_is_no_flag_and_is_never_shown(tmp_path: Path, postgres_url: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"database-url = {json.dumps(postgres_url)}\n")
    done = call(tmp_path, "settings", "--config", str(file))
    assert b"set, and not shown" in done.stdout
    assert PASSWORD.encode() not in done.stdout
    assert load_settings({}, {}, file).config.database_url == postgres_url
    assert PASSWORD not in repr(load_settings({}, {}, file))
    assert PASSWORD not in repr(Config(database_url=postgres_url))
    assert call(tmp_path, "serve", "--database-url", postgres_url).returncode == 2


def test_without_its_driver_the_extra_is_named(tmp_path: Path) -> None:
    for module in ("psycopg", "psycopg_pool"):
        script = f"import sys; sys.modules[{module!r}] = None; from crdt_sync_server.cli import main; main()"
        command = [sys.executable, "-c", script, "rooms", "list"]
        done = subprocess.run(
            command, env={VARIABLE: "postgresql://"}, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        assert "pip install 'crdt-sync[server,postgres]'" in done.stderr

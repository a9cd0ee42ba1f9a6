"""docs/postgres.md: its statements and commands are run as they stand, on a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from crdt_sync_server.stores.postgres import PostgresStore
from tests.postgres_server import PostgresServer, binaries
from tests.server.operating import call_process

PAGE = (Path(__file__).parents[2] / "docs" / "postgres.md").read_text("utf-8")
VARIABLE = "CRDT_SYNC_SERVER_DATABASE_URL"

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def statements() -> list[str]:
    """Return the SQL of the page."""
    blocks = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [each.strip() for block in blocks for each in block.split(";") if each.strip()]


def shell(command: str) -> str:
    """Return the line of the page that begins with `command`."""
    (found,) = re.findall(rf"^    ({command} .*)$", PAGE, re.MULTILINE)
    return str(found)


async def test_the_page_is_followed_from_the_first_statement_to_a_restored_dump(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role with its own database, nothing else; a dump that is put back elsewhere holds all that was stored."""
    role, database, schema, vacuum = statements()
    for statement in (role, database):
        postgres.run(statement)
    exported = shell("export")
    assert f"{VARIABLE}='postgresql://relay:{quote('change me')}@db.example:5432/relay?sslmode=verify-full'" in exported
    url = f"postgresql://relay:{quote('change me')}@127.0.0.1:{postgres.port}/relay"
    store = await PostgresStore.open(url)
    for _ in range(5):
        await store.append("room", b"\x00\x00")
    await store.compact("room", [b"\x00\x00"], 4)
    postgres.run(vacuum, database="relay")
    await store.close()
    monkeypatch.setenv(VARIABLE, url)
    listed = call_process(tmp_path, "rooms", "list", "--json")
    assert [each["name"] for each in json.loads(listed.stdout)] == ["room"], listed.stderr
    restored = postgres.create()
    programs = binaries()
    assert programs is not None
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "EMPTY_DATABASE_URL": postgres.url(restored),
    }
    for command in ("pg_dump", "pg_restore"):
        subprocess.run(shell(command), shell=True, check=True, env=environment, cwd=tmp_path, timeout=60)
    again = await PostgresStore.open(postgres.url(restored))
    assert list((await again.load("room")).updates) == [b"\x00\x00"] * 2
    assert await again.append("room", b"\x00\x00") == 6
    await again.close()
    for name in ("relay", restored):
        postgres.run(f"DROP DATABASE {name} WITH (FORCE)")
    await _with_a_schema_made_for_it(postgres, schema)
    postgres.run("DROP ROLE relay")


async def _with_a_schema_made_for_it(postgres: PostgresServer, schema: str) -> None:
    name = postgres.create()
    postgres.run(schema, database=name)
    store = await PostgresStore.open(postgres.url(name, user="relay", password="change me"))
    await store.check()
    await store.close()
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")

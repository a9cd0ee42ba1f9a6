"""What an operator does: the commands, here or in processes of their own, and edits to have something to look at."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from typer.testing import CliRunner

from crdt_sync import open_library
from crdt_sync_server.cli.app import app
from tests.relay import RelayProcess

COMMAND = (sys.executable, "-m", "crdt_sync_server")


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to."""

    returncode: int
    stdout: bytes
    stderr: bytes


def call(data: Path, *arguments: str, text: str | None = None) -> Done:
    """Run a command on the store in `data`, with `text` on its standard input, in this process."""
    result = CliRunner().invoke(app, [*arguments, "--data", str(data)], input=text)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout_bytes, result.stderr_bytes)


def call_process(data: Path, *arguments: str) -> Done:
    """Run a command in a process of its own."""
    done = subprocess.run([*COMMAND, *arguments, "--data", str(data)], capture_output=True, timeout=60, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def tell(data: Path, *arguments: str) -> Any:
    """Run a command with `--json`, which must succeed, and return what it prints."""
    done = call(data, *arguments, "--json")
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def edit(relay: RelayProcess, library: Path, room: str, *titles: str) -> list[str]:
    """Open a library in step with the relay, add notes, wait until they are durable there; return all titles."""

    async def work() -> list[str]:
        async with open_library(library, relay=relay.url, room=room) as opened:
            for title in titles:
                await opened.add_note(f"body of {title}", title=title)
            assert await opened.synced(timeout_s=20), opened.status
            return sorted(note.title for note in await opened.notes())

    return anyio.run(work)

"""What several tests share: real Yjs in node, behind a pipe, and a real PostgreSQL server."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.postgres_server import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

settings.register_profile("crdt-sync", deadline=None, print_blob=True)
settings.load_profile("crdt-sync")

INTEROP = Path(__file__).parent / "interop"


class Yjs:
    """Calls into `tests/interop/oracle.mjs`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, call: str, argument: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": call, "argument": argument}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"node stopped at {call}({argument!r})"
        return json.loads(line)


@pytest.fixture(scope="session")
def yjs() -> Iterator[Yjs]:
    process = subprocess.Popen(
        ["node", "oracle.mjs"], cwd=INTEROP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield Yjs(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background: programs under test inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

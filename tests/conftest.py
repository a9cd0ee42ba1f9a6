"""What several tests share: real Yjs in node, a real PostgreSQL server; and in which order two workers take files."""

from __future__ import annotations

import json
import os
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
LONG = (
    "tests/simulation/test_convergence.py",
    "tests/simulation/test_whole.py",
    "tests/blocking/test_closing.py",
    "tests/sync/test_polling.py",
    "tests/server/api/test_description.py",
    "tests/library/test_library.py",
    "tests/server/test_hostile_sockets.py",
    "tests/web/test_document.py",
    "tests/server/test_fuzz.py",
    "tests/storage/test_salvage.py",
    "tests/library/test_kill.py",
    "tests/testing/test_script.py",
    "tests/storage/test_merge.py",
)
"""Files that take long. Workers begin with them, so that none is left with one when the others are done."""


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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        places = {file: place for place, file in enumerate(LONG)}
        items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONG)))


for name in ("COLUMNS", "LINES"):  # readline, which pytest loads, sets them for its workers; a console obeys
    os.environ.pop(name, None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background: programs under test inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

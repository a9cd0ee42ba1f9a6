"""What an import brings with it, in a process of its own, and what the package gives under its name."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

import crdt_sync

ENGINE = (
    "document",
    "feeds",
    "groups",
    "library",
    "live",
    "organising",
    "queries",
    "replica",
    "sharing",
    "storage",
    "sync",
    "upkeep",
    "worker",
)
OF_THE_ENGINE_ALONE = {"httpx", "httpx_ws", "sqlite_utils", *(f"crdt_sync.{name}" for name in ENGINE)}


def brought_by(statement: str) -> set[str]:
    """Return the modules that a new process has once it has run `statement`."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("module", "too_much"),
    [
        ("crdt_sync.protocol.session", OF_THE_ENGINE_ALONE | {"anyio", "pycrdt", "sqlite3"}),
        ("crdt_sync_server.app", OF_THE_ENGINE_ALONE | {"hypercorn", "rich", "sqlite3", "typer"}),
        ("crdt_sync_server.cli.app", OF_THE_ENGINE_ALONE | {"rich.console", "rich.table"}),
    ],
)
def test_an_import_brings_no_more_than_is_needed(module: str, too_much: set[str]) -> None:
    found = brought_by(f"import {module}")
    assert module in found
    assert not found & too_much


def test_every_public_name_is_there_and_comes_from_where_a_type_checker_finds_it() -> None:
    assert set(crdt_sync.__all__) <= set(dir(crdt_sync))
    for name in crdt_sync.__all__:
        value = getattr(crdt_sync, name)
        assert getattr(importlib.import_module(value.__module__), name) is value
        assert vars(crdt_sync)[name] is value  # it is asked for once


def test_a_star_brings_every_public_name() -> None:
    program = "before = set(globals())\nfrom crdt_sync import *\nnames = sorted(set(globals()) - before - {'before'})"
    done = subprocess.run([sys.executable, "-c", f"{program}\nprint(*names)"], capture_output=True, text=True)
    assert done.stdout.split() == sorted(crdt_sync.__all__), done.stderr


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'crdt_sync' has no attribute 'nothing'"):
        crdt_sync.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="nothing"):
        from crdt_sync import nothing  # type: ignore[attr-defined]  # noqa: F401

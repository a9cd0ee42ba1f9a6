"""What docs/history.md and docs/reading.md show is run, and every command and name in them exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from crdt_sync import Library
from crdt_sync.cli.app import app
from crdt_sync.reading import Reading

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("page", "says"), [("history", "1 0\n"), ("reading", "later Exod.3.1 Phone\n")])
def test_the_example_runs(page: str, says: str, tmp_path: Path) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == says


@pytest.mark.parametrize("page", ["history", "reading"])
def test_every_command_that_is_named_exists_and_none_is_left_out(page: str) -> None:
    root = typer.main.get_command(app)
    named = set()
    for words in re.findall(r"`crdt-sync ([^`]+)`", text(page)):
        command, rest = root, words.split()
        while hasattr(command, "commands"):
            command = command.commands[rest.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("-")} <= options, words
        named.add(command.name)
    groups = {"history": ("trash", "version"), "reading": ("bookmark", "position")}[page]
    for group in groups:
        assert set(root.commands[group].commands) <= named, group  # type: ignore[attr-defined]


def test_every_method_is_named() -> None:
    pages = text("history") + text("reading")
    for thing, names in (
        (Library, ("undo", "redo", "steps", "forget_steps", "trash", "empty_trash", "purge_everywhere")),
        (Library, ("save_version", "versions", "at_version", "add_bookmark", "rename_bookmark", "bookmarks")),
        (Reading, ("set_position", "positions", "suggestion", "decline", "devices", "name_device", "forget_devices")),
    ):
        for name in names:
            assert hasattr(thing, name)
            assert re.search(rf"\b{name}\b", pages), name


def text(page: str) -> str:
    return (DOCS / f"{page}.md").read_text("utf-8")

"""What docs/organising.md shows is run, and every command that it names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer.main

from crdt_sync.cli.app import app
from crdt_sync.storage.filters import SORTS, Filters
from crdt_sync.storage.search import LOOKED_AT, RANKED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "organising.md").read_text("utf-8")


def test_the_example_runs(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "['Let there be [light]'] True",
        "['Gen.1.3', 'Gen.10.1']",
        "[('KJV', 2)] [TagCount(tag='light', items=1)]",
        "True",
        "True",
        "['[[On Light]]']",
    ]


def test_every_command_and_option_that_is_named_exists() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = re.findall(r"^    crdt-sync (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert len(named) > 8
    for line in named:
        words = line.split()
        command = commands[words[0]]
        command = command.commands[words[1]] if hasattr(command, "commands") else command
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert set(re.findall(r"(?<= )--[a-z-]+", line)) <= options, line


def test_filters_orders_and_bounds_are_those_of_the_code() -> None:
    table = PAGE.partition("| filter | gives |")[2].partition("\n\n")[0]
    rows = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", rows)) == set(Filters.__annotations__)
    assert all(f"`{sort}`" in PAGE for sort in SORTS)
    assert f"{RANKED:,} are ranked, of the newest {LOOKED_AT:,}" in PAGE

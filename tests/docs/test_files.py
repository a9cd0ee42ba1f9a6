"""What docs/files.md shows is run, and every command that it names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer.main

from crdt_sync import errors
from crdt_sync.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text("utf-8")


def test_the_stick_goes_from_one_library_to_the_other(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 2\n"


def test_every_command_and_error_that_is_named_exists() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = re.findall(r"(?:`|^    )crdt-sync ([a-z-]+)([^`\n]*)", PAGE, re.MULTILINE)
    assert len(named) > 10
    for name, rest in named:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<= )--?[a-zA-Z-]+", rest.partition(" #")[0])) <= options, (name, rest)
    for error in re.findall(r"`([A-Z]\w+)`", PAGE):
        assert error == "VACUUM" or hasattr(errors, error), error

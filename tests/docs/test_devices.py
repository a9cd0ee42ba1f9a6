"""What docs/devices.md shows is run, its commands exist, and each selector and bound that it names is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import typer.main

from crdt_sync.cli.app import app
from crdt_sync.interchange import bounds, kindle, kobo, koreader, readwise
from crdt_sync.interchange.kindle_languages import LANGUAGES
from crdt_sync.interchange.registry import FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "devices.md").read_text("utf-8")


def test_the_example_says_what_it_says(tmp_path: Path) -> None:
    ((block, said),) = re.findall(r"^```python\n(.*?)^```\n\n((?:    [^\n]*\n)+)", PAGE, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == re.sub(r"^    ", "", said, flags=re.MULTILINE)


def test_every_command_exists() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = re.findall(r"^    crdt-sync ([a-z]+) (.*)$", PAGE, re.MULTILINE)
    assert len(named) > 4
    for name, rest in named:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        words = shlex.split(rest)
        assert {word for word in words if word.startswith("--")} <= options, (name, rest)
        if "--format" in words:
            assert FORMATS[words[words.index("--format") + 1]].exported


def test_selectors_languages_and_bounds_are_those_of_the_code() -> None:
    for name in (kindle.LOCATION, kindle.PAGE, kobo.POSITION, koreader.POSITION, readwise.LOCATION):
        assert f"`{name}`" in PAGE
    assert len(LANGUAGES) == len(
        re.findall(r"English.*?simplified\)", PAGE, re.DOTALL)[0].replace(" and ", ", ").split(",")
    )
    told = (bounds.MAX_BYTES, koreader.MAX_SIDECAR_BYTES, kobo.MAX_DATABASE_BYTES, bounds.MAX_STREAMED_BYTES)
    assert told == (64 << 20, 32 << 20, 4 << 30, 1 << 30)
    assert (bounds.MAX_NESTING, bounds.MAX_RECORDS, bounds.MAX_RECORD_CHARACTERS) == (100, 10**6, 10**6)

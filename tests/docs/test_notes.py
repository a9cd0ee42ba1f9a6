"""docs/notes.md runs, and prints what it says."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import typer.main

from crdt_sync.cli.app import app
from crdt_sync.document.rich import MAX_MARKDOWN
from crdt_sync.document.rich.parsing import MAX_NESTING
from tests.document.rich.test_html import TAGS

PAGE = (Path(__file__).parents[2] / "docs" / "notes.md").read_text("utf-8")


def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = PAGE.partition("then as HTML:\n\n")[2].partition("\n\n## ")[0]
    assert done.stdout.strip() == textwrap.dedent(printed).strip()


def test_the_bounds_elements_and_options_that_it_names_are_those_that_are() -> None:
    assert f"{MAX_MARKDOWN:,} characters of Markdown" in PAGE
    assert f"at most {MAX_NESTING - 1} deep" in PAGE
    named = PAGE.partition("It has the elements")[2].partition("and no attributes")[0]
    assert set(re.findall(r"`(\w+)`", named)) | {f"h{level}" for level in range(1, 7)} == TAGS
    commands = typer.main.get_command(app).commands["note"].commands  # type: ignore[attr-defined]
    for command, option in re.findall(r"^    crdt-sync note (\w+).*?(--\w+)?", PAGE, re.MULTILINE):
        assert command in commands
        assert not option or option in {each for parameter in commands[command].params for each in parameter.opts}

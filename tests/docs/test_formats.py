"""docs/formats.md against the code: its snippet runs, and formats, commands, errors and bounds are the code's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer.main

from crdt_sync import errors
from crdt_sync.cli.app import app
from crdt_sync.document.imported import MAX_RECORD_BYTES
from crdt_sync.interchange.identity import NAMESPACE
from crdt_sync.interchange.registry import FORMATS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "formats.md").read_text("utf-8")


def test_the_snippet_runs(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["1 written", "epub 1 came in", "0 new, 1 there already"]


def test_every_format_has_its_row_or_its_page() -> None:
    devices = (DOCS / "devices.md").read_text("utf-8") if (DOCS / "devices.md").exists() else ""
    for name in FORMATS:
        assert f"`{name}`" in PAGE or name in devices.lower(), name


def test_every_command_error_and_link_exists() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, rest in re.findall(r"^    crdt-sync ([a-z]+)(.*)$", PAGE, re.MULTILINE):
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<= )--[a-z-]+", rest.partition(" # ")[0])) <= options
    for error in ("UnreadableFile", "InvalidEdit", "StorageError"):
        assert f"`{error}`" in PAGE
        assert hasattr(errors, error)
    for path in re.findall(r"\]\(([\w./-]+\.(?:md|json))\)", PAGE):
        assert (DOCS / path).exists() or path == "devices.md", path


def test_bounds_and_the_namespace_are_those_of_the_code() -> None:
    protocol = (DOCS / "protocol.md").read_text("utf-8")
    assert f"{MAX_RECORD_BYTES // 1024} KiB" in PAGE
    assert f"{MAX_RECORD_BYTES // 1024} KiB" in protocol
    assert str(NAMESPACE) in protocol

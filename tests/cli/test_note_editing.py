"""`crdt-sync note edit` with real editors: programs that change the file, fail, or take their time."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.cli.devices import Here

BODY = "# Title\n\nfirst *line*\n\nsecond line\n\nthird line"
SAID = BODY.replace("*", "_")


class Writer(Here):
    """A person with an editor: each call of `edits` says what the editor does with the file at `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.temporary = path.parent / "tmp"
        self.temporary.mkdir()
        self.environment |= {"VISUAL": ""}

    def edits(self, code: str) -> None:
        script = self.path.parent / "editor with spaces.py"
        script.write_text(f"import pathlib, subprocess, sys\npath = pathlib.Path(sys.argv[1])\n{code}\n")
        self.environment["EDITOR"] = f"{sys.executable} '{script}'"

    @property
    def left(self) -> list[str]:
        return [each.read_bytes().decode(errors="replace") for each in self.temporary.iterdir()]


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    writer = Writer(tmp_path / "a.sqlite3")
    monkeypatch.setattr(tempfile, "tempdir", str(writer.temporary))
    writer("init")
    return writer


@pytest.fixture
def note(writer: Writer, tmp_path: Path) -> str:
    (tmp_path / "body.md").write_text(f"\ufeff{BODY}\n", encoding="utf-8")
    return str(writer.json("note", "add", "--file", str(tmp_path / "body.md"))["id"])


def test_markdown_comes_in_from_a_file_or_a_pipe_and_goes_out(writer: Writer, note: str) -> None:
    assert writer("note", "show", note, "--format", "markdown") == f"{SAID}\n"
    assert "<p>first <em>line</em></p>" in writer("note", "show", note, "--format", "html")
    assert writer("note", "show", note) == "Title\nfirst line\nsecond line\nthird line\n"
    assert writer.json("note", "show", note, "--format", "markdown")["markdown"] == SAID
    command = [sys.executable, "-m", "crdt_sync.cli", "note", "add", "--file", "-"]
    piped = subprocess.run(command, env=writer.environment, input=b"**so**", capture_output=True, check=True)
    assert writer("note", "show", piped.stdout.decode().strip(), "--format", "markdown") == "**so**\n"
    assert "give the note's text" in writer("note", "add", status=1)
    assert (
        writer("note", "show", writer("note", "add", "-m", "`x`").strip(), "--format", "html")
        == "<p><code>x</code></p>\n"
    )


def test_an_edit_is_written_back_and_what_others_wrote_meanwhile_stays(writer: Writer, note: str) -> None:
    append = f"[sys.executable, '-m', 'crdt_sync.cli', 'note', 'append', '{note}', 'meanwhile']"
    writer.edits(f"subprocess.run({append}, check=True)\npath.write_text(path.read_text().replace('second', 'SECOND'))")
    writer("note", "edit", note)
    assert writer("note", "show", note, "--format", "markdown") == f"{SAID.replace('second', 'SECOND')}\n\nmeanwhile\n"
    assert writer.left == []


def test_a_file_that_was_not_changed_is_no_edit(writer: Writer, note: str) -> None:
    writer.edits("path.write_text(path.read_text())")
    before = writer("state-vector")
    assert "nothing was changed" in writer("note", "edit", note)
    assert writer("state-vector") == before
    assert writer.left == []


def test_what_cannot_be_written_back_is_kept_in_a_file(writer: Writer, note: str) -> None:
    for code, said, kept in (
        ("path.write_text('mine'); sys.exit(3)", "status 3", ["mine"]),
        ("sys.exit(3)", "status 3", []),
        ("path.write_bytes(b'mine \\xff')", "UTF-8", ["mine \ufffd"]),
        ("path.write_text('> ' * 99 + 'mine')", "flatter", ["> " * 99 + "mine"]),
        ("path.unlink()", "cannot be read", []),
    ):
        writer.edits(code)
        error = writer("note", "edit", note, status=1)
        assert said in error
        assert writer.left == kept
        named = re.search(r"kept in (\S+)", error)
        assert (named is not None) == bool(kept)
        if named is not None:
            assert Path(named[1]).stat().st_mode & 0o77 == 0
            Path(named[1]).unlink()
    assert writer("note", "show", note, "--format", "markdown") == f"{SAID}\n"


def test_a_library_that_went_away_and_an_editor_that_is_none_lose_nothing(writer: Writer, note: str) -> None:
    writer.environment["EDITOR"] = "no-such-editor"
    assert "name one in $VISUAL or $EDITOR" in writer("note", "edit", note, status=1)
    assert writer.left == []
    writer.edits(f"path.write_text('mine'); pathlib.Path({str(writer.path)!r}).write_bytes(b'no library' * 1000)")
    error = writer("note", "edit", note, status=1)
    assert "kept in" in error
    assert writer.left == ["mine"]

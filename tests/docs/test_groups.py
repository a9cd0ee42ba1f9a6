"""What docs/groups.md shows is run as two people, and every command and error that it names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer.main

from crdt_sync import blocking, errors, sharing
from crdt_sync.cli.app import app
from crdt_sync.protocol.person import COLORS
from crdt_sync.sharing.copying import NAMESPACE
from tests.server.api.tokens import token, token_relay

PAGE = (Path(__file__).parents[2] / "docs" / "groups.md").read_text("utf-8")
WHICH_ROOM = """
import sqlite3
(room,) = sqlite3.connect("ben-circle.sqlite3").execute("SELECT room FROM state").fetchone()
"""


def test_the_snippets_run_as_two_people(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    with token_relay(tmp_path) as relay:
        tokens = "".join(f"token_of_{who} = lambda: {token(who)!r}\n" for who in ("ada", "ben"))
        script = "\n".join((tokens, *blocks, WHICH_ROOM, "anyio.run(show_who_reads, room)"))
        done = subprocess.run(
            [sys.executable, "-c", script.replace("wss://relay.example", relay.url)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Gen.1.1 green shared by ada ''\n"


def test_the_colors_of_the_protocol_are_those_of_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
    assert tuple(re.findall(r"#[0-9a-f]{6}", page)) == COLORS
    assert f"modulo {len(COLORS)}" in page
    assert str(NAMESPACE) in page


def test_every_command_error_and_method_that_is_named_exists() -> None:
    commands = typer.main.get_command(app).commands["groups"].commands  # type: ignore[attr-defined]
    for name, rest in re.findall(r"^    crdt-sync groups ([a-z]+)(.*)$", PAGE, re.MULTILINE):
        shown, _, told = rest.partition("#")
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z]+", shown)) <= options
        if name == "list":
            assert {*re.findall(r"\w+", told)} - {"and"} <= set(commands)
            assert set(commands) - {*re.findall(r"\w+", told)} == {"create", "invite", "accept", "copy", "list"}
    for error in re.findall(r"`((?:\w+(?:Error|Needed|Refused|Unavailable)|No[A-Z]\w+))`", PAGE):
        assert hasattr(errors, error), error
    methods = re.search(r"`open_groups` has the rest: (.*?)\. Every", PAGE, re.DOTALL)
    assert methods is not None
    for method in re.findall(r"`(\w+)`", methods[1]):
        assert hasattr(sharing.Groups, method)
        assert hasattr(blocking.Groups, method)

"""What docs/discussions.md shows is run, and its bounds and codes are the relay's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer.main

from crdt_sync.cli.app import app
from crdt_sync_server import discussion
from crdt_sync_server.actions import MAX_REACTION_BYTES, MAX_TEXT_BYTES, NEEDS, Do
from crdt_sync_server.api.problems import CODES
from tests.discussions.test_together import group_of
from tests.server.api.tokens import token, token_relay

PAGE = (Path(__file__).parents[2] / "docs" / "discussions.md").read_text("utf-8")


def test_the_snippet_talks_to_a_relay(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    with token_relay(tmp_path) as relay:
        given = f"RELAY, GROUP = {relay.url!r}, {group_of(relay)!r}\n\n\ndef get_token(): return {token('ada')!r}\n\n\n"
        done = subprocess.run(
            [sys.executable, "-c", "\n".join((given, *blocks))],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "the relay has them: True",
        "Ada sent Why a wood?",
        "Ada sent Let us ask Virgil.",
        "2 posts, 0 unread",
        "the relay has it: True",
        "threads have changed",
    ]


def test_every_command_is_there_and_told() -> None:
    commands = typer.main.get_command(app).commands["discussions"].commands  # type: ignore[attr-defined]
    (section,) = re.findall(r"^## On the command line\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    told = re.findall(r"^    crdt-sync discussions ([a-z]+)(.*)$", section, re.MULTILINE)
    for name, rest in told:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z]+", rest)) <= options
    assert set(commands) <= set(re.findall(r"[a-z]+", "\n".join(f"{name} {rest}" for name, rest in told)))


def test_actions_codes_and_bounds_are_those_of_the_relay() -> None:
    for do in Do:
        assert f"`{do}`" in PAGE or f'"do": "{do}"' in PAGE, do
        assert NEEDS[do]
    for code in ("forbidden", "no-such-room", "no-such-post", "discussion-full", "discussion"):
        assert f"`{code}`" in PAGE
        assert code in CODES
    for bound in (MAX_TEXT_BYTES, discussion.MAX_POSTS, discussion.MAX_THREADS):
        assert f"| {bound:,}" in PAGE
    assert f"| {discussion.MAX_REACTIONS}, of {MAX_REACTION_BYTES} bytes" in PAGE
    assert f"last\n{discussion.REMEMBERED} of each subject" in PAGE

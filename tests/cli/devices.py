"""A library with the command line on it: a process for each command, as a person runs them, or this process.

A process costs a second, most of it for what it imports. What it adds (signals, pipes, what is printed on the way down)
is tested in `test_cli.py`; a test of what commands do runs them here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from crdt_sync.cli.app import app


class Done(NamedTuple):
    """What a command said, and its exit status."""

    status: int
    output: str
    error: str


class Device:
    """One library, with a process for each command."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {**os.environ, "CRDT_SYNC_LIBRARY": str(path), "COLUMNS": "200", "NO_COLOR": "1"}

    def __call__(self, *arguments: str, status: int = 0) -> str:
        done = self.run(*arguments)
        assert done.status == status, f"{arguments} ended with {done.status}: {done.output}{done.error}"
        assert "Traceback" not in done.error
        return done.error if status else done.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def run(self, *arguments: str) -> Done:
        process = self.start(*arguments)
        output, error = process.communicate(timeout=60)
        return Done(process.returncode, output, error)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "crdt_sync.cli", *arguments]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


class Here(Device):
    """The same, with commands that run in this process."""

    def run(self, *arguments: str) -> Done:
        done = CliRunner().invoke(app, arguments, env=self.environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

"""`make demo` and `make devices` do what they say, on a terminal and without one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "BROWSER": "true %s"}


@pytest.mark.parametrize("name", ["demo", "devices"])
def test_without_a_terminal_it_checks_itself_and_ends(name: str) -> None:
    command = [sys.executable, ROOT / "docs" / "examples" / f"{name}.py"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "done: everything that was checked holds" in done.stdout


def test_on_a_terminal_it_goes_on_until_enter_is_pressed() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, ROOT / "docs" / "examples" / "demo.py"]
    demo = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=ENVIRONMENT)
    os.close(theirs)
    said = b""
    try:
        while b"Press Enter" not in said:
            said += os.read(ours, 4096)
        assert b"/?room=demo#Gen.1" in said
        assert demo.poll() is None
        os.write(ours, b"\n")
        while b"everything that was checked holds" not in said:
            said += os.read(ours, 4096)
        assert demo.wait(30) == 0
    finally:
        demo.kill()
        demo.wait()
        os.close(ours)

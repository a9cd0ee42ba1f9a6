"""What the README shows is run as it stands, but for the relay's port."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.node import INTEROP
from tests.relay import RelayProcess

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def snippet(language: str, port: int) -> str:
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return str(code).replace("127.0.0.1:8765", f"127.0.0.1:{port}")


def test_the_two_snippets_run_together(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        script = INTEROP / "readme-snippet.mjs"
        script.write_text(
            "import WebSocket from 'ws'; globalThis.WebSocket ??= WebSocket\n" + snippet("js", relay.port)
        )
        browser = subprocess.Popen(["node", str(script)], stdout=subprocess.PIPE, text=True)
        try:
            engine = subprocess.run(
                [sys.executable, "-c", snippet("python", relay.port)],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert engine.returncode == 0, engine.stderr
            assert "Gen.1.1 green ('creation',)" in engine.stdout
            assert "saved on the relay's disk: True" in engine.stdout
            assert browser.stdout is not None
            assert browser.stdout.readline() == "Gen.1.1 green\n"
        finally:
            browser.kill()
            browser.communicate()
            script.unlink()


@pytest.mark.parametrize("command", re.findall(r"^    (crdt-sync(?:-server)? .*?)(?:  #.*)?$", README, re.MULTILINE))
def test_every_command_shown_exists(command: str) -> None:
    program, *arguments = command.split()
    words = [argument for argument in arguments[:2] if argument.replace("-", "").isalpha()]
    if words[0] not in ("groups", "highlight", "note"):
        words = words[:1]
    module = {"crdt-sync": "crdt_sync.cli", "crdt-sync-server": "crdt_sync_server"}[program]
    done = subprocess.run(
        [sys.executable, "-m", module, *words, "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for option in re.findall(r"--[a-z-]+", command):
        assert option in done.stdout


def test_the_setup_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)

"""The commands of docs/reader.md are run, and what it names is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect

from crdt_sync_server.reader_files import FOLDER
from tests.e2e.browser import chromium
from tests.e2e.reader.app import App
from tests.relay import RelayProcess

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reader.md").read_text("utf-8")
MAKE_WITHIN_S = 300


def run(*command: str, cwd: Path, within_s: float = 60) -> str:
    environment = {**os.environ, "CRDT_SYNC_LIBRARY": str(cwd / "library.sqlite3")}
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=within_s, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_make_builds_the_reader_and_the_demo_begins_with_it() -> None:
    commands = re.findall(r"^    make (\w+) ", PAGE, re.MULTILINE)
    assert commands == ["demo", "web"]  # tests/docs/test_demo.py runs what `make demo` runs
    run("make", "web", cwd=ROOT, within_s=MAKE_WITHIN_S)
    assert (FOLDER / "index.html").is_file()
    assert "docs/examples/demo.py" in run("make", "--dry-run", "demo", cwd=ROOT)
    assert "make web" in (ROOT / "server" / "crdt_sync_server" / "reader_files.py").read_text("utf-8")


def test_the_library_that_it_opens_is_the_one_that_the_command_is_in_step_with(tmp_path: Path) -> None:
    (query, command) = re.findall(r"`/(\?room=\w+)` opens the one that `crdt-sync (.*?)` is in step with", PAGE)[0]
    engine = (sys.executable, "-m", "crdt_sync.cli")
    with RelayProcess(tmp_path / "relay") as relay, chromium() as browser:
        run(*engine, *command.split(), "--relay", relay.url, cwd=tmp_path)
        run(*engine, "highlight", "add", "Gen.1.1", "In the beginning", "--work", "Bible.KJV", cwd=tmp_path)
        assert "In step" in run(*engine, "sync", cwd=tmp_path)
        context = browser.new_context()
        app = App(context, relay.url, room=query.partition("=")[2]).loaded().in_step()
        expect(app.mark("In the beginning")).to_be_visible()
        context.close()
        assert app.tab.troubles == []


def test_what_it_names_is_there() -> None:
    (version,) = re.findall(r"needs node (\S+) or later", PAGE)
    assert f"node {version} or later" in (ROOT / "server" / "crdt_sync_server" / "reader_files.py").read_text("utf-8")
    for path in re.findall(r"`((?:benchmarks|web)/[\w./]+)`", PAGE):
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([\w./]+\.(?:md|png))", PAGE):
        assert (ROOT / "docs" / link).is_file(), link
    assert json.loads((ROOT / "web" / "reader" / "package.json").read_text("utf-8"))["dependencies"]["kjv"]

"""docs/anchors.md against the code: what it shows is run, its numbers are the code's, its tables the benchmark's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer.main

from benchmarks.anchors_page import PAGE as PATH
from benchmarks.anchors_page import load, render
from crdt_sync.cli.app import app
from crdt_sync.document import resolving

PAGE = PATH.read_text("utf-8")


def test_what_is_shown_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    said = [
        subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for block in blocks
    ]
    assert said == [
        "God created\nthe heaven and the earth 0.88 folded quote\n",
        "relocated True\n30\n",
        "3 5 2 1\n",
        "Gen.1.1-Gen.2.3 GEN 1:1-2:3 True\n['Gen.1.1', 'Gen.1.3', 'Gen.2.4']\n",
    ]


def test_every_command_that_is_named_exists() -> None:
    commands = typer.main.get_command(app).commands["highlight"].commands  # type: ignore[attr-defined]
    named = re.findall(r"^    crdt-sync highlight ([a-z-]+)(.*)", PAGE, re.MULTILINE)
    assert len(named) == 4
    for name, rest in named:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<= )--[a-z-]+", rest)) <= options, (name, rest)


def test_the_thresholds_are_those_of_the_code() -> None:
    prose = " ".join(PAGE.split())
    for said in (
        f"At least {resolving.WEIGHT} characters agree",
        f"The score is {resolving.ENOUGH}, and more for a short quote: {resolving.SHORT} characters' worth more",
        f"it is {resolving.ENOUGH_ELSEWHERE}, or the whole of a quote of {2 * resolving.WEIGHT} characters",
        f"own words have {resolving.SAME_WORDS}",
        f"the next has {resolving.MARGIN} less if it is below {resolving.KIN}",
        f"and {resolving.MARGIN_OF_KIN} less if it is of the same kind",
    ):
        assert said in prose, said


def test_the_tables_are_the_results() -> None:
    assert render(PAGE, load()) == PAGE, "run: python -m benchmarks.anchors_page"

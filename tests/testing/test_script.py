"""A failure is printed as a program; the program is run, and fails alike."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAILING = """
from hypothesis import settings
from hypothesis import strategies as st
from pycrdt import Map
from crdt_sync.testing import Model, convergence_machine


def apply(doc, edit):
    root = doc.get("item", type=Map)
    if "tags" not in root:
        root["tags"] = Map()  # made when it is first needed: by two replicas at once
    root["tags"][edit] = True


def check(tags, edits):
    assert not set(edits) - set(tags), f"{sorted(set(edits) - set(tags))} is gone"


TAGS = Model(st.sampled_from(["x", "y"]), apply, lambda doc: doc.get("item", type=Map).to_py().get("tags", {}), check)
TestTags = convergence_machine(TAGS, 2, backups=False).TestCase
TestTags.settings = settings(
    derandomize=True, max_examples=2000, database=None, deadline=None, stateful_step_count=12
)  # the search is the same each time, and another with each change of the kit: it must be long enough for any
"""


def test_the_script_of_a_failure_fails_alike(tmp_path: Path) -> None:
    (tmp_path / "test_tags.py").write_text(FAILING)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "test_tags.py",
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    found = re.search(r"Paste this into a file and run it:\n(?:E? *\n)*(.*?world\.settle\(\))", run.stdout, re.DOTALL)
    assert found is not None, run.stdout
    script = re.sub(r"^E? +", "", found[1], flags=re.MULTILINE)  # as pytest shows it
    assert len(re.findall(r"^world\.", script, re.MULTILINE)) == 3, script  # two edits and what brings them together
    (tmp_path / "again.py").write_text(script)
    again = subprocess.run(
        [sys.executable, "again.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert again.returncode == 1
    (what,) = set(re.findall(r"AssertionError: (\['.'\] is gone)", run.stdout))
    assert f"AssertionError: {what}" in again.stderr

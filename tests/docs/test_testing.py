"""What docs/testing.md shows is run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.interop.node import INTEROP

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_runs(tmp_path: Path) -> None:
    """The sound document passes, the two bugs are found, the program of a failure prints what the page says."""
    document, lazy, program, late, with_yjs, contract = blocks("python")
    (twin,) = blocks("js")
    assert document.count("\n") <= 36
    (tmp_path / "shopping.mjs").write_text(twin)
    quick = "settings(max_examples=20, stateful_step_count=20, deadline=None, database=None, derandomize=True)"
    (tmp_path / "test_shopping.py").write_text(
        "\n".join(
            [
                document,
                lazy,
                program,
                late,
                with_yjs.replace('packages="."', f"packages={str(INTEROP)!r}"),
                contract,
                "import pytest",
                "from hypothesis import Phase, seed, settings",
                "from hypothesis.stateful import run_state_machine_as_test",
                f"TestShopping.settings = TestWithYjs.settings = {quick}",
                "search = settings(derandomize=True, database=None, deadline=None, phases=[Phase.generate])",
                "def test_the_lazy_list_is_found():",
                "    with pytest.raises(AssertionError, match='were made, and only'):",
                "        run_state_machine_as_test(convergence_machine(LAZY, 2), settings=search)",
                "def test_the_late_replica_is_found():",
                "    with pytest.raises(AssertionError, match='after a restart it would show'):",
                "        run_state_machine_as_test(seed(2)(LATE), settings=settings(search, derandomize=False))",
            ]
        )
    )
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_shopping.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "9 passed" in run.stdout
    (said,) = re.findall(r"print\(error\)  # (.*)", program)
    assert said in run.stdout

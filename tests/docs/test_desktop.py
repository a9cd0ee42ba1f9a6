from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "desktop.md").read_text("utf-8")


def test_the_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines() == ["['green']", "changed: ['added']", "2 highlights"]


def test_what_the_page_shows_is_there() -> None:
    for path in re.findall(r"\]\(([\w./]+)\)", PAGE):
        assert (DOCS / path).exists(), path
    assert (DOCS / "images" / "desktop_reader.png").read_bytes().startswith(b"\x89PNG")

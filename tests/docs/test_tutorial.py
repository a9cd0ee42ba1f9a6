from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.relay import RelayProcess

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_the_tutorial_runs_from_top_to_bottom(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", TUTORIAL.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    with RelayProcess(tmp_path / "relay") as relay:
        script = "\n".join(blocks).replace("127.0.0.1:8765", f"127.0.0.1:{relay.port}")
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "State.OFFLINE 2" in done.stdout

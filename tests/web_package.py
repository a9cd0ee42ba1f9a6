"""The browser's package, built into `web/dist`: once, whichever of the tests asks first."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

__all__ = ["BUILD_WITHIN_S", "ROOT", "WEB", "build_package"]

ROOT = Path(__file__).parents[1]
WEB = ROOT / "web"
BUILD_WITHIN_S = 120


def build_package() -> None:
    """Build what is older than its sources; what is built stays as it is, for another worker may be reading it."""
    with (WEB / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["npm", "run", "--silent", "build"]
        done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, timeout=BUILD_WITHIN_S)
        assert done.returncode == 0, done.stdout + done.stderr

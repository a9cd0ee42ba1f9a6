"""What the benchmarks share: cores, machine, and where results go."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LOCK_FILES = (
    Path(__file__).parent / "peers" / "package-lock.json",
    Path(__file__).parents[1] / "tests" / "interop" / "package-lock.json",
)
PYTHON_PACKAGES = ("pycrdt", "pycrdt-websocket", "hypercorn", "httpx-ws", "uvloop", "picows")
NODE_PACKAGES = ("yjs", "ws", "y-websocket-2", "y-leveldb", "@hocuspocus/server")
SERVER_CORE, LOAD_CORE = 0, 1
STARTED_UNDER_LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def rounds(at_most: int = 5) -> int:
    """Return how many rounds are counted: five, or `at_most` where one takes minutes, or what the environment says."""
    return min(int(os.environ.get("CRDT_SYNC_BENCH_ROUNDS", "5")), at_most)


def pin(core: int) -> Callable[[], None] | None:
    """Return what a child calls first to stay on `core`, where the system can do that and there are two."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        return None
    return lambda: os.sched_setaffinity(0, {core})


def machine() -> str:
    """Return what this runs on: system, processor, cores, memory."""
    model = platform.machine()
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = found[1] if found else model
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (OSError, ValueError, AttributeError):
        memory = ""
    return f"{platform.system()}, {model}, {os.cpu_count()} cores{memory}"


def versions() -> dict[str, str]:
    """Return the versions of what is measured: installed Python packages, locked npm packages."""
    found = {package: version(package) for package in PYTHON_PACKAGES}
    for path in LOCK_FILES:
        packages = json.loads(path.read_text())["packages"]
        for package in NODE_PACKAGES:
            if entry := packages.get(f"node_modules/{package}"):
                found.setdefault(package, entry["version"])
    return found


def said_by(*command: str) -> str:
    """Return what a command prints, or nothing if it cannot."""
    try:
        done = subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def save(name: str, figures: dict[str, Any]) -> None:
    """Print the figures and keep them with the machine and the versions that they belong to.

    `note` is what CRDT_SYNC_BENCH_NOTE says of the circumstances; `load average` what the machine did when it began.
    """
    record = {
        "benchmark": name,
        "commit": said_by("git", "rev-parse", "--short", "HEAD"),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "load average at the start": STARTED_UNDER_LOAD,
        "note": os.environ.get("CRDT_SYNC_BENCH_NOTE", ""),
        "python": platform.python_version(),
        "node": said_by("node", "--version"),
        "versions": versions(),
        **figures,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(f"\n{name}, kept in {RESULTS.name}/{name}.json")
    for key, value in figures.items():
        if key not in ("rounds", "medians", "shape"):
            print(f"  {key}: {value}")

"""What the benchmarks share: cores, machine, and where results go."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SERVER_CORE, LOAD_CORE = 0, 1


def rounds() -> int:
    """Return how many rounds are counted: five, or what CRDT_SYNC_BENCH_ROUNDS says."""
    return int(os.environ.get("CRDT_SYNC_BENCH_ROUNDS", "5"))


def pin(core: int) -> Callable[[], None] | None:
    """Return what a child calls first to stay on `core`, where the system can do that and there are two."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        return None
    return lambda: os.sched_setaffinity(0, {core})


def save(name: str, figures: dict[str, Any]) -> None:
    """Print the figures and keep them with the machine and the versions that they belong to."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    record = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "node": node,
        "versions": {package: version(package) for package in ("pycrdt", "hypercorn", "httpx-ws", "uvloop")},
        **figures,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"\n{name}")
    for key, value in figures.items():
        if key != "rounds":
            print(f"  {key}: {value}")

"""Fan-out: 10 writers, 110 clients, one room; one update is one highlight. Ours beside the peers, in turn.

Flood asks how much a relay carries, the paced runs how long a highlight takes at a rate. Every delivery is counted, and
the content of two clients checked. Ours commits with fsync before every send (and once more without, for the cost of
that); the peers store nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import LOAD_CORE, pin, rounds, save
from benchmarks.load import Load
from benchmarks.servers import HOCUSPOCUS, OURS, OURS_UNSYNCED, PYCRDT_WEBSOCKET, Y_WEBSOCKET, Server, running

SERVERS = (OURS, OURS_UNSYNCED, Y_WEBSOCKET, HOCUSPOCUS, PYCRDT_WEBSOCKET)
QUESTIONS: dict[str, dict[str, Any]] = {
    "flood": {"updates": 200},
    "100/s": {"updates": 30, "per_s": 100},
    "300/s": {"updates": 90, "per_s": 300},
    "1000/s": {"updates": 300, "per_s": 1000},
}


def ask(server: Server, room: str, question: dict[str, Any]) -> dict[str, Any]:
    """Run one load against one relay, from the other core."""
    load = Load(server.url, room, server.names_document, **question)
    command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(load))]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin(LOAD_CORE))
    if done.returncode:
        raise RuntimeError(f"{server.name}, {room}: {done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def medians(reports: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return the median of each figure."""
    kept = list(reports)
    figures = {name: median(report[name] for report in kept) for name in ("p50_ms", "p99_ms", "max_ms", "busy")}
    figures["deliveries_per_s"] = median(report["deliveries"] / report["seconds"] for report in kept)
    figures["frames_per_delivery"] = median(report["frames"] / report["deliveries"] for report in kept)
    return {name: float(f"{value:.4g}") for name, value in figures.items()}


def main() -> None:
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {
        question: {name: [] for name in SERVERS} for question in QUESTIONS
    }
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), *SERVERS) as servers:
        for round_ in range(rounds() + 1):  # the first warms up
            for question, settings in QUESTIONS.items():
                for server in servers:
                    report = ask(server, f"{question.replace(chr(47), chr(45))}-{round_}", settings)
                    if round_:
                        raw[question][server.name].append(report)
                    print(
                        f"{round_} {question:6} {server.name:20} {report['p50_ms']:9.2f} {report['p99_ms']:9.2f} ms",
                        flush=True,
                    )
    figures = {question: {name: medians(reports) for name, reports in of.items()} for question, of in raw.items()}
    flood = {name: figures["flood"][name]["deliveries_per_s"] for name in SERVERS}
    save(
        "fan_out",
        {
            "flood, ours to each": {name: f"{flood[OURS] / rate:.1f}x" for name, rate in flood.items()},
            "medians": figures,
            "rounds": raw,
        },
    )


if __name__ == "__main__":
    main()

"""Fan-out: 10 writers, 110 clients, one room; one update is one highlight. Ours beside the peers, in turn.

Flood asks how much a relay carries, the paced runs how long a highlight takes at a rate. Every delivery is counted, and
the content of two clients checked. Ours commits with fsync before every send (and once more without, for the cost of
that, and once as the plain ASGI application under hypercorn as it comes, for the gain of having the sockets); the peers
store nothing.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common import rounds, save
from benchmarks.figures import medians
from benchmarks.load import Load
from benchmarks.processes import loading
from benchmarks.servers import (
    HOCUSPOCUS,
    OURS,
    OURS_PLAIN,
    OURS_UNSYNCED,
    PYCRDT_WEBSOCKET,
    Y_WEBSOCKET,
    Server,
    running,
)

SERVERS = (OURS, OURS_UNSYNCED, OURS_PLAIN, Y_WEBSOCKET, HOCUSPOCUS, PYCRDT_WEBSOCKET)
QUESTIONS: dict[str, dict[str, Any]] = {
    "flood": {"updates": 200},
    "100/s": {"updates": 30, "per_s": 100},
    "300/s": {"updates": 90, "per_s": 300},
    "1000/s": {"updates": 300, "per_s": 1000},
}
WITHIN_S = 120.0


def ask(server: Server, room: str, question: dict[str, Any]) -> dict[str, Any]:
    """Run one load against one relay, from the other core."""
    place = server.room(room)
    with loading("load", asdict(Load(place.url, place.name, place.names_document, **question))) as load:
        report = load.report(WITHIN_S)
    report["deliveries_per_s"] = report["deliveries"] / report["seconds"]
    report["frames_per_delivery"] = report["frames"] / max(report["deliveries"], 1)
    return report


def main() -> None:
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {
        question: {name: [] for name in SERVERS} for question in QUESTIONS
    }
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), *SERVERS) as servers:
        for round_ in range(rounds() + 1):  # the first warms up
            for question, settings in QUESTIONS.items():
                for server in servers:
                    kept = raw[question][server.name]
                    if server.name not in (OURS, OURS_UNSYNCED, OURS_PLAIN) and kept and not kept[-1]["finished"]:
                        continue  # a peer that could not is not asked again
                    report = ask(server, f"{question.replace('/', '-')}-{round_}", settings)
                    if round_:
                        kept.append(report)
                    print(
                        f"{round_} {question:6} {server.name:20} {report['deliveries_per_s']:9.0f}/s "
                        f"{report['p50_ms']:9.2f} {report['p99_ms']:9.2f} ms, load busy {report['busy']:.2f}"
                        + ("" if report["finished"] else ", did not finish"),
                        flush=True,
                    )
    figures = {question: {name: medians(reports) for name, reports in of.items()} for question, of in raw.items()}
    save("fan_out", {"medians": figures, "rounds": raw})


if __name__ == "__main__":
    main()

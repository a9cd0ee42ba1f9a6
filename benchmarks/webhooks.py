"""What webhooks cost those who edit: the fan-out of a relay with sixteen of them beside one without, in turn.

The receivers are well, slow, and down, a third each. What counts is the relay's processor time for each delivery, and
the latency at a pace; that those that are well were told of every room is checked.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common import rounds, save
from benchmarks.figures import medians
from benchmarks.load import Load
from benchmarks.processes import loading
from benchmarks.servers import COMMANDS, OURS, Server
from tests.relay import RelayProcess
from tests.server.operating import COMMAND
from tests.server.receiver import nobody_s_port, receiver

HOOKS = 16
QUESTIONS: dict[str, dict[str, Any]] = {"flood": {"updates": 400}, "100/s": {"updates": 100, "per_s": 100}}
WITHIN_S = 120.0


def ask(server: Server, room: str, question: dict[str, Any]) -> dict[str, Any]:
    """Run one load, and return its report with the relay's processor time for each delivery."""
    began_s, place = server.cpu_s(), server.room(room)
    with loading("load", asdict(Load(place.url, place.name, place.names_document, **question))) as load:
        report = load.report(WITHIN_S)
    report["processor_us_per_delivery"] = (server.cpu_s() - began_s) / report["deliveries"] * 1e6
    return report


@contextmanager
def relay(data: Path) -> Iterator[Server]:
    """Run one of ours on the server's core."""
    server = Server(OURS, data, RelayProcess(data, "--webhook-gather", "1", command=COMMANDS[OURS]))
    server.start()
    try:
        yield server
    finally:
        server.relay.kill()


def main() -> None:
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {
        question: {name: [] for name in ("without", "with")} for question in QUESTIONS
    }
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        well, slow = (stack.enter_context(receiver()) for _ in range(2))
        slow.goes_on.clear()
        urls = (well.url, slow.url, f"http://127.0.0.1:{nobody_s_port()}")
        for number in range(HOOKS):
            add = [*COMMAND, "webhooks", "add", urls[number % 3], "--json", "--data", f"{folder}/with"]
            json.loads(subprocess.run(add, check=True, capture_output=True).stdout)
        servers = {name: stack.enter_context(relay(Path(folder) / name)) for name in ("without", "with")}
        for round_ in range(rounds() + 1):  # the first warms up
            for question, settings in QUESTIONS.items():
                for name, server in servers.items():
                    report = ask(server, f"{question.replace('/', '-')}-{round_}", settings)
                    if round_:
                        raw[question][name].append(report)
                    print(
                        f"{round_} {question:6} {name:8} {report['processor_us_per_delivery']:6.2f} µs "
                        f"{report['p50_ms']:9.2f} {report['p99_ms']:9.2f} ms",
                        flush=True,
                    )
        asked = len(QUESTIONS) * (rounds() + 1)
        well.until(lambda heard: len({each.told["room"] for each in heard}) == asked)
    figures = {question: {name: medians(reports) for name, reports in of.items()} for question, of in raw.items()}
    save("webhooks", {"medians": figures, "rounds": raw, "calls that were taken": len(well.heard)})


if __name__ == "__main__":
    main()

"""Several relays beside one: 10 writers, 110 clients, one room, on SQLite, on PostgreSQL, and on three relays.

Clients go to the relays in turn, so two of three deliveries go from one relay to another: the worst that a balancer can
do. One that sends a room to one relay makes it the case of one. Relays, PostgreSQL and Redis share one core here, where
in an installation each has its own: the flood says what a core carries, not what three machines do.

Run `python -m benchmarks.cluster`. PostgreSQL and Redis are real, on this machine's disk.
"""

from __future__ import annotations

import os
import re
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import SERVER_CORE, pin, rounds, save
from benchmarks.fan_out import QUESTIONS, WITHIN_S
from benchmarks.figures import medians
from benchmarks.load import Load
from benchmarks.processes import loading
from benchmarks.servers import MANY
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer, free_port
from tests.relay import RelayProcess

SQLITE, POSTGRES, ALONE_REDIS, NOTIFY, REDIS = (
    "1 relay, SQLite", "1 relay, PostgreSQL", "1 relay, PostgreSQL and Redis",
    "3 relays, PostgreSQL", "3 relays, PostgreSQL and Redis",
)  # fmt: skip


@dataclass(slots=True)
class Kind:
    """What is compared."""

    name: str
    relays: int = 1
    has_database: bool = True
    backplane: str = "postgres"


@dataclass(slots=True)
class Running:
    """One of them, as it runs."""

    kind: Kind
    relays: list[RelayProcess]
    metrics: list[int]
    redis: RedisServer | None

    def count(self, name: str) -> float:
        """Return a figure of all relays' metrics, added up."""
        return sum(_metric(port, name) for port in self.metrics)


KINDS = (
    Kind(SQLITE, has_database=False),
    Kind(POSTGRES),
    Kind(ALONE_REDIS, backplane="redis"),
    Kind(NOTIFY, relays=3),
    Kind(REDIS, relays=3, backplane="redis"),
)


def _metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+-]+)$", text, re.MULTILINE))


def stay_on_the_server_core(pid: int) -> None:
    """Keep a process and its children on the core of the servers."""
    if pin(SERVER_CORE) is None:
        return
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {SERVER_CORE})


@contextmanager
def running(kind: Kind, folder: Path, postgres: PostgresServer, redis: RedisServer) -> Iterator[Running]:
    """Start the relays of one kind, on the server's core."""
    environment = {}
    if kind.has_database:
        environment["CRDT_SYNC_SERVER_DATABASE_URL"] = postgres.url(postgres.create())
        environment["CRDT_SYNC_SERVER_BACKPLANE"] = redis.url if kind.backplane == "redis" else kind.backplane
    with ExitStack() as stack:
        started = Running(kind, [], [], redis if kind.backplane == "redis" else None)
        for number in range(kind.relays):
            port = free_port()
            arguments = (*MANY, "--metrics-port", str(port))
            relay = RelayProcess(folder / f"{kind.name} {number}", *arguments, environment=environment)
            stack.enter_context(relay)
            stay_on_the_server_core(relay.pid)
            started.relays.append(relay)
            started.metrics.append(port)
        yield started


def ask(server: Running, room: str, question: dict[str, Any]) -> dict[str, Any]:
    """Run one load against the relays of one kind, from the other core."""
    first, *others = (relay.url for relay in server.relays)
    commits = server.count("crdt_sync_commit_seconds_count")
    carried = server.redis.traffic() if server.redis is not None else 0
    spec = asdict(Load(first, room, False, others=tuple(others), **question))
    with loading("load", spec) as load:
        report = load.report(WITHIN_S)
    report = {name: value for name, value in report.items() if value is not None}
    report["deliveries_per_s"] = report["deliveries"] / report["seconds"]
    report["commits_per_s"] = (server.count("crdt_sync_commit_seconds_count") - commits) / report["seconds"]
    if server.redis is not None:
        updates = report["expected"] / 110
        report["redis_bytes_per_update"] = (server.redis.traffic() - carried) / updates
    return report


def main() -> None:
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {
        question: {kind.name: [] for kind in KINDS} for question in QUESTIONS
    }
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        postgres = stack.enter_context(PostgresServer())
        servers = []
        for kind in KINDS:  # a Redis each, as what goes through it is counted
            redis = stack.enter_context(RedisServer(folder / f"redis of {kind.name}"))
            stay_on_the_server_core(redis.pid)
            servers.append(stack.enter_context(running(kind, folder, postgres, redis)))
        stay_on_the_server_core(postgres.pid)
        for round_ in range(rounds() + 1):  # the first warms up
            for question, settings in QUESTIONS.items():
                for server in servers:
                    report = ask(server, f"{question.replace('/', '-')}-{round_}", settings)
                    if round_:
                        raw[question][server.kind.name].append(report)
                    across = (
                        f", across {report['across_p50_ms']:.2f} {report['across_p99_ms']:.2f}"
                        if "across_p50_ms" in report
                        else ""
                    )
                    print(
                        f"{round_} {question:6} {server.kind.name:30} {report['deliveries_per_s']:9.0f}/s "
                        f"{report['p50_ms']:8.2f} {report['p99_ms']:8.2f} ms{across}, "
                        f"{report['commits_per_s']:.0f} commits/s, load busy {report['busy']:.2f}",
                        flush=True,
                    )
    figures = {question: {name: medians(reports) for name, reports in of.items()} for question, of in raw.items()}
    save("cluster", {"medians": figures, "rounds": raw})


if __name__ == "__main__":
    main()

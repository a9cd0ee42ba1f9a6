"""What does it cost a relay under load to be looked after?

Latencies of 110 clients at 300 updates a second: left alone, with `/metrics` read every second, and with backups of a
store of 131 MB made one after another.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count, takewhile
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from benchmarks.common import LOAD_CORE, SERVER_CORE, pin, rounds, save
from benchmarks.load import Load
from crdt_sync_server.stores.sqlite import SqliteStore
from tests.relay import RelayProcess

STORED_UPDATES, UPDATE_BYTES = 1000, 128 * 1024
QUESTIONS = ("alone", "metrics every second", "backups")


async def fill(data: Path) -> None:
    """Give the store something to copy."""
    store = await SqliteStore.open(data / "relay.sqlite3", durability="normal")
    for number in range(STORED_UPDATES):
        await store.append(f"room {number % 50}", os.urandom(UPDATE_BYTES))
    await store.close()


@contextmanager
def meanwhile(question: str, data: Path, metrics_url: str, backups_s: list[float]) -> Iterator[None]:
    """Do what `question` says, in a process of its own, for as long as the block lasts."""
    if question == "alone":
        yield
        return
    if question == "backups":
        command = [sys.executable, "-m", "benchmarks.operations", "backups", str(data)]
    else:
        command = [sys.executable, "-m", "benchmarks.operations", "metrics", metrics_url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=pin(LOAD_CORE))
    try:
        yield
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
        if question == "backups":
            backups_s += [float(line) for line in output.splitlines()]


def back_up_again_and_again(data: Path) -> None:
    """Make backups until told to stop, and print how long each took, in seconds."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    with tempfile.TemporaryDirectory(dir=data) as folder:
        for number in takewhile(lambda _: not stopping, count()):
            began = time.perf_counter()
            command = [sys.executable, "-m", "crdt_sync_server", "backup", f"{folder}/{number}", "--data", str(data)]
            subprocess.run(command, check=True, capture_output=True)
            print(time.perf_counter() - began, flush=True)
            Path(f"{folder}/{number}").unlink()


def read_metrics(url: str) -> None:
    """Read the metrics every second until killed."""
    while True:
        httpx.get(url).raise_for_status()
        time.sleep(1)


def main() -> None:
    raw: dict[str, list[dict[str, Any]]] = {question: [] for question in QUESTIONS}
    backups_s: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        asyncio.run(fill(data))
        with RelayProcess(data, "--metrics-port", "0") as relay:
            while not (found := re.search(r"metrics on (\S+)", "".join(relay.output))):
                time.sleep(0.01)
            if pin(SERVER_CORE) is not None:
                os.sched_setaffinity(relay.pid, {SERVER_CORE})
            process = psutil.Process(relay.pid)
            for round_ in range(rounds() + 1):  # the first warms up
                for question in QUESTIONS:
                    load = Load(relay.url, f"{question}-{round_}".replace(" ", "-"), False, updates=150, per_s=300)
                    before = sum(process.cpu_times()[:2])
                    with meanwhile(question, data, found[1], backups_s):
                        done = subprocess.run(
                            [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(load))],
                            capture_output=True, text=True, check=True, preexec_fn=pin(LOAD_CORE),
                        )  # fmt: skip
                    report = json.loads(done.stdout)
                    report["cpu_us_per_frame"] = (sum(process.cpu_times()[:2]) - before) / report["frames"] * 1e6
                    if round_:
                        raw[question].append(report)
                    print(f"{round_} {question:22} {report['p50_ms']:8.2f} {report['p99_ms']:8.2f} ms", flush=True)
    figures = {
        question: {
            name: float(f"{median(report[name] for report in reports):.4g}")
            for name in ("p50_ms", "p99_ms", "max_ms", "cpu_us_per_frame")
        }
        for question, reports in raw.items()
    }
    size_mb = STORED_UPDATES * UPDATE_BYTES / 1e6
    backup = {"size_mb": round(size_mb), "median_s": round(median(backups_s), 2), "made": len(backups_s)}
    save("operations", {"medians": figures, "backup": backup, "rounds": raw})


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["backups", folder]:
            back_up_again_and_again(Path(folder))
        case ["metrics", url]:
            read_metrics(url)
        case _:
            main()

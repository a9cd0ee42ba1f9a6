"""What does it cost to ask who comes? Connections one after another, then a fan-out, for each way to ask.

One relay for each way, all on one core, and one at a time at work. A connection counts from the first byte of its
handshake to the answer to its step 1. The fan-out is that of `fan_out.py` at 300 updates a second: once it is in, a
connection is asked nothing more, so that must cost the same however it came in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import jwt
import psutil
import uvloop

from benchmarks.client import join, start_timing
from benchmarks.common import LOAD_CORE, SERVER_CORE, pin, rounds, save
from benchmarks.figures import spread
from benchmarks.load import Load
from benchmarks.wire import Room
from tests.relay import RelayProcess
from tests.server.identity_provider import Key, identity_provider
from tests.server.operating import tell

CONNECTIONS, UPDATES, PER_S = 200, 60, 300
SECRET = "a secret of the benchmark alone, long enough for RFC 7518"
PUBLIC = ("RS256", "ES256", "EdDSA")


@contextmanager
def relays(folder: Path) -> Iterator[dict[str, tuple[RelayProcess, str]]]:
    """Run one relay for each way to ask; yield each with the query that lets `ada` in."""
    with ExitStack() as stack:
        provider = stack.enter_context(identity_provider())
        keys = {algorithm: Key(algorithm, algorithm) for algorithm in PUBLIC}
        provider.keys = [key.public() for key in keys.values()]
        found: dict[str, tuple[RelayProcess, str]] = {}

        def start(way: str, *arguments: str, token: str | None = None) -> None:
            relay = stack.enter_context(RelayProcess(folder / way, *arguments))
            if pin(SERVER_CORE) is not None:
                os.sched_setaffinity(relay.pid, {SERVER_CORE})
            found[way] = (relay, "" if token is None else f"?token={token}")

        start("open")
        start("static", "--auth", "static", token=tell(folder / "static", "tokens", "create", "ada")["token"])
        os.environ["CRDT_SYNC_SERVER_JWT_SECRET"] = SECRET
        claims = {"sub": "ada", "exp": time.time() + 3600}
        start("HS256", "--auth", "jwt", token=jwt.encode(claims, SECRET, "HS256"))
        del os.environ["CRDT_SYNC_SERVER_JWT_SECRET"]
        for algorithm, key in keys.items():
            start(
                algorithm,
                "--auth", "jwt", "--jwt-issuer", provider.issuer, "--jwt-algorithm", algorithm,
                token=provider.token(key, lasts_s=3600),
            )  # fmt: skip
        yield found


async def connect_one_by_one(url: str, name: str) -> list[float]:
    """Return how long each connection took until it was in step, in seconds."""
    room = Room(url, name, False)
    start_timing()
    times = []
    for _ in range(CONNECTIONS):
        began = time.perf_counter()
        client = await join(room)
        times.append(time.perf_counter() - began)
        assert client.transport is not None
        client.transport.disconnect()
    return times


def in_a_process(*arguments: str) -> Any:
    """Run a load on its core, and return what it prints."""
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, preexec_fn=pin(LOAD_CORE))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def measure(relay: RelayProcess, query: str, round_: int) -> dict[str, float]:
    """Return the figures of one round."""
    process = psutil.Process(relay.pid)

    def cpu_s() -> float:
        return sum(process.cpu_times()[:2])

    before_s = cpu_s()
    connecting = in_a_process("benchmarks.authentication", relay.url, f"u/ada/connect{query}")
    connected_s = cpu_s()
    load = Load(relay.url, f"u/ada/{round_}{query}", False, updates=UPDATES, per_s=PER_S)
    fan_out = in_a_process("benchmarks.load", json.dumps(asdict(load)))
    assert fan_out["finished"]
    return {
        "connect_p50_ms": connecting["p50_ms"],
        "connect_p99_ms": connecting["p99_ms"],
        "connect_cpu_us": (connected_s - before_s) / CONNECTIONS * 1e6,
        "p50_ms": fan_out["p50_ms"],
        "p99_ms": fan_out["p99_ms"],
        "delivery_cpu_us": (cpu_s() - connected_s) / fan_out["deliveries"] * 1e6,
    }


def main() -> None:
    raw: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, relays(Path(folder)) as running:
        for round_ in range(rounds(3) + 1):  # the first warms up, and has the keys fetched
            for way, (relay, query) in running.items():
                figures = measure(relay, query, round_)
                print(f"{round_} {way:8}", {name: round(value, 3) for name, value in figures.items()}, flush=True)
                if round_:
                    raw.setdefault(way, []).append(figures)
    medians = {
        way: {
            "rounds": len(each),
            "finished": len(each),
            **{name: float(f"{median(figures[name] for figures in each):.4g}") for name in each[0]},
        }
        for way, each in raw.items()
    }
    save("authentication", {"medians": medians, "rounds": raw})


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(spread(uvloop.run(connect_one_by_one(*sys.argv[1:])))))
    else:
        main()

"""10 writers × 200 updates as fast as they go, 110 clients in one room: our relay beside the node y-websocket server.

The servers take turns, five rounds, each pinned to one core and the load (node's `ws`) to the other. Ours commits with
fsync before every send; y-websocket's server stores nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.common import LOAD_CORE, SERVER_CORE, pin, save
from tests.interop.node import INTEROP
from tests.relay import RelayProcess

ROUNDS = 5


def load(url: str, room: str) -> dict[str, float]:
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("fan_out.mjs")), url, room],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        preexec_fn=pin(LOAD_CORE),
    )
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        servers = {
            "crdt-sync": RelayProcess(Path(name)),
            "y-websocket 2": RelayProcess(Path(name), command=("node", str(INTEROP / "y_websocket_2.mjs"))),
        }
        rates: dict[str, list[float]] = {server: [] for server in servers}
        frames: dict[str, float] = {}
        for relay in servers.values():
            relay.start()
            if pin(SERVER_CORE) is not None:
                os.sched_setaffinity(relay.pid, {SERVER_CORE})
        for round_ in range(ROUNDS + 1):
            for server, relay in servers.items():
                result = load(relay.url, f"room{round_}")
                if round_:  # the first warms up
                    rates[server].append(result["deliveries"] / result["seconds"])
                frames[server] = result["frames"]
        for relay in servers.values():
            relay.kill()
    ours, theirs = (median(rates[server]) for server in servers)
    save(
        "fan_out",
        {
            "crdt-sync, deliveries/s": round(ours),
            "y-websocket 2, deliveries/s": round(theirs),
            "ratio": f"{ours / theirs:.1f}x",
            "frames to one client for 2,000 updates": frames,
            "all rounds": {server: [round(rate) for rate in rates[server]] for server in rates},
        },
    )

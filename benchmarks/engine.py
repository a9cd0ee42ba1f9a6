"""The engine beside plain pycrdt and beside Yjs in node, on a library of 100,000 highlights.

Each has its document in memory and its updates on disk, fsynced at each edit. Open is from nothing to the answer of the
first question, a chapter of 84; the plain ones look at every highlight for it. First edit is from nothing too for the
plain ones, which have to load for it, and in the open library for ours. Catch-up: two devices with 10,000 highlights in
common and 10,000 edits each, half of them new highlights, exchange what the other lacks and store it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio

from benchmarks.common import LOAD_CORE, pin, rounds, save
from benchmarks.engine_task import EACH_SIDE
from benchmarks.figures import medians
from benchmarks.servers import OURS, PEERS, running
from crdt_sync import Library, open_library

PROGRAMS = {
    "crdt-sync": (sys.executable, "-m", "benchmarks.engine_ours"),
    "plain pycrdt": (sys.executable, "-m", "benchmarks.engine_pycrdt"),
    "Yjs in node": ("node", "--expose-gc", str(PEERS / "engine.mjs")),
}
WITHIN_S = 600.0


def step(program: tuple[str, ...], name: str, folder: Path) -> str:
    """Run one step of a contender; return what it printed."""
    done = subprocess.run(
        [*program, name, str(folder)], capture_output=True, text=True, timeout=WITHIN_S, preexec_fn=pin(LOAD_CORE)
    )
    if done.returncode:
        raise RuntimeError(f"{program}, {name}: {done.stderr[-2000:]}")
    return done.stdout


async def through_the_relay(folder: Path) -> float:
    """Return how long our two libraries take to catch up through a real relay, all of it durable on all three."""

    async def complete(library: Library) -> None:
        async with library.changes() as feed:
            while (await library.counts()).highlights < 2 * EACH_SIDE:
                await feed.take()
        assert await library.synced(WITHIN_S)

    with running(folder, OURS) as (server,):
        began = anyio.current_time()
        async with (
            open_library(folder / "relay1.sqlite3", relay=server.relay.url, room="catch-up") as one,
            open_library(folder / "relay2.sqlite3", relay=server.relay.url, room="catch-up") as two,
        ):
            with anyio.fail_after(WITHIN_S):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(complete, one)
                    tasks.start_soon(complete, two)
            return anyio.current_time() - began


def main() -> None:
    raw: dict[str, list[dict[str, Any]]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as place:
        folders = {name: Path(place) / name.replace(" ", "-") for name in PROGRAMS}
        for name, program in PROGRAMS.items():
            folders[name].mkdir()
            step(program, "build", folders[name])
            print(f"{name}: built", flush=True)
        for round_ in range(rounds()):
            for name, program in PROGRAMS.items():
                figures: dict[str, Any] = {}
                for part in ("measure", "catch_up"):
                    figures.update(json.loads(step(program, part, folders[name])))
                if name == "crdt-sync":
                    relayed = folders[name] / f"relay-{round_}"
                    relayed.mkdir()
                    for side in (1, 2):
                        shutil.copy(folders[name] / f"side{side}.sqlite3", relayed / f"relay{side}.sqlite3")
                    figures["catch_up_by_relay_s"] = anyio.run(through_the_relay, relayed)
                raw[name].append(figures)
                print(f"{round_} {name:14} {json.dumps(figures)}", flush=True)
    save("engine", {"medians": {name: medians(reports) for name, reports in raw.items()}, "rounds": raw})


if __name__ == "__main__":
    main()

"""Does the whole survive trouble? Ten thousand simulated runs, each with its own seed, on all cores.

    python benchmarks/simulation.py --seeds 10000 --first 0
    python benchmarks/simulation.py --relays 3            # with several relays on one disk, that meet at a backplane

A seed that fails is printed with the command that replays it, and the status is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from benchmarks.common import save
from tests.simulation.whole import Broken, Outcome, simulate


def one(relays: int, seed: int) -> Outcome | str:
    try:
        return simulate(seed, relays=relays)
    except Broken as error:
        return str(error)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--relays", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop then, and count what was run")
    arguments = parser.parse_args()
    began = time.perf_counter()
    outcomes: list[Outcome] = []
    broken: list[str] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        for number, outcome in enumerate(pool.map(partial(one, arguments.relays), seeds, chunksize=8), 1):
            if isinstance(outcome, str):
                broken.append(outcome)
                print(outcome, flush=True)
            else:
                outcomes.append(outcome)
            if number % 500 == 0:
                print(f"{number} seeds, {len(broken)} broken, {time.perf_counter() - began:.0f} s", flush=True)
            if time.perf_counter() - began > arguments.minutes * 60:
                pool.shutdown(cancel_futures=True)
                break
    several = {
        "relays": arguments.relays,
        "updates stored": sum(outcome.stored for outcome in outcomes),
        "by a relay that lacked the one before": sum(outcome.crossed for outcome in outcomes),
        "with something that was stored already": sum(outcome.repeated for outcome in outcomes),
        "snapshots after a later one": sum(outcome.superseded for outcome in outcomes),
    }
    save(
        "simulation" if arguments.relays == 1 else f"simulation_{arguments.relays}_relays",
        {
            **(several if arguments.relays > 1 else {}),
            "first seed": arguments.first,
            "seeds": len(outcomes) + len(broken),
            "runs that broke a rule": len(broken),
            "edits": sum(outcome.edits for outcome in outcomes),
            "polls": sum(outcome.polls for outcome in outcomes),
            "moves between transports": sum(outcome.moves for outcome in outcomes),
            "events": sum(outcome.events for outcome in outcomes),
            "simulated, hours": round(sum(outcome.simulated_s for outcome in outcomes) / 3600, 1),
            "took, seconds": round(time.perf_counter() - began),
        },
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

"""What a million readers need: their week, minute by minute (`habits`), at what a device costs (`capacity`).

The reckoning that docs/scaling.md gives is a product of three numbers for each moment: so many come, so many are there,
so many edits. This checks it against a week that people live, finds the worst minute and says what is used up first.
Within a minute arrivals are drawn by chance again (Poisson), and the worst of its seconds counts.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.common import RESULTS, save
from benchmarks.habits import MINUTES, Habits, week

BUSY = Habits(daily=0.5, sundays=0.4, now_and_then=0.1, in_a_service=0.8, edits_nothing=0.2, edits=10.0)
"""Readers as nobody has them: half of them read daily, four in five of those sit in a service, and nearly all edit."""
QUESTIONS = {
    "10,000 readers": (10_000, Habits()),
    "100,000 readers": (100_000, Habits()),
    "1,000,000 readers": (1_000_000, Habits()),
    "1,000,000 busy readers": (1_000_000, BUSY),
}
USED_UP_TO = 0.6
"""Of a core: beyond it what arrives begins to wait."""
CORES, MEMORY_GB = 4, 16
"""Of one machine, with a relay a core (`--workers 4`)."""
RELAY_MB = 120
"""Of a relay with nothing in it."""
DOWN = 1
"""Machines that may be away: one that is restarted, or lost."""


def _worst_second(a_minute: float) -> float:
    """Return how many come in the worst second of a minute: the mean and four standard deviations of a Poisson law."""
    mean = a_minute / 60
    return mean + 4 * math.sqrt(mean)


def cores(coming_s: float, there: float, edits_s: float, costs: dict[str, Any], part: str) -> float:
    """Return the cores that a part of the installation uses while so many come, are there and edit, a second."""
    used_ms = (
        coming_s * costs["a device comes"][f"{part}_ms"]
        + there * max(0.0, costs["a device stays a second"][f"{part}_ms"])
        + edits_s * costs["an edit"][f"{part}_ms"]
    )
    return float(used_ms) / 1e3


def needs(readers: int, habits: Habits, costs: dict[str, Any]) -> dict[str, Any]:
    """Return what so many readers need in their worst minute, and how the week is in the mean."""
    began = time.perf_counter()
    lived = week(readers, habits)
    by_minute = [
        cores(_worst_second(lived.coming[at]), lived.there[at], _worst_second(lived.edits[at]), costs, "relay")
        for at in range(MINUTES)
    ]
    worst = max(range(MINUTES), key=by_minute.__getitem__)
    there, coming, edits = lived.there[worst], lived.coming[worst] / 60, lived.edits[worst] / 60
    relay_cores = by_minute[worst]
    memory_gb = max(lived.there) * costs["a device comes"]["kb"] / 1e6
    by_cores = relay_cores / USED_UP_TO / CORES
    by_memory = (memory_gb + CORES * RELAY_MB / 1e3) / (MEMORY_GB * 0.7)
    machines = math.ceil(max(by_cores, by_memory)) + DOWN
    return {
        "worst minute, of the week": worst,
        "there": there,
        "coming_s": coming,
        "edits_s": edits,
        "relay_cores": relay_cores,
        "mean_relay_cores": sum(by_minute) / MINUTES,
        "postgres_cores": cores(
            _worst_second(lived.coming[worst]), there, _worst_second(lived.edits[worst]), costs, "postgres"
        ),
        "redis_cores": cores(
            _worst_second(lived.coming[worst]), there, _worst_second(lived.edits[worst]), costs, "redis"
        ),
        "memory_gb": memory_gb,
        "edits_a_week": sum(lived.edits),
        "told_a_week": sum(lived.told),
        "comes_first": "cores" if by_cores >= by_memory else "memory",
        "machines": machines,
        "seconds": time.perf_counter() - began,
    }


def main() -> None:
    path = RESULTS / "capacity.json"
    if not path.exists():
        raise SystemExit("run `python -m benchmarks.capacity` first: it measures what a device costs")
    costs = json.loads(path.read_text())["medians"]
    found = {name: needs(readers, habits, costs) for name, (readers, habits) in QUESTIONS.items()}
    for name, figures in found.items():
        print(name, json.dumps(figures))
    lived = week(100_000, Habits())
    shape = {name: _by_hour(getattr(lived, name)) for name in ("there", "coming", "edits")}
    save("million", {"medians": found, "habits": asdict(Habits()), "costs": costs, "shape": shape})


def _by_hour(minutes: Sequence[float]) -> list[float]:
    return [sum(minutes[at : at + 60]) / 60 for at in range(0, MINUTES, 60)]


if __name__ == "__main__":
    main()

"""Lets the kit look for a planted bug."""

from __future__ import annotations

import time

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from crdt_sync.testing import convergence_machine
from tests.testing.planted import Planted

__all__ = ["find", "search"]

REPLICAS = 3


def search(examples: int, *, shrink: bool = False) -> settings:
    """Return how to search: the same each time, so that a test does not find by luck."""
    return settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
        suppress_health_check=list(HealthCheck),
    )


def find(planted: Planted, *, examples: int = 20_000, shrink: bool = False) -> tuple[BaseException | None, float]:
    """Return what the kit found, if anything, and the seconds that it took."""
    machine = convergence_machine(planted.model, [planted.replica] * REPLICAS, world=planted.world)
    began = time.perf_counter()
    try:
        run_state_machine_as_test(machine, settings=search(examples, shrink=shrink))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return error, time.perf_counter() - began
    return None, time.perf_counter() - began

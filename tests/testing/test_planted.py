"""The kit finds every planted bug, and nothing in the same thing without it."""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test

from crdt_sync.testing import MAP, Model, convergence_machine
from tests.testing.finding import find, search
from tests.testing.planted import AMOUNTS, CLOCKED, FLAT_TAGS, MARKING_TRASH, PLANTED, PURGE_SOUND


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name: str) -> None:
    found, _ = find(PLANTED[name])
    assert found is not None
    assert f"world = {PLANTED[name].world.__name__}(" in "".join(found.__notes__)


@pytest.mark.parametrize(
    "model",
    [MAP, CLOCKED, FLAT_TAGS, AMOUNTS, MARKING_TRASH, PURGE_SOUND],
    ids=["map", "clocked", "flat tags", "amounts", "marking trash", "wary purge"],
)
def test_without_the_bug_nothing_is_found(model: Model) -> None:
    """In the places where the bugs were planted: the same models with sound replicas, and the sound models."""
    run_state_machine_as_test(convergence_machine(model), settings=search(30))

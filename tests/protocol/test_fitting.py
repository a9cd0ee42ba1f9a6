from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Map

from crdt_sync.protocol.fitting import in_fitting_order
from crdt_sync.protocol.update import decode_state_vector, fits, reach, read_update


def history(steps: list[tuple[int, int, bool]]) -> list[bytes]:
    """Return the updates of three devices that set keys and sometimes hear of one another."""
    updates: list[bytes] = []
    docs: list[Doc[Any]] = [Doc(client_id=number + 1) for number in range(3)]
    for device, key, hears in steps:
        doc = docs[device]
        if hears:
            for update in updates:
                doc.apply_update(update)
        before = doc.get_state()
        doc.get("m", type=Map)[str(key)] = len(updates)
        updates.append(doc.get_update(before))
    return updates


steps = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=12)


@given(steps, st.randoms(use_true_random=False), st.data())
def test_in_any_order_all_that_can_be_taken_is_and_each_fits(
    steps: list[tuple[int, int, bool]], random: Random, data: st.DataObject
) -> None:
    updates = history(steps)
    lost = data.draw(st.sets(st.integers(0, max(len(updates) - 1, 0)), max_size=3))
    found = [update for number, update in enumerate(updates) if number not in lost]
    random.shuffle(found)
    fitting, left = in_fitting_order([*found, b"\xff"], {})
    assert sorted([*fitting, *left]) == sorted([*found, b"\xff"])
    vector: dict[int, int] = {}
    for update in fitting:
        moved = reach(read_update(update), vector)
        assert moved is not None
        vector.update(moved)
    assert b"\xff" in left
    assert not any(fits(read_update(update), vector) for update in left if update != b"\xff")
    if not lost:
        assert left == [b"\xff"]
        doc: Doc[Any] = Doc()
        for update in fitting:
            doc.apply_update(update)
        assert decode_state_vector(doc.get_state()) == vector

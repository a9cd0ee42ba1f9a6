"""Where each device reads: durable at once, in the document now and then, and offered by a rule."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Map

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.positions import JumpReason, ReadingPosition, check_work, moved, suggest
from crdt_sync.errors import InvalidEdit
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import opened, whole
from tests.storage.test_undo import exchange

WORK = "Bible.KJV"


def at(progression: float) -> Anchor:
    return Anchor(source="", progression=progression)


def position(device: str, progression: float, at_ms: int, furthest: float | None = None) -> ReadingPosition:
    reached = at(progression if furthest is None else furthest)
    return ReadingPosition(WORK, device, device, at(progression), at_ms, reached)


def test_a_place_is_durable_at_once_and_in_the_document_once_a_minute(path: Path) -> None:
    now_s = 100.0
    with opened(path, now_s=lambda: now_s) as store:
        assert store.positions_due_s() is None
        store.set_position(WORK, at(0.1))
        assert store.positions_due_s() == 0
        assert store.write_positions().appended
        assert (store.pending, store.positions_due_s()) == (1, None)
        for step in range(1, 30):
            now_s += 1
            store.set_position(WORK, at(0.1 + step / 100))
        assert store.positions_due_s() == pytest.approx(60 - 29)
        assert store.pending == 1
        assert store.read.places.of(WORK)[0].anchor == at(0.1)
        assert store.positions(WORK)[0].anchor == at(0.39)
        assert store.steps().undo == 0  # reading is nothing to undo
    with opened(path) as store:  # as after a kill: nobody has written it
        assert store.positions_due_s() == 0
        store.write_positions()
        assert store.read.places.of(WORK)[0].anchor == at(0.39)
        assert not store.write_positions().appended
        store.verify()


def test_a_place_survives_kill_9(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from crdt_sync.storage.store import LibraryStore;"
        "from crdt_sync.document.anchors import Anchor; store = LibraryStore(Path(sys.argv[1]));"
        "store.set_position('w', Anchor(source='', progression=0.7)); print('set', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "set\n"
        os.kill(process.pid, signal.SIGKILL)
    with opened(path) as store:
        store.write_positions()
        assert store.read.places.of("w")[0].anchor == at(0.7)


def test_two_devices_read_and_neither_overwrites_the_other(tmp_path: Path) -> None:
    now_ms = 1
    with opened(tmp_path / "a", now_ms=lambda: now_ms) as a, opened(tmp_path / "b", now_ms=lambda: now_ms) as b:
        a.name_device("Phone")
        b.name_device("Desk")
        for device, progression in ((a, 0.5), (b, 0.2)):
            now_ms += 1
            device.set_position(WORK, at(progression))
            device.write_positions()
        exchange(a, b)
        found = [(each.device_name, each.anchor, each.here) for each in a.positions(WORK)]
        assert found == [("Desk", at(0.2), False), ("Phone", at(0.5), True)]
        jump = a.suggestion(WORK)
        assert jump is not None
        assert (jump.reason, jump.anchor, jump.position.device_name) == (JumpReason.LATER, at(0.2), "Desk")
        further = b.suggestion(WORK)
        assert further is not None
        assert (further.reason, further.anchor) == (JumpReason.FURTHER, at(0.5))
        b.decline(WORK, further.anchor)
        assert b.suggestion(WORK) is None
        assert [(each.name, each.works, each.here) for each in a.reading_devices()] == [
            ("Desk", 1, False),
            ("Phone", 1, True),
        ]
        (desk,) = [each.id for each in a.reading_devices() if not each.here]
        a.forget_devices([desk])
        exchange(a, b)
        assert [each.device_name for each in a.positions(WORK)] == ["Phone"]
        assert a.read.content() == b.read.content()
        a.verify()
        b.verify()


def test_the_furthest_place_stays_until_one_starts_over() -> None:
    first = moved(None, position("a", 0.5, 1))
    back = moved(first, position("a", 0.1, 2))
    assert (back.anchor, back.furthest) == (at(0.1), at(0.5))
    unknown = ReadingPosition(WORK, "a", "a", Anchor(source="Gen.1.1"), 3)
    assert moved(back, unknown).furthest == at(0.5)
    assert moved(None, unknown).furthest is None


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        (None, [], None),
        (None, [position("b", 0.2, 5)], (JumpReason.LATER, 0.2)),
        (position("a", 0.5, 10), [position("b", 0.2, 5)], None),  # read on here since, and further
        (position("a", 0.5, 10), [position("b", 0.2, 15)], (JumpReason.LATER, 0.2)),  # the person is there, if behind
        (position("a", 0.5, 10), [position("b", 0.5, 15)], None),  # the same place
        (position("a", 0.5, 10), [position("b", 0.9, 5)], (JumpReason.FURTHER, 0.9)),
        (position("a", 0.5, 10, 0.95), [position("b", 0.9, 5)], None),  # this device was there once
        (position("a", 0.5, 10), [position("b", 0.1, 5, 0.8), position("c", 0.3, 20)], (JumpReason.LATER, 0.3)),
        (position("a", 0.5, 10), [position("b", 0.1, 5, 0.8), position("c", 0.3, 7)], (JumpReason.FURTHER, 0.8)),
    ],
)
def test_what_is_offered(own: Any, others: list[ReadingPosition], expected: tuple[JumpReason, float] | None) -> None:
    jump = suggest(own, others)
    assert (jump and (jump.reason, jump.anchor.progression)) == expected
    if jump is not None and jump.reason is JumpReason.LATER and own is not None:
        declined = suggest(own, others, [jump.anchor])
        assert declined is None or declined.anchor != jump.anchor


def test_a_copy_on_another_machine_is_another_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, copy = tmp_path / "a", tmp_path / "copy"
    with opened(first) as store:
        store.set_position(WORK, at(0.5))
        store.write_positions()
        (mine,) = store.reading_devices()
    shutil.copyfile(first, copy)
    with opened(copy) as store:  # on the same machine: a backup that was restored, say
        store.set_position(WORK, at(0.6))
        store.write_positions()
        assert [each.id for each in store.reading_devices()] == [mine.id]
    other = tmp_path / "on another machine"
    shutil.copyfile(first, other)
    monkeypatch.setattr(platform, "node", lambda: "another")
    with opened(other) as store:
        jump = store.suggestion(WORK)
        store.set_position(WORK, at(0.7))
        store.write_positions()
        found = {each.id: each.here for each in store.reading_devices()}
        assert len(found) == 2
        assert found[mine.id] is False
        assert jump is None  # nobody has read here yet: it is this device's own place still
    monkeypatch.setattr(platform, "node", lambda: "renamed")
    with opened(first) as store:  # a machine that was renamed is the same device
        store.set_position(WORK, at(0.8))
        assert store.reading_devices()[0].here


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.dictionaries(st.sampled_from(["anchor", "at", "name", "furthest", "progression"]), inner),
)


@given(value=values)
def test_whatever_stands_in_a_document_is_read_or_left_out(value: Any) -> None:
    found = ReadingPosition.from_json(WORK, "d", value)
    if found is not None:
        again = ReadingPosition.from_json(WORK, "d", found.to_json())
        assert again is None or again.at_ms == found.at_ms
        suggest(None, [found])


def test_a_strangers_values_are_projected_and_shown_as_nothing(store: LibraryStore) -> None:
    stranger: Doc[Any] = Doc()
    positions = stranger.get("positions", type=Map)
    positions["d/w"] = "text"
    positions["no slash"] = {"anchor": {}}
    positions["d/x"] = {"anchor": {"progression": 0.5}, "at": float("inf"), "name": 7}
    store.apply_updates([stranger.get_update()], "c")
    assert store.positions("w") == []
    (shown,) = store.positions("x")
    assert (shown.anchor.progression, shown.at_ms, shown.device_name) == (0.5, 0, "")
    store.verify()
    store.rebuild_read_model()
    assert [each.works for each in store.reading_devices()] == [1]
    assert whole(store)


@pytest.mark.parametrize("work", ["", "x" * 1001, "\ud800"])
def test_a_work_has_a_name(work: str) -> None:
    with pytest.raises(InvalidEdit):
        check_work(work)

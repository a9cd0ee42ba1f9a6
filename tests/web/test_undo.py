"""Undo in the package and in the engine: the same edits, those of another device between them, taken back alike."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from crdt_sync.document import Anchor, EditHighlight, Purge, Restore, Trash
from crdt_sync.errors import CrdtSyncError
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import opened
from tests.web.conftest import Package
from tests.web.test_document import Python, Step, TypeScript, add_highlight, edit_highlight

ITEMS = ("h1", "h2")
VERSE = Anchor.verse("Gen.1.1", work="KJV")
items = st.sampled_from(ITEMS)
edits = st.one_of(
    items.map(lambda i: add_highlight(i, VERSE, "yellow", "", [], False)),
    *[st.builds(lambda i, c: edit_highlight(i, c, None, [], []), items, st.sampled_from(["red", "green"]))] * 2,
    *[st.builds(lambda i, c: edit_highlight(i, None, c, [], []), items, st.sampled_from(["", "a", "ab"]))] * 2,
    st.builds(lambda i, c: edit_highlight(i, "blue", c, ["t"], []), items, st.sampled_from(["both", None])),
    items.map(lambda i: edit_highlight(i, None, None, [], ["t"])),
    items.map(lambda i: Step(Trash(i), "trash", [i])),
    items.map(lambda i: Step(Restore(i), "restore", [i])),
    items.map(lambda i: Step(Purge(i), "purge", [i])),
)
turns = st.tuples(
    st.sampled_from(["edit", "edit", "edit", "theirs", "undo", "undo", "redo"]), edits, st.sampled_from([1, 600, 2000])
)


class Device:
    """The engine with a file, which is what undoes there."""

    def __init__(self, store: LibraryStore, clock: list[int]) -> None:
        self.store = store
        self.clock = clock

    def edit(self, step: Step) -> bool:
        try:
            self.store.edit(step.python)
        except CrdtSyncError:
            return False
        return True

    def meet(self, other: Python) -> None:
        received = self.store.apply_updates([other.document.diff(self.store.state_vector())], "c")
        assert received.failure is None
        _, failure = other.document.receive([*self.store.diff(other.document.state_vector()).updates])
        assert failure is None


@settings(max_examples=80)
@given(plan=st.lists(turns, max_size=14))
def test_undo_and_redo_are_the_engine_s(package: Package, plan: list[tuple[str, Step, int]]) -> None:
    clock = [10_000]
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Path(folder) / "a", now_s=lambda: clock[0] / 1000, now_ms=lambda: clock[0]) as store,
    ):
        engine, browser = Device(store, clock), TypeScript(package, "undoing")
        theirs, alike = Python("other"), Python("other")  # the same device beside each of the two
        for what, step, wait_ms in [("edit", add_highlight("h1", VERSE, "yellow", "", [], False), 2000), *plan]:
            clock[0] += wait_ms
            if what == "edit":
                assert engine.edit(step) == browser.edit(step, clock[0])
            elif what == "theirs":
                engine.meet(theirs)
                browser.meet(alike)
                theirs.edit(step, clock[0])
                alike.edit(step, clock[0])
                engine.meet(theirs)
                browser.meet(alike)
            else:
                undone = store.undo(redo=what == "redo")[1]
                found = package(what, {"name": "undoing", "at": clock[0]})
                assert found == (undone and {"ids": [*undone.ids], "kept": [*undone.kept]}), (what, step)
            steps = store.steps()
            assert package("steps", "undoing") == [steps.undo > 0, steps.redo > 0]
            engine.meet(theirs)
            assert values(browser) == values(theirs)


def test_undo_takes_back_what_is_one_s_own_and_trashes_what_was_made(package: Package) -> None:
    python, typescript = Python("ada"), TypeScript(package, "undo")
    verse = Anchor.verse("Gen.1.1", work="KJV")
    typescript.edit(add_highlight("h1", verse, "yellow", "", [], False), 1)
    typescript.edit(edit_highlight("h1", "green", "mine", ["a"], []), 2)
    typescript.meet(python)
    python.edit(Step(EditHighlight("h1", color="blue"), "", []), 3)
    typescript.meet(python)
    assert package("undo", {"name": "undo", "at": 4})
    highlight = typescript.values()["highlights"]["h1"]
    assert (highlight["color"], highlight["comment"], highlight["tags"]) == ("blue", "", [])
    assert package("undo", {"name": "undo", "at": 5})
    typescript.meet(python)
    assert python.values()["highlights"]["h1"]["deletedAtMs"] == 5
    assert not package("undo", {"name": "undo", "at": 6})


def values(device: TypeScript | Python) -> dict[str, tuple[object, ...]]:
    """Return what undo brings back: all but the times and who made it."""
    parts = ("color", "comment", "tags", "deletedAtMs")
    return {item: tuple(value[part] for part in parts) for item, value in device.values()["highlights"].items()}

"""Undo and redo of the own edits, beside those of another device: whatever happens, nobody else's change is undone."""

from __future__ import annotations

import json
import tempfile
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crdt_sync.document import AddHighlight, AddNote, AppendToNote, Edit, EditHighlight, EditNote, Purge, Restore, Trash
from crdt_sync.document.restoring import Content
from crdt_sync.document.undoing import Undone
from crdt_sync.errors import NotFound
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import GENESIS, whole


def content(store: LibraryStore) -> Content:
    with store._reading():
        return store._document().content()


def state(store: LibraryStore) -> dict[str, Any]:
    """Everything that undo may bring back, which is all but the times of the last change."""
    now = content(store)
    fields = {key: value for key, value in now.fields.items() if not key.endswith("/updatedAt")}
    return {**{f"item {name}": dict(items) for name, items in now.items.items()}, **fields, **now.bodies}


def undone(store: LibraryStore, *, redo: bool = False) -> Undone | None:
    return store.undo(redo=redo)[1]


def exchange(one: LibraryStore, other: LibraryStore) -> None:
    for to, by in ((one, other), (other, one)):
        assert to.apply_updates(by.diff(to.state_vector()).updates, "c").failure is None


edits: st.SearchStrategy[Edit] = st.sampled_from(
    [
        *(EditHighlight("h", color=color) for color in "rgr"),
        EditHighlight("h", comment="x"),
        EditHighlight("h", comment=""),
        EditHighlight("h", add_tags=("t",)),
        EditHighlight("h", remove_tags=("t",)),
        *[AppendToNote("n", "a word")] * 4,
        EditNote("n", title="one"),
        Trash("h"),
        Restore("h"),
        Trash("n"),
        Restore("n"),
        AddHighlight(GENESIS, id="made"),
        AddNote("first line", id="made too"),
        Trash("made"),
        AppendToNote("made too", "a word"),
        Purge("made"),
        Purge("n"),
    ]
)


class TwoDevices(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.time_s = 0.0
        self.numbers = count()
        self.mine = self.open("mine")
        self.other = self.open("other")
        self.theirs: dict[str, Any] = {}
        self.words: set[str] = set()
        self.mine.edit(AddHighlight(GENESIS, id="h"), AddNote("first line", id="n"))
        exchange(self.mine, self.other)

    def open(self, name: str) -> LibraryStore:
        path = Path(self.folder.name) / name
        return LibraryStore(
            path,
            durability="normal",
            now_s=lambda: self.time_s,
            now_ms=lambda: next(self.numbers),
            random=Random(next(self.numbers)),
        )

    def edited(self, store: LibraryStore, edit: Edit) -> set[str]:
        """Make an edit, with words in it that are nowhere else; return those."""
        word = f"{store._path.name}{next(self.numbers)}"
        if isinstance(edit, AppendToNote):
            edit = AppendToNote(edit.id, word)
        try:
            store.edit(edit)
        except NotFound:
            return set()
        return {word} if isinstance(edit, AppendToNote) else set()

    @rule(edit=edits, wait=st.booleans())
    def edit_mine(self, edit: Edit, wait: bool) -> None:
        self.time_s += 5.0 if wait else 0.1
        before = state(self.mine)
        self.edited(self.mine, edit)
        after = state(self.mine)
        for key in before.keys() | after.keys():
            if before.get(key) != after.get(key):
                self.theirs.pop(key, None)
        if isinstance(edit, Purge):
            self.words = {word for word in self.words if word in json.dumps(after)}

    @rule(edit=edits)
    def edit_theirs(self, edit: Edit) -> None:
        self.edited(self.other, edit)

    @rule(edit=edits, mine_goes=st.booleans())
    def theirs_arrives(self, edit: Edit, mine_goes: bool) -> None:
        """What the other device writes comes here; what is mine goes there before, or does not yet."""
        if mine_goes:
            assert self.other.apply_updates(whole(self.mine), "c").failure is None
        self.edited(self.other, edit)
        before = state(self.mine)
        assert self.mine.apply_updates(whole(self.other), "c").failure is None
        after = state(self.mine)
        for key in before.keys() | after.keys():
            if before.get(key) != after.get(key) and "/" in key:
                self.theirs[key] = after.get(key)
        text = json.dumps(after)
        self.words = {f"other{number}" for number in range(next(self.numbers)) if f'"other{number}"' in text}

    @rule(compact=st.booleans())
    def reopen(self, compact: bool) -> None:
        if compact:
            self.mine.compact()
        self.mine.close()
        self.mine = self.open("mine")

    @rule(redo=st.booleans())
    def undo(self, redo: bool) -> None:
        undone(self.mine, redo=redo)

    @rule()
    def undo_all_and_redo_all(self) -> None:
        before, redos = state(self.mine), self.mine.steps().redo
        while undone(self.mine) is not None:
            self.nothing_of_theirs_is_lost()
        for _ in range(self.mine.steps().redo - redos):
            undone(self.mine, redo=True)
        assert state(self.mine) == before

    @invariant()
    def nothing_of_theirs_is_lost(self) -> None:
        now = state(self.mine)
        for key, value in self.theirs.items():
            assert now.get(key) == value, key
        text = json.dumps(now)
        assert all(f'"{word}"' in text for word in self.words)

    def teardown(self) -> None:
        exchange(self.mine, self.other)
        exchange(self.mine, self.other)
        assert state(self.mine) == state(self.other)
        self.mine.verify()
        for store in (self.mine, self.other):
            store.close()
        self.folder.cleanup()


TwoDevices.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
test_two_devices = TwoDevices.TestCase

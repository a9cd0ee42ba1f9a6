"""Undo and redo of the own edits, beside those of another device: whatever happens, nobody else's change is undone."""

from __future__ import annotations

import json
import re
import tempfile
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pycrdt import Doc, Map, Text

from crdt_sync.document import (
    AddHighlight,
    AddNote,
    Adopt,
    AppendToNote,
    Edit,
    EditHighlight,
    EditNote,
    EditNoteBody,
    Note,
    Purge,
    Restore,
    Trash,
)
from crdt_sync.document.restoring import Content
from crdt_sync.document.rich.storing import body_to_json
from crdt_sync.document.undoing import Undone
from crdt_sync.errors import LibraryDamaged, NotFound
from crdt_sync.storage import journal
from crdt_sync.storage.journal import Steps
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import GENESIS, MINE, opened, whole


def content(store: LibraryStore) -> Content:
    with store._reading():
        return store._document().content()


def state(store: LibraryStore) -> dict[str, Any]:
    """Everything that undo may bring back, which is all but the times of the last change."""
    now = content(store)
    fields = {key: value for key, value in now.fields.items() if not key.endswith("/updatedAt")}
    return {
        **{f"item {name}": dict(items) for name, items in now.items.items()},
        **fields,
        **{note_id: body_to_json(body) for note_id, body in now.bodies.items()},
    }


def words(now: dict[str, Any]) -> set[str]:
    """Return the other device's words."""
    return set(re.findall(r"other\d+", json.dumps(now)))


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
            self.words &= words(after)

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
        self.words = words(after)

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
        assert self.words <= words(now)

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


def test_a_field_goes_back_and_forth_also_after_a_restart(path: Path) -> None:
    with opened(path) as store:
        store.edit(MINE)
        store.edit(EditHighlight("mine", color="red", add_tags=("t",)))
        before = state(store)
    with opened(path) as store:
        assert store.steps() == Steps(undo=2, redo=0)
        assert undone(store) == Undone(("mine",))
        made = store.read.highlight("mine")
        assert made is not None
        assert (made.color, made.tags) == ("yellow", ())
        assert store.pending == 3  # an edit as any other
    with opened(path) as store:
        assert undone(store, redo=True) == Undone(("mine",))
        assert state(store) == before
        assert undone(store, redo=True) is None


def test_what_was_made_goes_to_the_trash_and_not_away(store: LibraryStore) -> None:
    store.edit(MINE, AddNote("words", id="n"))
    assert undone(store) == Undone(("mine", "n"))
    assert [item.id for item in (*store.read.highlights(trashed=True), *store.read.notes(trashed=True))] == [
        "mine",
        "n",
    ]
    assert undone(store, redo=True) == Undone(("mine", "n"))
    assert store.read.note("n").text == "words"  # type: ignore[union-attr]


def test_a_later_change_of_another_device_stays_even_if_it_looks_like_mine(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        a.edit(MINE)
        a.edit(EditHighlight("mine", color="red", comment="mine"))
        exchange(a, b)
        for color in ("green", "red"):
            b.edit(EditHighlight("mine", color=color))
            exchange(a, b)
        assert undone(a) == Undone(("mine",), kept=("mine",))
        now = a.read.highlight("mine")
        assert now is not None
        assert (now.color, now.comment) == ("red", "")


def test_a_paragraph_goes_and_the_other_devices_words_stay(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        a.edit(AddNote("first", id="n"))
        a.edit(AppendToNote("n", "mine"))
        exchange(a, b)
        b.edit(AppendToNote("n", "theirs"))
        exchange(a, b)
        assert undone(a) == Undone(("n",))
        assert a.read.note("n").text == "first\ntheirs"  # type: ignore[union-attr]
        b.edit(AppendToNote("n", "more"))
        exchange(a, b)
        assert undone(a, redo=True) == Undone(("n",))
        assert a.read.note("n").text == "first\nmine\ntheirs\nmore"  # type: ignore[union-attr]


def test_quick_edits_of_one_field_are_one_step(path: Path) -> None:
    time_s = 0.0
    with opened(path, now_s=lambda: time_s) as store:
        store.edit(MINE)
        for text, wait in (("a", 5.0), ("ab", 0.9), ("abc", 0.9), ("abcd", 1.1)):
            time_s += wait
            store.edit(EditHighlight("mine", comment=text))
        store.edit(EditHighlight("mine", color="red"))
        comments = []
        while undone(store) is not None:
            comments.append(store.read.highlight("mine").comment)  # type: ignore[union-attr]
        assert comments == ["abcd", "abc", "", ""]


def test_trashing_and_restoring_are_steps_however_quick(store: LibraryStore) -> None:
    store.edit(MINE)
    store.edit(Trash("mine"))
    store.edit(Restore("mine"))
    assert store.steps().undo == 3
    version = store.save_version("now")
    store.edit(EditHighlight("mine", color="red"))
    store.restore_version(version)
    undone(store)
    assert store.read.highlight("mine").color == "red"  # type: ignore[union-attr]


def test_quick_edits_with_anothers_between_are_two_steps(tmp_path: Path) -> None:
    with opened(tmp_path / "a", now_s=lambda: 0.0) as a, opened(tmp_path / "b") as b:
        a.edit(AddNote("first", id="n"))
        a.edit(AppendToNote("n", "one"))
        exchange(a, b)
        b.edit(AppendToNote("n", "theirs"))
        exchange(a, b)
        a.edit(AppendToNote("n", "two"))
        assert undone(a) == Undone(("n",))
        assert a.read.note("n").text == "first\none\ntheirs"  # type: ignore[union-attr]


def test_an_edit_that_fails_leaves_no_step(store: LibraryStore) -> None:
    store.edit(MINE)
    with pytest.raises(NotFound):
        store.edit(EditHighlight("mine", color="red"), Trash("nobody"))
    assert store.steps() == Steps(1, 0)


def test_another_process_undoes_what_this_one_did(path: Path) -> None:
    with opened(path) as one, opened(path) as other:
        one.edit(MINE)
        one.edit(EditHighlight("mine", color="red"))
        assert undone(other) == Undone(("mine",))
        one.edit(EditHighlight("mine", comment="x"))
        assert one.read.highlight("mine").color == "yellow"  # type: ignore[union-attr]
        assert other.steps() == Steps(2, 0)


@pytest.mark.parametrize("remotely", [False, True])
def test_purged_words_do_not_live_on_in_the_steps(tmp_path: Path, remotely: bool) -> None:
    path = tmp_path / "a"
    with opened(path) as a, opened(tmp_path / "b") as b:
        a.edit(MINE, AddNote("secret one", id="n"))
        a.edit(EditHighlight("mine", comment="secret two"), AppendToNote("n", "secret three"))
        a.edit(EditHighlight("mine", comment=""))
        exchange(a, b)
        (b if remotely else a).edit(Purge("mine"), Purge("n"))
        exchange(a, b)
        assert a.steps() == Steps(0, 0)
        a.compact()
        a.vacuum()
    assert b"secret" not in path.read_bytes()


def test_steps_are_bounded_and_the_oldest_leave(store: LibraryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_STEPS", 20)
    monkeypatch.setattr(journal, "SAME_WITHIN_S", -1.0)
    store.edit(MINE)
    for number in range(60):
        store.edit(EditHighlight("mine", comment=f"{number}"))
    assert 20 <= store.steps().undo < 20 + journal.TRIM_EVERY
    assert undone(store) is not None
    assert store.read.highlight("mine").comment == "58"  # type: ignore[union-attr]
    monkeypatch.setattr(journal, "MAX_BYTES", 100_000)
    store.edit(EditHighlight("mine", comment="x" * 90_000))
    store.edit(EditHighlight("mine", comment="y" * 90_000))
    assert store.steps().undo == 0  # the last is larger than all that is kept


def test_a_step_that_cannot_be_read_is_told_and_can_be_cleared(path: Path) -> None:
    with opened(path) as store:
        store.edit(MINE)
        store._connection.execute("UPDATE undo SET step = '{}'")
        with pytest.raises(LibraryDamaged, match="forget_steps"):
            undone(store)
        store.forget_steps()
        assert undone(store) is None


def test_a_value_that_is_no_json_is_left_alone(store: LibraryStore) -> None:
    """A stranger's client may put a shared type under a key."""
    store.edit(MINE)
    stranger: Doc[Any] = Doc()
    for update in whole(store):
        stranger.apply_update(update)
    stranger.get("fields", type=Map)["mine/color"] = Text("a shared type")
    store.apply_updates([stranger.get_update(store.state_vector())], "c")
    store.edit(EditHighlight("mine", color="red", comment="new"))
    assert undone(store) == Undone(("mine",))
    assert store.read.highlight("mine").color == "red"  # type: ignore[union-attr]


def test_the_first_edit_of_an_imported_note_is_undone_and_loses_nobody_elses(tmp_path: Path) -> None:
    """The edit moves the imported text into the body, on both devices alike: taking it back must leave that there."""
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        a.edit(Adopt(Note("n", None, "", "imported\nwords", (), 1, "", 1)))
        exchange(a, b)
        a.edit(EditNoteBody("n", "imported\n\nwords\n\nmine"))
        b.edit(EditNoteBody("n", "imported\n\nwords\n\ntheirs"))
        assert undone(a) == Undone(("n",))
        assert a.read.note("n").text == "imported\nwords"  # type: ignore[union-attr]
        exchange(a, b)
        for store in (a, b):
            assert store.read.note("n").text == "imported\nwords\ntheirs"  # type: ignore[union-attr]
        undone(a, redo=True)
        assert a.read.note("n").text == "imported\nwords\ntheirs\nmine"  # type: ignore[union-attr]


def test_words_typed_into_the_same_paragraph_stay(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        a.edit(AddNote("In the beginning", id="n"))
        a.edit(EditNoteBody("n", "**In the beginning** was the word"))
        exchange(a, b)
        b.edit(EditNoteBody("n", "**In the very beginning** was the word"))
        exchange(a, b)
        assert undone(a) == Undone(("n",))
        assert a.read.note("n").text == "In the very beginning"  # type: ignore[union-attr]

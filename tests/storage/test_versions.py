"""Versions of the whole library, in its file, and the trash that is emptied on the user's word."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map

from crdt_sync.document import (
    AddHighlight,
    AddNote,
    AppendToNote,
    Edit,
    EditHighlight,
    EditNote,
    Purge,
    Restore,
    Trash,
)
from crdt_sync.errors import InvalidEdit, LibraryDamaged, NotFound, ReadOnlyLibrary
from crdt_sync.storage import versions as versions_module
from crdt_sync.storage.salvage import repair
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import GENESIS, MINE, opened, whole
from tests.storage.test_undo import exchange, state

edits: st.SearchStrategy[list[Edit]] = st.lists(
    st.sampled_from(
        [
            AddHighlight(GENESIS, id="h"),
            AddHighlight(GENESIS, id="i", tags=("t",), comment="words", kind="bookmark"),
            EditHighlight("h", color="red", add_tags=("t",)),
            EditHighlight("h", color="green", remove_tags=("t",), comment="more"),
            EditHighlight("i", comment=""),
            AddNote("one\ntwo", id="n", title="title"),
            AppendToNote("n", "three"),
            EditNote("n", title="another"),
            *(made(item) for made in (Trash, Restore, Purge) for item in ("h", "i", "n")),
        ]
    ),
    max_size=15,
)


def edited(store: LibraryStore, steps: list[Edit]) -> None:
    for step in steps:
        try:
            store.edit(step)
        except NotFound:
            continue


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=edits, after=edits)
def test_restoring_gives_what_was_and_undo_gives_it_back(
    tmp_path_factory: pytest.TempPathFactory, before: list[Edit], after: list[Edit]
) -> None:
    with opened(tmp_path_factory.mktemp("version") / "a", random=Random(1)) as store:
        edited(store, before)
        was = state(store)
        version = store.save_version("then")
        with closing(store.look_at(version)) as look:
            assert look.read.content() == store.read.content()
        edited(store, after)
        now = state(store)
        with closing(store.look_at(version)) as look:  # what is there stays what was
            then = {item.id: item for trash in (False, True) for item in look.read.highlights(trashed=trash)}
        assert {*then} == {*was["item highlights"]}
        changed = store.restore_version(version).ids
        back = state(store)
        extra = {item for name in ("item highlights", "item notes") for item in {*back[name]} - {*was[name]}}
        assert {key: value for key, value in back.items() if not extra & {key.partition("/")[0], key}} == {
            **was,
            "item highlights": back["item highlights"],
            "item notes": back["item notes"],
        }
        assert all(f"{item}/deletedAt" in back for item in extra)  # what was made since is in the trash
        store.verify()
        if changed:
            made_again = {*back["item highlights"], *back["item notes"]} - {*now["item highlights"], *now["item notes"]}
            store.undo()
            undone = state(store)
            if made_again:
                assert all(f"{item}/deletedAt" in undone for item in made_again)
            else:
                assert undone == now
        else:
            assert back == now


def test_a_restored_version_merges_with_what_others_write_meanwhile(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        a.edit(MINE, AddNote("first", id="n"))
        version = a.save_version("then")
        a.edit(EditHighlight("mine", color="red"), AppendToNote("n", "since"))
        exchange(a, b)
        b.edit(EditHighlight("mine", comment="theirs"), AppendToNote("n", "theirs"))
        a.restore_version(version)
        exchange(a, b)
        for store in (a, b):
            made = store.read.highlight("mine")
            assert made is not None
            assert (made.color, made.comment) == ("yellow", "theirs")
            assert store.read.note("n").text == "first\ntheirs"  # type: ignore[union-attr]
        assert b.versions() == []  # versions stay on the device


def test_a_version_is_named_listed_and_deleted(store: LibraryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions_module, "MAX_VERSIONS", 2)
    store.edit(MINE)
    first = store.save_version("first")
    store.edit(AddNote("words", id="n"))
    second = store.save_version("second")
    assert [(each.id, each.name, each.highlights, each.notes) for each in store.versions()] == [
        (second, "second", 1, 1),
        (first, "first", 1, 0),
    ]
    with pytest.raises(InvalidEdit, match="delete one"):
        store.save_version("third")
    store.delete_version(first)
    for missing in (store.delete_version, store.look_at, store.restore_version):
        with pytest.raises(NotFound):
            missing(first)
    for name in ("", " ", "x" * 201, "\ud800"):
        with pytest.raises(InvalidEdit):
            store.save_version(name)
    assert store.save_version("third") > second  # a number is never another's


def test_what_is_not_what_was_written_is_told_and_never_restored(path: Path) -> None:
    with opened(path) as store:
        store.edit(MINE)
        whole_one, torn = store.save_version("whole"), store.save_version("torn")
        store._connection.execute("UPDATE versions SET data = substr(data, 1, 20) WHERE id = ?", (torn,))
        with pytest.raises(LibraryDamaged, match="not what was written"):
            store.restore_version(torn)
        with pytest.raises(LibraryDamaged) as caught:
            store.verify()
        assert caught.value.findings == (f"the version {torn} is not what was written",)
    into = path.with_name("new")
    assert "not what was written" in repair(path, into).findings[0]
    with opened(into) as store:
        assert [each.name for each in store.versions()] == ["whole"]
        assert store.restore_version(1).ids == ()
        store.verify()
    assert whole_one


def test_a_repair_takes_versions_from_pages_whose_tree_is_lost(path: Path) -> None:
    with opened(path) as store:
        store.edit(MINE)
        store.edit(AddNote("x" * 50_000, id="n"))
        store.save_version("first")
        store.edit(EditHighlight("mine", comment="since"))
        store.save_version("second")
        (root,) = store._connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'versions'").fetchone()
    data = bytearray(path.read_bytes())
    data[(root - 1) * 4096 : (root - 1) * 4096 + 8] = bytes(8)
    path.write_bytes(data)
    into = path.with_name("new")
    repair(path, into)
    with opened(into) as store:
        assert [each.name for each in store.versions()] == ["second", "first"]
        with closing(store.look_at(1)) as look:
            assert look.read.highlight("mine").comment == ""  # type: ignore[union-attr]


def test_a_version_keeps_what_was_purged_until_it_is_purged_everywhere(path: Path) -> None:
    with opened(path) as store:
        store.edit(MINE, AddNote("a secret in it", id="n"))
        version = store.save_version("then")
        store.edit(Purge("n"))
        with closing(store.look_at(version)) as look:
            assert look.read.note("n").text == "a secret in it"  # type: ignore[union-attr]
        assert store.purge_everywhere(["n", "nobody"]).ids == ()
        with closing(store.look_at(version)) as look:
            assert look.read.note("n") is None
            assert look.read.highlight("mine") is not None
        (kept,) = store.versions()
        assert (kept.name, kept.highlights, kept.notes) == ("then", 1, 0)
        update = versions_module.Versions(store._connection).update(version)
        assert b"secret" not in update
        assert store.purge_everywhere(["mine"]).ids == ("mine",)
        store.verify()
        store.compact()
        store.vacuum()
    assert b"secret" not in path.read_bytes()


def test_the_trash_is_emptied_on_a_word_and_by_age(path: Path) -> None:
    now_ms = 1_000
    with opened(path, now_ms=lambda: now_ms) as store:
        store.edit(MINE, AddNote("old", id="old"), AddNote("new", id="new"))
        store.edit(Trash("old"))
        now_ms = 2_000
        store.edit(Trash("new"))
        assert store.empty_trash(999).ids == ()
        assert store.empty_trash(1_000).ids == ("old",)
        assert store.empty_trash().ids == ("new",)
        assert store.empty_trash().appended is False
        assert store.read.highlight("mine") is not None
        store.verify()
        assert json.dumps(state(store)).count("old") == 0


def test_a_library_of_a_newer_writer_is_not_gone_back_in(store: LibraryStore) -> None:
    store.edit(MINE)
    version = store.save_version("then")
    store.edit(EditHighlight("mine", color="red"))
    newer: Doc[Any] = Doc()
    for update in whole(store):
        newer.apply_update(update)
    newer.get("meta", type=Map)["minWriter"] = 99
    store.apply_updates([newer.get_update(store.state_vector())], "c")
    for call in (store.undo, lambda: store.restore_version(version)):
        with pytest.raises(ReadOnlyLibrary):
            call()
    assert store.steps().undo == 2  # and nothing is lost of what could be undone

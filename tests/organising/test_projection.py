"""The read model follows every edit, of this process, another one and other devices, and a rebuild gives the same."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map
from sqlite_utils import Database

from crdt_sync.document import (
    AddCollection,
    AddHighlight,
    AddNote,
    AddToCollection,
    Anchor,
    AppendToNote,
    EditCollection,
    EditHighlight,
    EditNote,
    Purge,
    RemoveFromCollection,
    Restore,
    Trash,
)
from crdt_sync.errors import InvalidEdit, LibraryDamaged, NotFound
from crdt_sync.storage import database, migrations
from crdt_sync.storage.salvage import repair
from tests.storage.opened import GENESIS, opened, whole

HIGHLIGHTS, NOTES, COLLECTIONS = ("h1", "h2"), ("n1", "n2"), ("c1", "c2")
ITEMS = (*HIGHLIGHTS, *NOTES)
anchors = st.sampled_from([GENESIS, Anchor(work={"id": "W"}, source="b.html", progression=0.5)])
texts = st.sampled_from(["", "grace", "恩典 note:n2", "[[One]] and highlight:h1", "osis:Gen.1.1"])
titles = st.sampled_from(["", "One", "one", "Two"])
tags = st.sampled_from([(), ("x",), ("x", "y/item/h1")])
some = st.lists(st.sampled_from(ITEMS), max_size=3).map(tuple)

colors, highlight_ids = st.sampled_from(["red", ""]), st.sampled_from(HIGHLIGHTS)
note_ids, collection_ids = st.sampled_from(NOTES), st.sampled_from(COLLECTIONS)
all_ids = st.sampled_from((*ITEMS, *COLLECTIONS))
edits = st.one_of(
    st.builds(lambda i, a, t, c: AddHighlight(a, id=i, tags=t, comment=c), highlight_ids, anchors, tags, texts),
    st.builds(lambda i, c, t: EditHighlight(i, color=c, comment=t), highlight_ids, colors, texts),
    st.builds(AddNote, texts, titles, st.sampled_from([None, "h1"]), tags, note_ids),
    st.builds(EditNote, note_ids, titles, tags, tags),
    st.builds(AppendToNote, note_ids, texts),
    st.builds(AddCollection, titles, some, collection_ids),
    st.builds(EditCollection, collection_ids, titles),
    st.builds(AddToCollection, collection_ids, some, st.sampled_from([None, *ITEMS])),
    st.builds(RemoveFromCollection, collection_ids, some),
    st.builds(Trash, all_ids),
    st.builds(Restore, all_ids),
    st.builds(Purge, all_ids),
)
steps = st.lists(st.tuples(st.sampled_from(["here", "other process", "other device", "exchange"]), edits), max_size=30)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_a_rebuild_gives_what_stood_there(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("projection")
    with ExitStack() as stack:
        here, there, far = (
            stack.enter_context(opened(folder / name, now_ms=lambda: 7)) for name in ("one", "one", "far")
        )
        for where, edit in steps:
            store = {"here": here, "other process": there}.get(where, far)
            if where == "exchange":
                assert here.apply_updates(whole(far), "c").failure is None
                assert far.apply_updates(whole(here), "c").failure is None
                continue
            try:
                store.edit(edit)
            except (NotFound, InvalidEdit):
                continue
        assert here.apply_updates(whole(far), "c").failure is None
        assert far.apply_updates(whole(here), "c").failure is None
        there.follow()
        content = here.read.content()
        assert far.read.content() == content == there.read.content()
        here.verify()
        here.rebuild_read_model()
        assert here.read.content() == content
        for collection_id in COLLECTIONS:
            assert list(here.read.collection_items(collection_id)) == list(far.read.collection_items(collection_id))


def old_file(path: Path, version: int) -> None:
    """Make a file as the code of that version made it, with a highlight and a note in its log and its tables."""
    doc: Doc[Any] = Doc()
    doc.get("highlights", type=Map)["h"] = {"anchor": GENESIS.to_json(), "createdAt": 1, "createdBy": "Ada"}
    doc.get("notes", type=Map)["n"] = {"createdAt": 2, "createdBy": "Ada"}
    doc.get("fields", type=Map)["n/title"] = "Grace"
    doc.get("fields", type=Map)["h/comment"] = "see [[grace]]"
    steps = ("m001_log_and_read_model", "m002_checks_and_what_waits", "m003_bookmarks", "m004_search_and_organisation")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrations._migrations.apply(Database(connection), stop_before=steps[version])
        connection.execute("INSERT INTO updates (data) VALUES (?)", (doc.get_update(),))
        if version > 1:
            connection.create_function("crc32", 1, migrations.crc32)
            connection.execute("UPDATE updates SET crc = crc32(data)")
        kind = ", 'highlight'" if version > 2 else ""
        connection.execute(
            "INSERT INTO highlights VALUES "
            f"('h', 'KJV', 'Gen.1.1', '', '', 'see [[grace]]', ?, 1, 'Ada', 0, NULL{kind})",
            ('{"source": "Gen.1.1"}',),
        )
        connection.execute("INSERT INTO notes VALUES ('n', NULL, 'Grace', '', 2, 'Ada', 0, NULL)")
        connection.execute("INSERT INTO searched (item_id, text) VALUES ('n', 'Grace')")
        connection.execute("INSERT INTO search (rowid, text) VALUES (1, 'Grace')")
        connection.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_of_an_older_version_is_projected_anew_when_it_is_opened(tmp_path: Path, version: int) -> None:
    path = tmp_path / "library"
    old_file(path, version)
    assert repair(path, tmp_path / "repaired").findings == ()
    with opened(path) as store:
        assert store._loaded is None  # it opens without its document, as ever
        assert [hit.item_id for hit in store.read.search("beginning").hits] == ["h"]
        assert [link.item_id for link in store.read.backlinks("n")] == ["h"]
        assert [work.highlights for work in store.read.works()] == [1]
        store.verify()
        store.edit(AddCollection("c", ("h", "n")))
        store.verify()


def test_a_damaged_file_of_an_older_version_opens_and_says_so_at_the_first_edit(tmp_path: Path) -> None:
    path = tmp_path / "library"
    old_file(path, 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE updates SET data = x'00'")
    with opened(path) as store:
        assert [each.id for each in store.read.highlights()] == ["h"]
        with pytest.raises(LibraryDamaged, match="repair"):
            store.edit(EditHighlight("h", color="red"))
    repaired = repair(path, tmp_path / "new")
    assert repaired.rescued == 2


def test_what_was_changed_in_the_new_tables_is_found_and_repaired(tmp_path: Path) -> None:
    path = tmp_path / "library"
    for table, statement in {
        "members": "DELETE FROM members",
        "links": "UPDATE links SET target = 'note:x'",
        "collections": "UPDATE collections SET title = 'x'",
        "tallies": "UPDATE tallies SET items = 9",
        "full text": "UPDATE searched SET title = 'x'",
    }.items():
        path = tmp_path / table
        with opened(path) as store:
            store.edit(AddHighlight(GENESIS, id="h", tags=("t",), comment="note:n"))
            store.edit(AddCollection("c", ("h",)))
            store._connection.execute(statement)
            with pytest.raises(LibraryDamaged, match=f"the table of {table} is not"):
                store.verify()
        repair(path, tmp_path / f"{table}-new")
        with opened(tmp_path / f"{table}-new") as store:
            store.verify()
            assert store.read.collection_items(store.read.collections()[0].id)[0].id == "h"

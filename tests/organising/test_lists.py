"""Lists: filters, orders, pages; works, tags and colours with their numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crdt_sync.document import (
    AddHighlight,
    AddNote,
    Anchor,
    EditHighlight,
    Position,
    Purge,
    Quote,
    Restore,
    Trash,
)
from crdt_sync.errors import InvalidEdit
from crdt_sync.storage import queries
from crdt_sync.storage.overview import ColorCount, TagCount
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import opened


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibraryStore]:
    clock = iter(range(1, 1000))
    with opened(tmp_path_factory.mktemp("lists") / "library", now_ms=lambda: next(clock)) as store:
        yield store


def ids(store: LibraryStore, **asked: object) -> list[str]:
    return [each.id for each in store.read.highlights(**asked)]  # type: ignore[arg-type]


def test_by_place_is_canonical_order_then_how_far_and_where(store: LibraryStore) -> None:
    for source in ("Rev.1.1", "Gen.10.1", "Gen.2.1", "Exod.1.1", "Gen.2.1-Gen.2.3", "Matt.1.1"):
        store.edit(AddHighlight(Anchor.verse(source, work="KJV"), id=source))
    assert ids(store) == ["Gen.2.1", "Gen.2.1-Gen.2.3", "Gen.10.1", "Exod.1.1", "Matt.1.1", "Rev.1.1"]
    book = {"id": "Novel"}
    for number, (progression, position) in enumerate(((0.5, 9), (0.25, 10), (0.25, 9), (None, 1))):
        anchor = Anchor(work=book, source="c.html", progression=progression, position=Position(position, 99))
        store.edit(AddHighlight(anchor, id=f"n{number}"))
    for chapter in ("c10", "c9"):
        store.edit(AddHighlight(Anchor(work=book, source=chapter), id=chapter))
    assert ids(store, work="Novel") == ["n3", "n2", "n1", "n0", "c9", "c10"]
    assert ids(store, sort="newest", limit=2) == ["c9", "c10"]
    store.edit(EditHighlight("Gen.10.1", color="red"))
    assert ids(store, sort="changed", limit=2, offset=0) == ["Gen.10.1", "c9"]
    assert ids(store, limit=2, offset=1) == ["Gen.2.1-Gen.2.3", "Gen.10.1"]


def test_filters_hold_together(store: LibraryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        anchor = Anchor.verse(f"Gen.{number % 3 + 1}.1", work="KJV" if number % 2 else "ASV")
        tags = ("t", *("u",) * (number % 4 == 0))
        color = "red" if number < 6 else "blue"
        store.edit(
            AddHighlight(
                anchor, id=f"h{number:02}", color=color, tags=tags, kind="bookmark" if number == 3 else "highlight"
            )
        )
    store.edit(AddNote("x", highlight_id="h04", id="n"), AddNote("y", highlight_id="h05", id="m"))
    store.edit(Trash("m"), Trash("h11"))
    for many in (1000, 0):  # looked up one by one, or walked along: the same
        monkeypatch.setattr(queries, "MANY", many)
        assert ids(store, tag="u", limit=9) == ["h00", "h04", "h08"]
        assert ids(store, tag=("t", "u"), color="red", limit=9) == ["h00", "h04"]
    assert ids(store, work="KJV", within="Gen.1") == ["h03", "h09"]
    assert ids(store, kind="bookmark") == ["h03"]
    assert ids(store, has_note=True) == ["h04"]
    assert len(ids(store, has_note=False)) == 10
    assert ids(store, created_since_ms=2, created_until_ms=4) == ["h02", "h01"]
    assert ids(store, trashed=True) == ["h11"]
    assert ids(store, kind="note") == []
    notes = store.read.notes(work="ASV", within="Gen.2")
    assert [note.id for note in notes] == ["n"]
    assert [note.id for note in store.read.notes(trashed=True, sort="place")] == ["m"]
    for wrong in ({"sort": "size"}, {"kind": "page"}):
        with pytest.raises(InvalidEdit, match="one of"):
            ids(store, **wrong)


def test_works_tags_and_colours_are_counted_without_the_trash(store: LibraryStore) -> None:
    named = {"id": "KJV", "title": "The Bible", "author": "Moses"}
    store.edit(AddHighlight(Anchor(work=named, source="Gen.1.1"), id="a", tags=("x", "y")))
    store.edit(AddHighlight(Anchor(work={"title": "Novel"}, quote=Quote("q")), id="b", color="red", tags=("x",)))
    store.edit(AddNote("n", id="n", tags=("x",)))
    (novel, bible) = store.read.works()
    assert (bible.id, bible.title, bible.author, bible.highlights) == ("KJV", "The Bible", "Moses", 1)
    assert (novel.id, novel.title, novel.last_changed_at_ms) == ("Novel", "Novel", 2)
    assert store.read.tags() == [TagCount("x", 3), TagCount("y", 1)]
    assert store.read.colors() == [ColorCount("red", 1), ColorCount("yellow", 1)]
    store.edit(Trash("a"), EditHighlight("b", color="green", remove_tags=("x",)))
    assert [work.id for work in store.read.works()] == ["Novel"]
    assert store.read.tags() == [TagCount("x", 1)]
    assert store.read.colors() == [ColorCount("green", 1)]
    store.edit(Restore("a"), Purge("b"), Purge("n"))
    assert (store.read.tags(), store.read.colors()) == ([TagCount("x", 1), TagCount("y", 1)], [ColorCount("yellow", 1)])


def test_pages_are_read_from_indexes(store: LibraryStore) -> None:
    """No first page sorts the library: it walks an index that has the order."""
    store.edit(AddHighlight(Anchor.verse("Gen.1.1", work="KJV"), id="a"))
    for asked, index in (
        ({}, "highlights_in_order"),
        ({"work": "KJV"}, "highlights_in_order"),
        ({"color": "red"}, "highlights_of_color"),
        ({"sort": "newest"}, "highlights_by_time"),
        ({"sort": "changed"}, "highlights_by_change"),
        ({"within": "Gen.1", "sort": "newest"}, "highlights_by_source"),
        ({"trashed": True}, "highlights_in_trash"),
    ):
        statements: list[str] = []
        store._connection.set_trace_callback(statements.append)
        ids(store, limit=50, **asked)
        store._connection.set_trace_callback(None)
        (query,) = (each for each in statements if each.startswith("SELECT highlights.id"))
        plan = " ".join(row[3] for row in store._connection.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert index in plan, (asked, plan)

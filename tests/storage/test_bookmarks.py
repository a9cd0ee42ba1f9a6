"""A bookmark is a highlight whose kind says so: in the document, in the tables, in a copy and after a repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from crdt_sync.document import AddHighlight, Anchor
from crdt_sync.errors import InvalidEdit
from crdt_sync.storage.salvage import repair
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import opened, whole

GENESIS = Anchor.verse("Gen.1.1", work="KJV")


def kinds(store: LibraryStore) -> dict[str, str]:
    store.verify()
    return {each.id: each.kind for each in store.read.highlights()}


def test_the_kind_is_kept_and_travels(tmp_path: Path) -> None:
    wanted = {"h": "highlight", "b": "bookmark"}
    with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        one.edit(AddHighlight(GENESIS, id="h"), AddHighlight(GENESIS, id="b", kind="bookmark"))
        two.apply_updates(whole(one), "a connection")
        assert kinds(one) == kinds(two) == wanted
        two.edit(AddHighlight(GENESIS, id="b"))  # what a highlight is does not change
        assert kinds(two) == wanted


def test_a_repair_reads_the_kind_where_only_the_tables_are_left(tmp_path: Path) -> None:
    path = tmp_path / "library"
    with opened(path) as store:
        store.edit(AddHighlight(GENESIS, id="b", kind="bookmark"))
        store._connection.execute("DELETE FROM updates")
    repair(path, tmp_path / "new")
    with opened(tmp_path / "new") as store:
        (rescued,) = store.rescued()
        assert rescued.item.kind == "bookmark"  # type: ignore[union-attr]


def test_a_kind_that_is_none_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "library") as store, pytest.raises(InvalidEdit, match="bookmark"):
        store.edit(AddHighlight(GENESIS, kind="star"))  # type: ignore[arg-type]

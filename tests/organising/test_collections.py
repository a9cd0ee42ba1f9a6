"""Collections: devices that arrange one while apart keep each other's work, and an order of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt_sync import ItemKind
from crdt_sync.document import (
    AddCollection,
    AddHighlight,
    AddNote,
    AddToCollection,
    ChangeKind,
    EditCollection,
    Purge,
    RemoveFromCollection,
    Restore,
    Trash,
)
from crdt_sync.errors import InvalidEdit, NotFound
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import GENESIS, opened, whole

ITEMS = tuple(f"h{number}" for number in range(6))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LibraryStore]:
    with opened(tmp_path / "library") as store:
        store.edit(*(AddHighlight(GENESIS, id=item_id) for item_id in ITEMS), AddNote("n", id="n"))
        yield store


def ids(store: LibraryStore, collection_id: str = "c") -> list[str]:
    return [item.id for item in store.read.collection_items(collection_id)]


def test_a_collection_from_beginning_to_end(store: LibraryStore) -> None:
    (change,) = store.edit(AddCollection("Psalms", ("h2", "n"), id="c")).changes
    assert (change.item, change.kind) == (ItemKind.COLLECTION, ChangeKind.ADDED)
    store.edit(AddToCollection("c", ("h1", "h0")))
    assert ids(store) == ["h2", "n", "h1", "h0"]
    store.edit(AddToCollection("c", ("h0", "h3"), before="n"))
    assert ids(store) == ["h2", "h0", "h3", "n", "h1"]
    before = store.state_vector()
    store.edit(
        AddToCollection("c", ("h0", "h3"), before="n"),
        EditCollection("c", "Psalms"),
        RemoveFromCollection("c", ("h5",)),
    )
    assert store.state_vector() == before  # nothing changed, so nothing was written
    store.edit(RemoveFromCollection("c", ("h0",)), EditCollection("c", "Songs"))
    assert [(each.id, each.title) for each in store.read.collections(holding="n")] == [("c", "Songs")]
    assert store.read.collections(holding="h0") == []
    store.edit(Trash("n"), Purge("h3"))
    assert ids(store) == ["h2", "h1"]
    assert store.read.collection_size("c") == 2
    store.edit(Restore("n"), AddHighlight(GENESIS, id="h3"))
    assert ids(store) == ["h2", "n", "h1"]  # the place was kept in the trash; a purge took it
    store.edit(Trash("c"))
    assert store.read.collections() == []
    assert [each.id for each in store.read.collections(trashed=True)] == ["c"]
    store.edit(Restore("c"))
    assert ids(store) == ["h2", "n", "h1"]
    (change,) = store.edit(Purge("c")).changes
    assert (change.item, change.kind) == (ItemKind.COLLECTION, ChangeKind.PURGED)
    assert store.read.collection("c") is None
    assert store.read.member_ids("c") == []
    store.verify()


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (AddToCollection("c", ("nothing",)), NotFound, "no highlight or note 'nothing'"),
        (AddToCollection("c", ("c",)), NotFound, "no highlight or note 'c'"),
        (AddToCollection("h1", ("h0",)), NotFound, "no collection 'h1'"),
        (AddToCollection("c", ("h1",), before="h5"), NotFound, "not in the collection"),
        (AddToCollection("c", ("h1",), before="h1"), InvalidEdit, "before itself"),
        (EditCollection("c", "\ud800"), InvalidEdit, "half a character"),
        (AddCollection("x", (), id="a/b"), InvalidEdit, "no slash"),
    ],
)
def test_a_bad_edit_says_what_is_wrong(store: LibraryStore, edit: object, error: type, words: str) -> None:
    store.edit(AddCollection("c", ("h1",), id="c"))
    before = store.state_vector()
    with pytest.raises(error, match=words):
        store.edit(EditCollection("c", "other"), edit)  # type: ignore[arg-type]
    assert store.state_vector() == before


moves = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.lists(st.sampled_from(ITEMS), min_size=1, max_size=2, unique=True).map(tuple),
        st.sampled_from([None, *ITEMS]),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves)
def test_devices_that_arrange_apart_converge_and_every_move_says_where_it_went(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, tuple[str, ...], str | None]]
) -> None:
    folder = tmp_path_factory.mktemp("apart")
    with opened(folder / "a") as one, opened(folder / "b") as two:
        one.edit(*(AddHighlight(GENESIS, id=item_id) for item_id in ITEMS), AddCollection("c", ITEMS[:4], id="c"))
        assert two.apply_updates(whole(one), "c").failure is None
        moved: set[str] = set()
        for device, items, before in moves:
            store = (one, two)[device]
            wanted = [each for each in ids(store) if each not in items]
            if before is not None and (before in items or before not in wanted):
                continue
            place = len(wanted) if before is None else wanted.index(before)
            wanted[place:place] = items
            store.edit(AddToCollection("c", items, before))
            assert ids(store) == wanted
            moved.update(items)
        for store, other in ((one, two), (two, one)):
            assert store.apply_updates(whole(other), "c").failure is None
        assert ids(one) == ids(two)
        assert set(ids(one)) == {*ITEMS[:4], *moved}
        still = [item_id for item_id in ids(one) if item_id not in moved]
        assert still == [item_id for item_id in ITEMS[:4] if item_id not in moved]


def test_two_devices_put_two_items_into_one_gap_and_a_third_fits_between(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as one, opened(tmp_path / "b") as two:
        one.edit(*(AddHighlight(GENESIS, id=item_id) for item_id in ITEMS), AddCollection("c", ("h0", "h1"), id="c"))
        two.apply_updates(whole(one), "c")
        one.edit(AddToCollection("c", ("h2",), before="h1"))
        two.edit(AddToCollection("c", ("h3",), before="h1"))
        one.apply_updates(whole(two), "c")
        first, second = ids(one)[1:3]
        one.edit(AddToCollection("c", ("h4",), before=second))
        two.apply_updates(whole(one), "c")
        assert ids(one) == ids(two) == ["h0", first, "h4", second, "h1"]

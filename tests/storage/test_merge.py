from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt_sync.document import (
    AddHighlight,
    AddNote,
    AppendToNote,
    EditHighlight,
    Purge,
    Restore,
    Trash,
)
from crdt_sync.errors import (
    NotFound,
)
from crdt_sync.storage.store import LibraryStore
from tests.conftest import Yjs
from tests.storage.opened import GENESIS, MINE, opened, whole

edits = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(
            st.builds(lambda i: AddHighlight(GENESIS, id=i), st.sampled_from("ab")),
            st.builds(lambda i, c: EditHighlight(i, color=c), st.sampled_from("ab"), st.sampled_from(["red", "blue"])),
            st.builds(
                lambda i, t: EditHighlight(i, add_tags=(t,)), st.sampled_from("ab"), st.sampled_from(["x", "y/z"])
            ),
            st.builds(lambda i, t: EditHighlight(i, remove_tags=(t,)), st.sampled_from("ab"), st.sampled_from(["x"])),
            st.builds(lambda t: AddNote(t, id="n"), st.sampled_from(["one", "two\nlines"])),
            st.builds(lambda t: AppendToNote("n", t), st.sampled_from(["more", "𝔘"])),
            st.builds(Trash, st.sampled_from("abn")),
            st.builds(Restore, st.sampled_from("abn")),
            st.builds(Purge, st.sampled_from("abn")),
            st.just("sync"),
            st.just("compact"),
        ),
    ),
    max_size=25,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(steps=edits)
def test_devices_that_exchanged_everything_are_equal_in_document_and_read_model(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("devices")
    stores = [LibraryStore(folder / str(n), durability="normal", now_ms=lambda: 7) for n in range(3)]
    for device, step in steps:
        store, other = stores[device], stores[(device + 1) % 3]
        if step == "sync":
            assert store.apply_updates(other.diff(store.state_vector()).updates, "c").failure is None
        elif step == "compact":
            store.compact()
        else:
            try:
                store.edit(step)
            except NotFound:
                continue
    for _ in range(2):
        for n, store in enumerate(stores):
            store.apply_updates(stores[n - 1].diff(store.state_vector()).updates, "c")
    for store in stores:
        assert store.read.content() == stores[0].read.content()
        store.verify()
    for store in stores:
        store.close()


def test_yjs_reads_what_we_write_and_we_read_what_yjs_writes(yjs: Yjs, store: LibraryStore) -> None:
    store.edit(AddHighlight(GENESIS, id="h", tags=("a/b",)), AddNote("one\n𝔘 two", id="n", highlight_id="h"))
    seen = yjs("library", {"updates": [update.hex() for update in whole(store)], "note": "n"})
    assert seen["highlights"]["h"]["anchor"] == json.loads(json.dumps(GENESIS.to_json()))
    assert seen["fields"]["h/tag/a/b"] is True
    assert seen["body"] == "<paragraph>one</paragraph><paragraph>𝔘 two</paragraph>"
    assert store.apply_updates([bytes.fromhex(seen["answer"])], "c").failure is None
    assert store.read.highlight("h").color == "from yjs"  # type: ignore[union-attr]
    assert store.read.note("n").text == "one\n𝔘 two\nvon Yjs 🙂"  # type: ignore[union-attr]
    store.verify()


def test_a_tag_that_outlived_its_item_is_there_again_with_the_item(tmp_path: Path) -> None:
    """Set here while the item was purged elsewhere: a field without its item is kept, and is not shown till then."""
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        a.edit(MINE)
        b.apply_updates(whole(a), "c")
        a.edit(Purge("mine"))
        b.edit(EditHighlight("mine", add_tags=("x",)))
        a.apply_updates(whole(b), "c")
        b.apply_updates(whole(a), "c")
        for store in (a, b):
            assert store.read.highlights() == []
            store.verify()
        b.edit(MINE)
        a.apply_updates(whole(b), "c")
        for store in (a, b):
            store.verify()
            assert store.read.highlight("mine").tags == ("x",)  # type: ignore[union-attr]

"""Links between items, both ways; those by title follow a renamed note."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crdt_sync.document import AddHighlight, AddNote, EditHighlight, EditNote, Purge, Restore, Trash
from crdt_sync.storage.linking import Link
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import GENESIS, opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LibraryStore]:
    with opened(tmp_path / "library") as store:
        store.edit(AddHighlight(GENESIS, id="h", comment="see [[On grace]], osis:Gen.1.1-Gen.1.3 and note:n"))
        store.edit(AddNote("highlight:h\nnote:gone [[Nobody]] osis:Gen.10.1", title="On  GRACE", id="n"))
        yield store


def sources(links: list[Link]) -> list[str]:
    return [link.item_id for link in links]


def test_links_lead_there_and_back(store: LibraryStore) -> None:
    assert {(link.written, link.to) for link in store.read.links("h")} == {
        ("[[On grace]]", ("n",)),
        ("osis:Gen.1.1-Gen.1.3", ()),
        ("note:n", ("n",)),
    }
    assert sources(store.read.backlinks("n")) == ["h", "h"]
    assert store.read.backlinks("h") == [Link("n", "highlight:h", ("h",))]
    assert sources(store.read.backlinks("osis:Gen.1")) == ["h"]
    assert sources(store.read.backlinks("osis:Gen")) == ["h", "n"]


def test_what_leads_to_nothing_is_told_and_a_place_is_something(store: LibraryStore) -> None:
    assert {(link.item_id, link.written) for link in store.read.dangling_links()} == {
        ("n", "[[Nobody]]"),
        ("n", "note:gone"),
    }
    assert all(link.is_dangling for link in store.read.dangling_links())
    assert not any(link.is_dangling for link in store.read.links("h"))
    store.edit(Trash("n"))
    assert {link.written for link in store.read.dangling_links()} == {"[[On grace]]", "note:n"}
    assert store.read.backlinks("h") == []  # it stands in the trash
    store.edit(Restore("n"), EditHighlight("h", comment=""))
    assert store.read.links("h") == []
    store.edit(Purge("h"))
    assert {link.written for link in store.read.dangling_links()} == {"[[Nobody]]", "note:gone", "highlight:h"}


def test_a_title_is_looked_up_when_it_is_asked_for(store: LibraryStore) -> None:
    (link,) = (link for link in store.read.links("h") if link.written.startswith("[["))
    assert (link.is_ambiguous, link.is_dangling) == (False, False)
    store.edit(AddNote("another", title="on grace", id="second"))
    (link,) = (link for link in store.read.links("h") if link.written.startswith("[["))
    assert link.is_ambiguous
    assert set(link.to) == {"n", "second"}
    assert sources(store.read.backlinks("second")) == ["h"]
    store.edit(EditNote("n", title="Nobody"), EditNote("second", title="Else"))
    assert [link.written for link in store.read.dangling_links()] == ["[[On grace]]", "note:gone"]
    assert [link.written for link in store.read.backlinks("n")] == ["note:n", "[[Nobody]]"]


def test_a_title_or_an_id_that_looks_like_a_pattern_is_none(store: LibraryStore) -> None:
    store.edit(AddNote("[[100%]] [[a_b]] note:%", title="100x", id="p"), AddNote("x", title="axb", id="q"))
    assert {link.written for link in store.read.links("p") if link.is_dangling} == {"[[100%]]", "[[a_b]]", "note:%"}

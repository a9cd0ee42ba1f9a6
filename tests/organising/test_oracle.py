"""Lists and searches against a plain look at every item: whichever way an answer is found, it is the same."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt_sync.document import (
    AddCollection,
    AddHighlight,
    AddNote,
    Anchor,
    Edit,
    EditHighlight,
    EditNote,
    Highlight,
    Note,
    Purge,
    Quote,
    Trash,
)
from crdt_sync.document.verses import place_key
from crdt_sync.storage import filters, queries, search
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import opened

SOURCES = ("Gen.1.1", "Gen.1.2-Gen.1.5", "Gen.10.1", "Exod.3.14", "c.html")
WORKS, COLORS, TAGS = ("KJV", "ASV", "Novel"), ("red", "green", "blue"), ("hope", "law", "→")
WORDS = ("light", "god", "heaven")
ITEMS = 90


def edits(random: Random) -> list[Edit]:
    made: list[Edit] = []
    for number in range(ITEMS):
        tags = tuple(random.sample(TAGS, random.randrange(3)))
        words = " ".join(random.sample(WORDS, random.randrange(4)))
        if number % 3:
            anchor = Anchor(work={"id": random.choice(WORKS)}, source=random.choice(SOURCES), quote=Quote(f"q {words}"))
            kind = random.choice(("highlight", "highlight", "bookmark"))
            made.append(AddHighlight(anchor, color=random.choice(COLORS), tags=tags, kind=kind, id=f"i{number}"))
        else:
            of = f"i{random.randrange(ITEMS)}" if number % 2 else None
            made.append(AddNote(words, title="t", highlight_id=of, tags=tags, id=f"i{number}"))
    made.append(AddCollection("c", tuple(f"i{number}" for number in range(0, ITEMS, 4)), id="c"))
    for number in range(0, ITEMS, 7):  # some change, leave or go: rows are written anew, and numbers are free again
        made.append(Trash(f"i{number}"))
    for number in range(1, ITEMS, 9):
        edit = EditHighlight(f"i{number}", comment="heaven") if number % 3 else EditNote(f"i{number}", title="god")
        made.append(edit)
    made += [Purge("i80"), AddNote("light", id="late"), AddHighlight(Anchor(source="Gen.1.1"), color="red", id="last")]
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibraryStore]:
    clock = iter(range(1, 10_000))
    with opened(tmp_path_factory.mktemp("oracle") / "library", now_ms=lambda: next(clock) // 2) as store:
        for edit in edits(Random(7)):
            store.edit(edit)
        yield store


times = st.none() | st.integers(0, 70)
asked = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["highlight", "bookmark", "note"]),
        "work": st.sampled_from([*WORKS, "none"]),
        "within": st.sampled_from(["Gen", "Gen.1", "Gen.1.2", "Exod", "c.html"]),
        "color": st.sampled_from(COLORS),
        "tag": st.sampled_from(TAGS) | st.lists(st.sampled_from(TAGS), max_size=2),
        "collection": st.sampled_from(["c", "none"]),
        "created_since_ms": times,
        "created_until_ms": times,
        "changed_since_ms": times,
        "changed_until_ms": times,
        "has_note": st.booleans(),
        "trashed": st.booleans(),
    },
)
ways = st.tuples(*(st.sampled_from([0, 3, 100_000]) for _ in range(3)))


def passes(known: Known, item: Highlight | Note, asked: dict[str, Any]) -> bool:
    """Say whether an item passes, from what it is alone."""
    of = item if isinstance(item, Highlight) else known.items.get(item.highlight_id or "")
    of = of if isinstance(of, Highlight) else None
    source = (of and of.anchor.source) or ""
    tags = asked.get("tag", ())
    within, kind, has_note = asked.get("within"), asked.get("kind"), asked.get("has_note")
    return (
        item.is_deleted == asked.get("trashed", False)
        and kind in (None, item.kind if isinstance(item, Highlight) else "note")
        and asked.get("work") in (None, of and of.anchor.work_id)
        and asked.get("color") in (None, of and of.color)
        and (within is None or source == within or source.startswith(f"{within}."))
        and set([tags] if isinstance(tags, str) else tags) <= set(item.tags)
        and ("collection" not in asked or (asked["collection"] == "c" and item.id in known.members))
        and (has_note is None or (isinstance(item, Highlight) and (item.id in known.with_a_note) == has_note))
        and all(
            compare(getattr(item, f"{name}_at_ms"), bound)
            for name, column in (("created", "created"), ("updated", "changed"))
            for side, compare in (("since", int.__ge__), ("until", int.__lt__))
            if (bound := asked.get(f"{column}_{side}_ms")) is not None
        )
    )


class Known:
    """All that is in the library, to be looked at plainly."""

    def __init__(self, store: LibraryStore) -> None:
        ids = [row[0] for table in ("highlights", "notes") for row in store.read.content()[table]]
        self.items = {item_id: item for item_id in ids if (item := store.read.item(item_id)) is not None}
        self.members = set(store.read.member_ids("c"))
        notes = [item for item in self.items.values() if isinstance(item, Note) and not item.is_deleted]
        self.with_a_note = {note.highlight_id for note in notes}


@pytest.fixture(scope="module")
def known(store: LibraryStore) -> Known:
    return Known(store)


def in_order(item: Highlight, sort: str) -> tuple[Any, ...]:
    if sort == "place":
        return item.anchor.work_id, place_key(item.anchor.source), item.created_at_ms, item.id
    return -(item.created_at_ms if sort == "newest" else item.updated_at_ms), item.id


SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SETTINGS
@given(asked, st.sampled_from(filters.SORTS), st.integers(-1, 9), st.integers(0, 3), st.sampled_from([0, 5, 9999]))
def test_a_page_of_a_list_is_that_of_all(
    store: LibraryStore,
    known: Known,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, Any],
    sort: filters.Sort,
    limit: int,
    offset: int,
    many: int,
) -> None:
    monkeypatch.setattr(queries, "MANY", many)
    passing = [item for item in known.items.values() if passes(known, item, asked)]
    found = sorted((each for each in passing if isinstance(each, Highlight)), key=lambda each: in_order(each, sort))
    page = found[offset:] if limit < 0 else found[offset : offset + limit]
    assert store.read.highlights(sort=sort, limit=limit, offset=offset, **asked) == page
    notes = {each.id for each in passing if isinstance(each, Note)}
    assert {each.id for each in store.read.notes(sort=sort, **asked)} == notes
    assert len(store.read.notes(sort=sort, limit=2, **asked)) == min(2, len(notes))


@SETTINGS
@given(st.sampled_from([*WORDS, "light god", "lig", "q -heaven"]), asked, ways)
def test_a_search_finds_what_holds_the_words_and_passes(
    store: LibraryStore,
    known: Known,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    asked: dict[str, Any],
    bounds: tuple[int, int, int],
) -> None:
    for name, bound in zip(("FEW", "MANY"), bounds, strict=False):
        monkeypatch.setattr(filters, name, bound)
        monkeypatch.setattr(search, name, bound)
    monkeypatch.setattr(search, "SHOWN", bounds[2])
    trash = bool(asked.get("trashed"))
    holding = store.read.search(text, limit=-1, trashed=trash).hits
    wanted = [hit for hit in holding if passes(known, known.items[hit.item_id], asked)]
    result = store.read.search(text, limit=-1, **asked)
    assert (list(result.hits), result.is_complete) == (wanted, True)
    assert store.read.search(text, limit=3, offset=1, **asked).hits == tuple(wanted[1:4])

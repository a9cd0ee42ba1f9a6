"""What a search finds, in which order, and that it never raises and never takes long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt_sync.document import AddCollection, AddHighlight, AddNote, Anchor, EditHighlight, Quote, Trash
from crdt_sync.errors import InvalidEdit
from crdt_sync.storage import search
from crdt_sync.storage.store import LibraryStore
from crdt_sync.storage.words import Query, indexed, shown
from tests.storage.opened import opened


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibraryStore]:
    clock = iter(range(1, 1000))
    with opened(tmp_path_factory.mktemp("search") / "library", now_ms=lambda: next(clock)) as store:
        store.edit(AddHighlight(verse("Gen.1.1", "In the beginning God created the heaven"), id="beginning"))
        store.edit(
            AddHighlight(verse("Gen.1.3", "Let there be light: God"), id="light", color="green", tags=("x", "y"))
        )
        store.edit(AddHighlight(verse("Exod.3.14", "I AM THAT I AM"), id="exod", tags=("x",), comment="about God"))
        store.edit(
            AddHighlight(Anchor(work={"id": "和合本"}, source="Gen.1.1", quote=Quote("起初，　神创造天地。")), id="zh")
        )
        store.edit(AddHighlight(Anchor(source="th", quote=Quote("ในเริ่มแรกนั้นพระเจ้าทรงเนรมิตสร้างฟ้าและแผ่นดิน")), id="th"))
        store.edit(AddHighlight(Anchor(source="ja", quote=Quote("初めに、神が天と地を創造した。カタカナ")), id="ja"))
        store.edit(
            AddHighlight(Anchor(source="x", quote=Quote("q"), heading="Größe und Café"), id="heading", kind="bookmark")
        )
        store.edit(AddNote("light upon light", title="Thoughts", highlight_id="light", id="note"))
        store.edit(AddNote("God", title="A free one about light", id="free"))
        store.edit(AddHighlight(verse("Gen.1.5", "God called the light Day"), id="trashed"))
        store.edit(AddCollection("c", ("exod", "free"), id="c"))
        store.edit(Trash("trashed"))
        yield store


def verse(source: str, text: str) -> Anchor:
    return Anchor(work={"id": "KJV"}, source=source, quote=Quote(text))


def ids(store: LibraryStore, text: str, **filters: object) -> list[str]:
    return [hit.item_id for hit in store.read.search(text, **filters).hits]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("beginning", {"beginning"}),
        ("BEGIN", {"beginning"}),
        ('"god created"', {"beginning"}),
        ('"created god"', set()),
        ("god -created -about", {"light"}),
        ('light -"let there"', {"note", "free"}),
        ("cafe grosse", set()),
        ("größe cafe", {"heading"}),
        ("thoughts light", {"note"}),
        ("神", {"zh", "ja"}),
        ("创造", {"zh"}),
        ("造天地", {"zh"}),
        ("造地", set()),
        ("พระเจ้า", {"th"}),
        ("แผ่นดิน", {"th"}),
        ("พระจ้า", set()),
        ("天", {"zh", "ja"}),
        ("カタ", {"ja"}),
        ("x", {"light", "exod"}),
        ("light NEAR( OR *", set()),
        ("-light", set()),
        ("", set()),
        ('"', set()),
    ],
)
def test_what_is_found(store: LibraryStore, text: str, found: set[str]) -> None:
    assert set(ids(store, text)) == found


@pytest.mark.parametrize(
    ("text", "filters", "found"),
    [
        ("god", {"kind": "highlight"}, {"beginning", "light", "exod"}),
        ("god", {"kind": "note"}, {"free"}),
        ("cafe", {"kind": "bookmark"}, {"heading"}),
        ("god", {"within": "Gen.1"}, {"beginning", "light"}),
        ("light", {"within": "Gen"}, {"light", "note"}),
        ("light", {"work": "KJV", "kind": "note"}, {"note"}),
        ("god", {"color": "green"}, {"light"}),
        ("god", {"tag": "x"}, {"light", "exod"}),
        ("god", {"tag": ["x", "y"]}, {"light"}),
        ("god", {"collection": "c"}, {"exod", "free"}),
        ("god", {"has_note": True}, {"light"}),
        ("god", {"has_note": False}, {"beginning", "exod"}),
        ("god", {"created_since_ms": 2, "created_until_ms": 4}, {"light", "exod"}),
        ("god", {"changed_since_ms": 9}, {"free"}),
        ("god", {"trashed": True}, {"trashed"}),
    ],
)
def test_a_filter_narrows_it_down(store: LibraryStore, text: str, filters: dict[str, object], found: set[str]) -> None:
    assert set(ids(store, text, **filters)) == found


def test_titles_and_tags_count_more_than_texts_and_pages_follow_each_other(store: LibraryStore) -> None:
    assert ids(store, "light")[0] == "free"  # in its title
    everything = ids(store, "light")
    assert [each for page in range(4) for each in ids(store, "light", limit=1, offset=page)] == everything


def test_the_snippet_shows_the_words_as_they_were_written(store: LibraryStore) -> None:
    def snippet(text: str) -> str:
        return store.read.search(text).hits[0].snippet

    assert snippet("created") == "In the beginning God [created] the heaven"
    assert snippet("创造天") == "起初，　神[创造天]地。"
    assert "[พระเจ้า]" in snippet("พระเจ้า")
    assert snippet("cafe") == "Größe und [Café]"


def test_so_many_are_ranked_and_the_answer_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "library") as store:
        for n in range(30):
            store.edit(AddHighlight(verse("Gen.1.1", "and" + " and" * (n % 3)), id=f"h{n}"))
        store.edit(EditHighlight("h3", color="rare"))
        monkeypatch.setattr(search, "RANKED", 10)
        result = store.read.search("and")
        assert not result.is_complete
        assert {hit.item_id for hit in result.hits} == {f"h{n}" for n in range(20, 30)}
        assert store.read.search("and", color="rare").is_complete
        monkeypatch.setattr(search, "LOOKED_AT", 20)
        monkeypatch.setattr(search, "WALKED", 20)
        # an index knows where to look, among however many
        assert [hit.item_id for hit in store.read.search("and", color="rare").hits] == ["h3"]
        store.edit(AddNote("x", highlight_id="h3", id="n"))
        result = store.read.search("and", has_note=True)
        assert (result.hits, result.is_complete) == ((), False)


def test_a_kind_that_there_is_none_of_is_refused(store: LibraryStore) -> None:
    with pytest.raises(InvalidEdit, match="highlight, bookmark, note"):
        store.read.search("x", kind="page")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40) | st.text('"*()-+^:{}ANDORNOT \x00\ud800恩典กิ่', max_size=30))
def test_any_text_is_a_query(store: LibraryStore, text: str) -> None:
    for hit in store.read.search(text).hits:
        assert hit.snippet


def test_a_query_of_thousands_of_words_is_one(store: LibraryStore) -> None:
    assert ids(store, "god " * 20_000) != []
    assert ids(store, '"' * 20_001) == []


scripts = st.text("ab 恩典国 กิ่น้ำ แ 神が\u0301é.", max_size=30)


@given(scripts)
def test_a_text_comes_out_of_the_index_as_it_went_in(text: str) -> None:
    assert shown(indexed(text)) == text


@given(scripts, st.data())
def test_any_part_of_a_text_without_spaces_is_found(text: str, data: st.DataObject) -> None:
    """The pairs of a part, in their order, are in the pairs of the whole."""
    run = "".join(character for character in text if character in "恩典国神が")
    if run:
        start = data.draw(st.integers(0, len(run) - 1))
        end = data.draw(st.integers(start + 1, len(run)))
        (phrase,) = Query.of(run[start:end]).wanted
        assert phrase.strip('"*') in indexed(run)

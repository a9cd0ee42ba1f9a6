from __future__ import annotations

import random

import pytest
import pythonbible
from hypothesis import example, given
from hypothesis import strategies as st

from crdt_sync.document.verses import BOOKS, MAX_CHARACTERS, VerseRange, VerseReference, osis_source, place_key
from crdt_sync.errors import InvalidEdit

CODES = tuple(BOOKS)


@st.composite
def references(draw: st.DrawFn) -> VerseReference:
    chapter = draw(st.none() | st.integers(1, 999))
    verse = None if chapter is None else draw(st.none() | st.integers(0, 999))
    return VerseReference(draw(st.sampled_from(CODES)), chapter, verse)


@st.composite
def ranges(draw: st.DrawFn) -> VerseRange:
    first, last = sorted((draw(references()), draw(references())), key=lambda each: each.ends)
    work = draw(st.sampled_from([None, "Bible.KJV", "Bible"]))
    return VerseRange(first, draw(st.sampled_from([first, last])), work)


@pytest.mark.parametrize(
    ("text", "osis", "usfm"),
    [
        ("Gen.1.1", "Gen.1.1", "GEN 1:1"),
        ("Gen.1.1-Gen.1.3", "Gen.1.1-Gen.1.3", "GEN 1:1-3"),
        ("Gen.1.1-3", "Gen.1.1-Gen.1.3", "GEN 1:1-3"),
        ("Gen.1.1 – Gen.2.3", "Gen.1.1-Gen.2.3", "GEN 1:1-2:3"),
        ("Bible.KJV:Gen.1.1", "Bible.KJV:Gen.1.1", "GEN 1:1"),
        ("Bible.KJV:Gen.1.1-Bible.KJV:Gen.1.2", "Bible.KJV:Gen.1.1-Gen.1.2", "GEN 1:1-2"),
        ("GEN 1:1", "Gen.1.1", "GEN 1:1"),
        ("GEN 1:1-3", "Gen.1.1-Gen.1.3", "GEN 1:1-3"),
        ("GEN 1:1-2:3", "Gen.1.1-Gen.2.3", "GEN 1:1-2:3"),
        ("GEN 1:1-EXO 2:3", "Gen.1.1-Exod.2.3", "GEN 1:1-EXO 2:3"),
        ("GEN.1.1", "Gen.1.1", "GEN 1:1"),
        (" gen  1 ", "Gen.1", "GEN 1"),
        ("Gen.1-3", "Gen.1-Gen.3", "GEN 1-3"),
        ("Gen", "Gen", "GEN"),
        ("Gen-Deut", "Gen-Deut", "GEN-DEU"),
        ("Gen.1.1-Gen.1.1", "Gen.1.1", "GEN 1:1"),
        ("Gen.1.5-Gen.1", "Gen.1.5-Gen.1", "GEN 1:5-GEN 1"),
        ("PSA 3:0", "Ps.3.0", "PSA 3:0"),
        ("s3y 1:1", "PrAzar.1.1", "S3Y 1:1"),
    ],
)
def test_both_forms_are_read_and_written(text: str, osis: str, usfm: str) -> None:
    read = VerseRange.parse(text)
    assert (read.osis, read.usfm) == (osis, usfm)
    assert VerseRange.parse(usfm).osis == osis.removeprefix("Bible.KJV:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no place in a book"),
        ("Gne.1.1", "no book 'Gne'"),
        ("GNE 1:1", "no book 'GNE'"),
        ("Gen.1.5-3", r"Gen\.1\.3 ends before Gen\.1\.5"),
        ("Gen.1-Gen.1.3", r"Gen\.1\.3 ends before Gen\.1 does"),
        ("Exod.1.1-Gen.1.1", "ends before"),
        ("Gen.0.1", "chapters are numbered 1 to 999; this is 0"),
        ("Gen.1000.1", "this is 1000"),
        ("Gen.1.1000", "verses are numbered 0 to 999"),
        ("Gen.1." + "9" * 5000, "no number of a chapter or verse"),
        ("Gen.1.1!a", "part of a verse"),
        ("Gen.1.1@cp[3]", "part of a verse"),
        ("GEN 1:1a", "part of a verse"),
        ("Gen..1", "no place in a book"),
        ("1-2", "'1' is no place in a book"),
        ("Gen-3", "'3' is no place in a book"),
        ("Gen.1.1-Gen.1.2-Gen.1.3", "2 dashes"),
        ("Bible.KJV:Gen.1.1-Bible.ASV:Gen.1.2", r"another work, Bible\.ASV"),
        ("Gen.1.1, Gen.1.2", "names 2 ranges"),
        ("Gen.١.١", "no place in a book"),
        ("Gen.1.1," * MAX_CHARACTERS, "at most 10,000 characters"),
    ],
)
def test_an_error_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(InvalidEdit, match=words) as caught:
        VerseRange.parse(text)
    assert len(str(caught.value)) < 300


def test_lists_go_on_from_the_item_before() -> None:
    def osis(text: str) -> list[str]:
        return [each.osis for each in VerseRange.parse_list(text)]

    assert osis("GEN 1:1,3-4; 2:4") == ["Gen.1.1", "Gen.1.3-Gen.1.4", "Gen.2.4"]
    assert osis("Bible.KJV:Gen.1.1 Gen.1.4 - Gen.1.5") == ["Bible.KJV:Gen.1.1", "Bible.KJV:Gen.1.4-Gen.1.5"]
    assert osis("Bible.2:1Sam.1.1 2Sam.1.1") == ["Bible.2:1Sam.1.1", "Bible.2:2Sam.1.1"]
    assert osis("GEN 1; EXO 3") == ["Gen.1", "Exod.3"]
    assert osis("GEN 1, 3") == ["Gen.1", "Gen.3"]
    with pytest.raises(InvalidEdit):
        osis("Gen.1.1,")


@given(ranges())
@example(VerseRange(VerseReference("Gen"), VerseReference("Gen", 999)))
def test_what_is_written_is_read_again(each: VerseRange) -> None:
    assert VerseRange.parse(each.osis) == each
    assert VerseRange.parse(each.osis.lower()).first == each.first
    again = VerseRange.parse(each.usfm)
    assert (again.first, again.last) == (each.first, each.last)
    assert osis_source(each.usfm) == VerseRange(each.first, each.last).osis


@given(st.text() | st.text(st.sampled_from("Gen1.:-,; !@EXOa\n٣")))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        ranges = VerseRange.parse_list(text)
    except InvalidEdit:
        assert place_key(text) == "" or place_key(text)[0] in "12"
    else:
        kept = [each.osis for each in ranges if each.first.chapter]  # names of books alone are no list in OSIS
        assert not kept or VerseRange.parse_list(" ".join(kept))


@given(ranges(), ranges())
def test_overlap_and_containment_are_those_of_the_verses(one: VerseRange, other: VerseRange) -> None:
    assert one.overlaps(other) == other.overlaps(one)
    assert one.overlaps(one)
    assert one.contains(one)
    if one.contains(other):
        assert one.overlaps(other)
    if one.last.ends < other.first.starts:
        assert not one.overlaps(other)
        assert one < other


def test_whole_chapters_and_books_are_in_what_goes_from_their_first_verse_on() -> None:
    """A title before verse 1 need not be named for that; how many verses a chapter has is not known."""
    passage = VerseRange.parse("GEN 1:1-2:3")
    assert passage.contains(VerseRange.parse("Gen.1"))
    assert VerseRange.parse("GEN 1:1-EXO 2:3").contains(VerseRange.parse("Gen"))
    assert VerseRange.parse("GEN 1-EXO 2:3").contains(VerseRange.parse("Gen-Exod.1"))
    for other in ("Gen.2", "Gen", "Gen.1.0", "Gen.1-Gen.2"):
        assert not passage.contains(VerseRange.parse(other)), other
    assert not VerseRange.parse("GEN 1:2-2:3").contains(VerseRange.parse("Gen.1"))
    assert not VerseRange.parse("GEN 1:1-31").contains(VerseRange.parse("Gen.1"))


def test_a_chapter_contains_its_verses_and_no_others() -> None:
    chapter, book = VerseRange.parse("Gen.1"), VerseRange.parse("Gen")
    assert chapter.contains(VerseRange.parse("Gen.1.31"))
    assert chapter.contains(VerseRange.parse("Gen.1.0"))
    assert not chapter.contains(VerseRange.parse("Gen.1.31-Gen.2.1"))
    assert chapter.overlaps(VerseRange.parse("Gen.1.31-Gen.2.1"))
    assert not chapter.overlaps(VerseRange.parse("Gen.10.1"))
    assert book.contains(chapter)
    assert not chapter.contains(book)


@given(st.lists(ranges()))
def test_keys_sort_as_ranges_do(several: list[VerseRange]) -> None:
    by_key = sorted(several, key=lambda each: place_key(each.osis))
    assert by_key == sorted(several)
    assert [each.first.starts for each in by_key] == sorted(each.first.starts for each in several)


@given(st.lists(st.text() | ranges().map(lambda each: each.osis) | st.sampled_from(["GEN 1:1", "Gen.1.1!a"])))
def test_sources_with_one_key_are_one_source(sources: list[str]) -> None:
    kept = set()
    for source in sources:
        try:
            kept.add(osis_source(source))
        except InvalidEdit:
            kept.add(source)
    assert len({place_key(source) for source in sources}) == len(kept)


def test_the_order_is_canonical_then_numbers_count() -> None:
    in_order = [
        None,
        "Gen", "Gen.1", "Gen.1.1", "Gen.1.1!b", "GEN 1:1-3", "Gen.1.2", "Gen.1.10", "Gen.10.1", "Exod.1.1",
        "Bible.KJV:Mal.4.6", "Matt.1.1", "Rev.22.21", "Tob.1.1", "2Macc.1.1",
        "OPS/chapter2.xhtml", "OPS/chapter2.xhtml#a", "OPS/chapter10.xhtml", "notes.txt",
    ]  # fmt: skip
    shuffled = in_order.copy()
    random.Random(1).shuffle(shuffled)
    assert sorted(shuffled, key=place_key) == in_order
    assert place_key("") == place_key(None)
    assert place_key("GEN 1:1") == place_key("Gen.1.1")


def test_a_slip_in_a_verse_is_told_and_a_file_name_is_none() -> None:
    assert osis_source("GEN 1:1-3") == "Gen.1.1-Gen.1.3"
    assert osis_source("GEN 1:1; 2:4") == "Gen.1.1 Gen.2.4"
    for source in ("OPS/chapter 1.xhtml", "notes.txt", "", "A Tale of Two Cities"):
        assert osis_source(source) == source
    with pytest.raises(InvalidEdit, match="no book 'GNE'"):
        osis_source("GNE 1:1")


def test_the_books_are_those_that_another_reader_of_references_finds_in_their_order() -> None:
    spelled = {code.casefold() for pair in BOOKS.items() for code in pair}
    assert len(spelled) == sum(len({code.casefold() for code in pair}) for pair in BOOKS.items()), "no code names two"
    for number, pair in enumerate(list(BOOKS.items())[:66], 1):
        for code in {*pair} - {"SNG", "JOL", "NAM"}:  # which it does not know
            assert [each.book.value for each in pythonbible.get_references(f"{code} 1:1")] == [number]

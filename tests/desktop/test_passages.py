from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync import Anchor, Quote
from docs.examples.desktop_reader.passages import Passage, books, chapter, text_file

GENESIS = chapter(books()[0], 1)
WORDS = st.lists(st.sampled_from(["the", "sea", "🙂", "𝔊od", "and the"]), min_size=1, max_size=12).map(" ".join)


def test_all_books_are_there_in_their_order() -> None:
    assert len(books()) == 66
    assert [(book.code, book.title, book.chapters) for book in books()[::65]] == [
        ("Gen", "Genesis", 50),
        ("Rev", "Revelation", 22),
    ]
    song = next(book for book in books() if book.code == "Song")
    assert (song.title, song.chapters) == ("Song of Songs", 8)
    last = chapter(books()[-1], 22)
    assert (last.source, len(last.verses)) == ("Rev.22", 21)
    assert last.text.splitlines()[20].startswith("The grace of our Lord")


@given(st.data())
def test_an_anchor_stands_where_it_was_made(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GENESIS.text) - 1))
    end = data.draw(st.integers(start + 1, min(len(GENESIS.text), start + 400)))
    anchor = GENESIS.anchor(start, end)
    assert anchor.quote is not None
    assert anchor.quote.exact == GENESIS.text[start:end]
    assert GENESIS.place(Anchor.from_json(anchor.to_json())) == (start, end)


def test_an_anchor_says_its_verses_its_words_and_what_is_around_them() -> None:
    start = GENESIS.text.index("face of the waters")
    anchor = GENESIS.anchor(start, GENESIS.text.index(" there be light"))
    assert anchor.source == "Gen.1.2-Gen.1.3"
    assert anchor.work_id == "Bible.KJV"
    assert anchor.quote == Quote(
        "face of the waters.\nAnd God said, Let", "he Spirit of God moved upon the ", " there be light: and there was l"
    )
    assert anchor.position is not None
    verses = GENESIS.text[GENESIS.verses[1] :]
    assert verses[anchor.position.start : anchor.position.end] == anchor.quote.exact


@given(WORDS, WORDS, WORDS, st.data())
def test_in_a_text_that_has_changed_it_is_the_right_place_or_none(
    before: str, text: str, added: str, data: st.DataObject
) -> None:
    """The position is wrong by then, and the quote decides, but only if it can."""
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    passage = Passage({"id": "w", "title": "t"}, "t.txt", "t", before + text)
    anchor = passage.anchor(len(before) + start, len(before) + end)
    changed = replace(passage, text=added + before + text)
    found = changed.place(replace(anchor, position=None))
    assert found in (None, (len(added) + len(before) + start, len(added) + len(before) + end)) or (
        anchor.quote is not None
        and changed.text[found[0] : found[1]] == anchor.quote.exact
        and changed.text[: found[0]].endswith(anchor.quote.prefix)
        and changed.text[found[1] :].startswith(anchor.quote.suffix)
    )


def test_what_stands_elsewhere_has_no_place_here() -> None:
    here = GENESIS.anchor(3, 20)
    for source in ("Gen.2.1", "Exod.1.1", "Gen.1.99", "Gen.1.0", "Gen.10.1", "", "notes.txt", "Gen.1.3-Gen.1.1"):
        assert GENESIS.place(replace(here, source=source)) is None
    assert GENESIS.place(replace(here, work={"id": "Bible.ASV"})) is None
    assert GENESIS.place(replace(here, position=None, quote=Quote("unfindable"))) is None
    twice = replace(here, source="Gen.1", position=None, quote=Quote("evening and the morning"))
    assert GENESIS.place(twice) is None, "one of six, and nobody knows which"


def test_a_verse_without_a_quote_is_the_whole_verse() -> None:
    place = GENESIS.place(Anchor.verse("Gen.1.3", work="Bible.KJV"))
    assert place is not None
    assert GENESIS.text[slice(*place)] == "And God said, Let there be light: and there was light."
    assert GENESIS.place(Anchor.verse("Gen.1.1-Gen.1.31", work="Bible.KJV")) == (0, len(GENESIS.text))


def test_a_text_file_is_read_with_one_line_end(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes("\ufeffone\r\ntwo 🙂\rthree".encode())
    passage = text_file(path)
    assert (passage.source, passage.heading, passage.text) == ("notes.txt", "notes", "one\ntwo 🙂\nthree")
    anchor = passage.anchor(4, 9)
    assert (anchor.source, anchor.quote and anchor.quote.exact) == ("notes.txt", "two 🙂")
    path.write_bytes("A preface.\none\ntwo 🙂\nthree".encode())
    assert text_file(path).place(anchor) == (15, 20), "found by its words in the text as it is now"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a\x00b", b" \n", b""])
def test_what_is_no_text_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"picture\.png"):
        text_file(path)

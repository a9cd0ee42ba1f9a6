"""Searching for many texts at once finds what searching for each finds."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdt_sync import Anchor, Quote, Text, Verdict
from crdt_sync.document.seeking import FOUND_BY_PIECES, MAX_OCCURRENCES, Pieces, clusters_near, occurrences

WORDS = ("and", "the", "lord", "spake", "unto", "moses", "🙂", "漢字", "a")
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=80).map(" ".join)


@settings(max_examples=60)
@given(TEXTS, st.data())
def test_many_texts_are_found_wherever_they_stand(text: str, data: st.DataObject) -> None:
    sought = [text[at : at + length] for length in (1, 3, 4, 5, 9, 14, 15, 40) for at in range(0, len(text), 7)]
    sought += [data.draw(TEXTS), "not there", "nor this one, which is long"]
    pieces = Pieces(text, sought)
    for each in filter(None, sought):
        assert pieces.occurrences(each) == occurrences(text, each)
        assert Pieces(text, [each]).occurrences(each) == occurrences(text, each)


@example(100)
@example(MAX_OCCURRENCES)
@given(st.integers(1, 3 * MAX_OCCURRENCES))
@settings(max_examples=10)
def test_of_a_text_that_stands_everywhere_enough_places_are_told(times: int) -> None:
    """The commonest head has more places than are gone through."""
    text = "and it " * times * 4
    many = [f"{number:05} word" for number in range(60)]
    for short, long in (("and it", "and it and it and"), ("it", "it and it and it and it")):
        pieces = Pieces(text, [short, long, *many])
        for each in (short, long):
            found = pieces.occurrences(each)
            assert found == occurrences(text, each)
            assert len(found) <= MAX_OCCURRENCES + 1


def test_a_thousand_words_are_answered_as_each_by_itself() -> None:
    text = Text(" ".join(f"word{number:04} {number % 7} and" for number in range(1000)))
    quotes = [Quote(f"word{number:04}") for number in range(0, 1000, 10)] + [Quote("and"), Quote("word"), Quote("none")]
    answers = text.resolve_all([Anchor(quote=quote) for quote in quotes])
    assert answers == [text.resolve(Anchor(quote=quote)) for quote in quotes]
    assert [each.verdict for each in answers[-3:]] == [Verdict.AMBIGUOUS, Verdict.AMBIGUOUS, Verdict.ORPHAN]
    assert all(len(each.candidates) == 1 for each in answers[:100])


@settings(max_examples=60)
@given(TEXTS, st.integers(0, 300), st.integers(FOUND_BY_PIECES, 60))
def test_a_cluster_is_where_the_pieces_are(text: str, start: int, length: int) -> None:
    sought = text[start % len(text) :][:length]
    if len(sought) < FOUND_BY_PIECES:
        return
    at = text.index(sought)
    found = [*Pieces(text, [sought]).clusters(sought, at), *clusters_near(text, sought, at)]
    assert found
    for cluster in found:
        for in_sought, in_text in (cluster.first, cluster.last):
            assert sought[in_sought : in_sought + 4] == text[in_text : in_text + 4]

"""What relays say to each other comes out as it went in, and what they do not say is an error."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.protocol.messages import AwarenessEntry
from crdt_sync_server.turn import Spoken
from crdt_sync_server.words import ALIVE, BYE, Here, Who, Words, WordsError, read, write

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
NUMBERS = st.integers(0, 2**53 - 1)
ENTRIES = st.lists(st.builds(AwarenessEntry, NUMBERS, NUMBERS, TEXT), max_size=3).map(tuple)
SPOKEN = st.builds(Spoken, NUMBERS, st.none() | TEXT, ENTRIES, st.booleans())
WORDS = st.one_of(
    st.builds(Here, st.dictionaries(TEXT, st.lists(SPOKEN, max_size=3), max_size=3)),
    st.builds(Who, st.lists(TEXT, max_size=5)),
    st.sampled_from([ALIVE, BYE]),
)


@given(WORDS)
def test_words_come_out_as_they_went_in(words: Words) -> None:
    assert read(write(words)) == words


@given(st.binary(max_size=50))
def test_other_bytes_are_an_error_of_ours(data: bytes) -> None:
    with suppress(WordsError):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"here": [["room"]]}',
        b'{"here": [["room", [[1, null, [[1, 2]], false]]]]}',
        b'{"here": [["room", [["x", null, [], false]]]]}',
        b'{"here": 5}',
        b'{"alive": false}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_cut_short_or_of_another_kind_is_refused(data: bytes) -> None:
    with pytest.raises(WordsError):
        read(data)

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crdt_sync.document.folding import Folded

TEXTS = st.text() | st.text(st.sampled_from("aB é\u0301\xad-–\n\t“ﬁ…İςΣæ🙂漢\u200b\xa0e"), max_size=60)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the face  of\nthe deep", "The Face of the\xa0deep"),
        ("over-\n  lapping and well-known", "overlapping and well\xadknown"),
        ("“He said – ‘yes’”", "\"he said - 'yes'\""),
        ("café\u200b", unicodedata.normalize("NFD", "CAFÉ")),
        ("caf\xade\u200d\u0301", "café"),
        ("ﬁne… Cæsar", "fine... caesar"),
        ("ΛΟΓΟΣ", "λόγος".replace("ό", "ο")),
        ("İstanbul", "istanbul"),
    ],
)
def test_two_printings_fold_to_one_text(one: str, other: str) -> None:
    assert Folded(one).text == Folded(other).text


def test_other_words_stay_others() -> None:
    for one, other in (("resume", "résumé"), ("a - b", "ab"), ("in to", "into"), ("1-2", "1 2")):
        assert Folded(one).text != Folded(other).text


@given(TEXTS)
@example("u\xad\u0300")  # the soft hyphen is nothing, and the accent is the letter's
@example("ﬁ\u0300")  # the accent is the second letter's
@example(" \u0300 æ")
@example("a \u200b b")  # one space, like any run of them
@example("e\u0301\u200d\u0323 \xad\u0300")
@example("\x85\xad\r")  # spaces on both sides of what has no width
@example("\u200b\u0300I\u0300")
@example("I\u200b\u0300")
def test_offsets_lead_back_to_what_was_folded(text: str) -> None:
    folded = Folded(text)
    starts = [folded.start(at) for at in range(len(folded.text))]
    ends = [folded.end(at + 1) for at in range(len(folded.text))]
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    for at, (start, end) in enumerate(zip(starts, ends, strict=True)):
        assert 0 <= start < end <= len(text)
        assert folded.text[at] in Folded(text[start:end]).text + " "
    assert Folded(folded.text).text == folded.text or "-" in folded.text


@given(TEXTS, st.data())
def test_where_a_character_went_leads_back_to_it(text: str, data: st.DataObject) -> None:
    folded = Folded(text)
    at = data.draw(st.integers(0, len(text)))
    there = folded.folded(at)
    assert 0 <= there <= len(folded.text)
    if there < len(folded.text):
        assert folded.end(there + 1) > at

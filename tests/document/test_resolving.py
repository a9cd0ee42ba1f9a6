"""What a resolver must never do is answer with confidence and be wrong (Hypothesis #7571)."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
import pythonbible
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.anchors import edited, edition, judged, of_lines, reflowed, selections
from crdt_sync import Anchor, Position, Quote, Text, Verdict
from crdt_sync.document import FoundBy
from crdt_sync.document.folding import Folded
from crdt_sync.errors import InvalidEdit

KJV, ASV = pythonbible.Version.KING_JAMES, pythonbible.Version.AMERICAN_STANDARD
VOCABULARY = ("and", "the", "lord", "spake", "unto", "moses", "saying", "children", "of", "sea", "day", "🙂", "漢字")
SENTENCES = st.lists(st.sampled_from(VOCABULARY), min_size=3, max_size=12).map(lambda words: " ".join(words) + ". ")
CHAPTER = edition(KJV).text[:3000]


def marked(text: Text, words: str) -> Anchor:
    """Return the anchor of words that stand in a text once."""
    ((start, end),) = text.find(words)
    return text.anchor(start, end)


@given(st.text(min_size=1, max_size=300) | st.lists(SENTENCES, min_size=1).map("".join), st.data())
def test_in_its_own_text_an_anchor_stands_where_it_was_made_or_is_not_sure(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    prepared = Text(text)
    answer = prepared.resolve(Anchor.from_json(prepared.anchor(start, end).to_json()))
    if answer.is_sure:
        assert (answer.verdict, answer.start, answer.end) == (Verdict.EXACT, start, end)
    if text[start:end].strip() and len(text) > 64:
        assert answer.verdict is Verdict.EXACT


@settings(max_examples=300)
@given(st.lists(SENTENCES, min_size=3, max_size=30), st.data())
def test_in_a_changed_text_it_is_the_marked_sentence_or_nothing_sure(before: list[str], data: st.DataObject) -> None:
    """A passage that stands twice, with all that is around it, cannot be told apart; any other answer is a bug."""
    chosen = data.draw(st.integers(0, len(before) - 1))
    start = sum(map(len, before[:chosen]))
    anchor = Text("".join(before)).anchor(start, start + len(before[chosen]) - 1)
    after = before.copy()
    truth: int | None = chosen
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(after) - 1))
        if data.draw(st.booleans()):
            after.insert(at, data.draw(SENTENCES))
            truth = truth if truth is None or at > truth else truth + 1
        elif len(after) > 1:
            del after[at]
            truth = truth if truth is None or at > truth else None if at == truth else truth - 1
    text = "".join(after)
    answer = Text(text).resolve(anchor)
    if answer.start is None or answer.end is None:
        assert not answer.is_sure
        return
    assert anchor.quote is not None
    if truth is not None:
        low = sum(map(len, after[:truth]))
        if answer.start < low + len(after[truth]) and low < answer.end:
            return
    assert anchor.quote.exact == text[answer.start : answer.end], "else it is not even the same words"


def test_a_changed_text_moves_it_and_the_answer_says_how_it_was_found() -> None:
    text = Text(CHAPTER)
    anchor = marked(text, "let there be lights in the firmament of the heaven to divide")
    exact = text.resolve(anchor)
    assert (exact.verdict, exact.score, exact.found_by) == (Verdict.EXACT, 1.0, FoundBy.POSITION)
    moved = Text("A preface.\n" + CHAPTER).resolve(anchor)
    assert (moved.verdict, moved.score, moved.found_by) == (Verdict.RELOCATED, 1.0, FoundBy.QUOTE)
    assert (moved.start, moved.end) == (exact.start + 11, exact.end + 11)  # type: ignore[operator]
    shouted = Text("A preface.\n" + CHAPTER.upper().replace(" ", "\n ")).resolve(anchor)
    assert (shouted.verdict, shouted.found_by) == (Verdict.RELOCATED, FoundBy.FOLDED_QUOTE)
    spirit = marked(text, "the Spirit of God moved upon the face of the waters")
    changed = CHAPTER.replace("moved upon the face of the waters", "was moving over the face of the waters")
    other = Text(changed).resolve(spirit)
    assert (other.verdict, other.found_by) == (Verdict.RELOCATED, FoundBy.LIKENESS)
    assert changed[other.start : other.end] == "the Spirit of God was moving over the face of the waters"
    gone = Text(CHAPTER[:500] + CHAPTER[2500:]).resolve(anchor)
    assert not gone.is_sure
    assert gone.start is None


def test_twins_are_ambiguous_and_shown() -> None:
    part = "It was the best of times, it was the worst of times, it was the age of wisdom."
    text = Text(f"{CHAPTER}\n{part}\n{part}\n{part}\n{CHAPTER[:500]}")
    anchor = Anchor(quote=Quote("it was the worst of times"))
    answer = text.resolve(anchor)
    assert (answer.verdict, answer.start, len(answer.candidates)) == (Verdict.AMBIGUOUS, None, 3)
    places = [text.text[each.start : each.end] for each in answer.candidates]
    assert places == ["it was the worst of times"] * 3


def test_a_short_quote_without_surroundings_is_never_sure_elsewhere() -> None:
    text = Text(CHAPTER)
    for words in ("the", "God", "firmament", "a", "fourth"):
        assert not text.resolve(Anchor(quote=Quote(words))).is_sure
        assert not text.resolve(Anchor(quote=Quote(words), position=Position(1, 1 + len(words)))).is_sure
    start = CHAPTER.index("fourth")
    assert text.resolve(Anchor(quote=Quote("fourth"), position=Position(start, start + 6))).verdict is Verdict.EXACT


def test_what_cannot_be_checked_is_not_answered() -> None:
    text = Text(CHAPTER)
    unchecked = text.resolve(Anchor(position=Position(3, 9)))
    assert (unchecked.verdict, unchecked.start, unchecked.candidates[0].start) == (Verdict.AMBIGUOUS, None, 3)
    assert text.resolve(Anchor(position=Position(3, 9999))).verdict is Verdict.ORPHAN
    for empty in (Anchor(source="Gen.1"), Anchor(quote=Quote(""))):
        assert text.resolve(empty).verdict is Verdict.ORPHAN
    assert Text("").resolve(Anchor(quote=Quote("something long enough to look for"))).verdict is Verdict.ORPHAN


def test_white_space_at_the_ends_of_a_selection_stays() -> None:
    start = CHAPTER.index(" without form, and void; ")
    anchor = Text(CHAPTER).anchor(start, start + 25)
    answer = Text("A preface. " + CHAPTER).resolve(anchor)
    assert (answer.start, answer.end) == (start + 11, start + 36)


@pytest.mark.parametrize("scale", ["NFD", "NFC"])
def test_other_scripts(scale: str) -> None:
    for text, words in (
        (
            "起初，神創造天地。地是空虛混沌，淵面黑暗；神的靈運行在水面上。",
            "神的靈運行在水面上",
        ),
        (
            "Ἐν ἀρχῇ ἐποίησεν ὁ θεὸς τὸν οὐρανὸν καὶ τὴν γῆν. ἡ δὲ γῆ ἦν ἀόρατος",
            "ἡ δὲ γῆ ἦν ἀόρατος",
        ),
        ("בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם וְאֵת הָאָרֶץ", "אֱלֹהִים אֵת הַשָּׁמַיִם"),
    ):
        start = text.index(words)
        anchor = Text(text).anchor(start, start + len(words))
        there = "🙂 preface. " + unicodedata.normalize(scale, text)  # type: ignore[arg-type]
        answer = Text(there).resolve(anchor)
        assert answer.is_sure, (words, answer)
        assert Folded(there[answer.start : answer.end]).text == Folded(words).text


def test_a_selection_that_is_none_is_refused() -> None:
    for start, end in ((-1, 3), (3, 3), (5, 2), (0, 10_000)):
        with pytest.raises(InvalidEdit, match="code points; this one goes from"):
            Text(CHAPTER).anchor(start, end)
    with pytest.raises(InvalidEdit, match="lone surrogate"):
        Text("a\ud83d")


def test_one_or_many_are_answered_alike() -> None:
    text = Text(edition(ASV).text[:200_000])
    anchors = [
        Text(edition(KJV).text).anchor(each.start, each.end)
        for each in selections(of_lines(edition(KJV).text[:150_000].split("\n")), 30)
    ]
    assert text.resolve_all(anchors) == [text.resolve(anchor) for anchor in anchors]


def test_highlights_of_one_edition_in_another_are_where_they_belong_or_not_sure() -> None:
    """Thresholds: docs/anchors.md. The published table has more of them: benchmarks/anchors.py."""
    here, there = edition(KJV), edition(ASV)
    made = list(selections(here, 1200, seed=5))
    marking = Text(here.text)
    anchors = [marking.anchor(each.start, each.end) for each in made]
    table = judged(made, Text(there.text).resolve_all(anchors), there, lambda number: number)
    assert {kind: row["wrong"] for kind, row in table.items()} == dict.fromkeys(table, 0)
    assert table["verse"]["relocated"] > 310
    assert table["several verses"]["relocated"] > 330
    assert table["part of a verse"]["relocated"] > 200


def test_in_a_re_flowed_or_edited_text_they_are_found() -> None:
    here = of_lines(edition(KJV).text.split("\n")[:3000])
    made = list(selections(here, 300, seed=6))
    marking = Text(here.text)
    anchors = [marking.anchor(each.start, each.end) for each in made]
    flowed, offsets = reflowed(here.text)
    for selection, answer in zip(made, Text(flowed).resolve_all(anchors), strict=True):
        if answer.is_sure:
            assert (answer.start, answer.end) == (offsets[selection.start], offsets[selection.end - 1] + 1)
    there = of_lines(edited(here.text.split("\n")))
    answers = Text(there.text).resolve_all(anchors)
    table = judged(made, answers, there, lambda number: number)
    assert {row["wrong"] for row in table.values()} == {0}
    assert sum(answer.is_sure for answer in answers) > 200


@pytest.mark.parametrize("kind", ["one letter", "commonest word", "long quote", "long quote changed", "noise"])
def test_the_worst_cases_end(kind: str) -> None:
    text = edition(KJV).text[:1_500_000]
    if kind == "one letter":
        answer = Text("a" * 1_000_000).resolve(Anchor(quote=Quote("a" * 50, "a" * 32, "a" * 32)))
        assert answer.verdict is Verdict.AMBIGUOUS
    elif kind == "commonest word":
        assert Text(text).resolve(Anchor(quote=Quote("the"))).verdict in (Verdict.AMBIGUOUS, Verdict.ORPHAN)
    elif kind == "long quote":
        answer = Text("A preface. " + text).resolve(Text(text).anchor(100_000, 1_100_000))
        assert (answer.verdict, answer.start, answer.end) == (Verdict.RELOCATED, 100_011, 1_100_011)
    elif kind == "long quote changed":
        changed = text[:600_000] + "and it came to pass " + text[600_000:]
        answer = Text(changed).resolve(Text(text).anchor(100_000, 1_100_000))
        assert (answer.verdict, answer.start, answer.end) == (Verdict.RELOCATED, 100_000, 1_100_020)
    else:
        noise = replace(Text(text).anchor(5, 50), quote=Quote("xq zzy kwv " * 20))
        assert Text(text).resolve(noise).verdict is Verdict.ORPHAN

"""Anchors in the package and in the engine: made alike, and found where the engine finds them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from crdt_sync.document import Anchor, Position, Quote, Text, Verdict
from tests.web.conftest import Package

prose = st.lists(
    st.sampled_from(["In the beginning ", "𝔘𝔫𝔦 ", "日本語。", "was ", "the word, ", "e\u0301 ", "\n"]),
    min_size=4,
    max_size=60,
).map("".join)


@settings(max_examples=120)
@given(text=prose, data=st.data())
def test_an_anchor_is_made_alike(package: Package, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    ours = Text(text).anchor(start, end, source="").to_json()
    assert package("anchorOf", {"text": text, "start": start, "end": end}) == ours


@settings(max_examples=250)
@given(text=prose, before=prose, after=prose, data=st.data())
def test_a_place_that_is_found_is_where_the_engine_finds_it(
    package: Package, text: str, before: str, after: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    anchor = Text(text).anchor(start, end)
    later = data.draw(
        st.sampled_from([text, before + text, text + after, before + text + after, before, text.replace("was", "is")])
    )
    found = package("resolve", {"text": later, "anchor": anchor.to_json()})
    ours = Text(later).resolve(anchor)
    if found["verdict"] in ("exact", "relocated"):
        assert (found["verdict"], *found["range"]) == (ours.verdict.value, ours.start, ours.end)
    elif found["verdict"] == "ambiguous":
        assert ours.verdict is not Verdict.ORPHAN
    if later == text and ours.verdict is Verdict.EXACT:
        assert found["verdict"] == "exact"


verses = st.lists(st.sampled_from(["light", "and", "the", " ", "-", "𝔊", "e\u0301", "日"]), min_size=1, max_size=9).map(
    "".join
)


@settings(max_examples=250)
@given(text=verses, data=st.data())
def test_few_words_in_a_verse_are_found_as_the_engine_finds_them(
    package: Package, text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    before, after = data.draw(st.integers(0, start)), data.draw(st.integers(end, len(text)))
    quote = Quote(text[start:end], text[before:start], text[end:after])
    position = data.draw(st.none() | st.just(Position(start, end)) | st.just(Position(0, end - start)))
    anchor = Anchor(source="Gen.1.1", quote=quote, position=position)
    found = package("resolve", {"text": text, "anchor": anchor.to_json()})
    ours = Text(text).resolve(anchor)
    place = None if ours.start is None else [ours.start, ours.end]
    is_plain = not {"-", "\u0301"} & set(text) and all(
        part == part.strip() for part in (quote.exact, text[before:after])
    )
    is_alone = sum(text.startswith(quote.exact, at) for at in range(len(text))) == 1
    if found["verdict"] in ("exact", "relocated") or (is_plain and is_alone):
        assert (found["verdict"], found["range"]) == (ours.verdict.value, place)

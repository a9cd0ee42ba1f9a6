from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt_sync.document.offsets import Offsets
from crdt_sync.errors import InvalidEdit

TEXTS = st.text() | st.text(st.sampled_from("ab é\u0301\n𝔊🙂👩🏽‍🚀\uffff\U0010ffff漢"), max_size=40)
LONG = st.builds(lambda part, times, rest: part * times + rest, TEXTS, st.integers(0, 200), TEXTS)

NODE = """
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text) => {
    const points = Array.from(text), utf16 = [0], utf8 = [0];
    for (const point of points) {
        utf16.push(utf16.at(-1) + point.length);
        utf8.push(utf8.at(-1) + new TextEncoder().encode(point).length);
    }
    return {points: points.length, length: text.length, utf16, utf8, inside: utf16.map((at) => text.codePointAt(at))};
})));
"""


@given(TEXTS | LONG, st.data())
def test_offsets_go_there_and_back(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    offsets = Offsets(text)
    assert offsets.to_utf16(at) == len(text[:at].encode("utf-16-le")) // 2
    assert offsets.to_utf8(at) == len(text[:at].encode())
    for inside in ("refuse", "start", "end"):
        assert offsets.from_utf16(offsets.to_utf16(at), inside=inside) == at
        assert offsets.from_utf8(offsets.to_utf8(at), inside=inside) == at


@given(TEXTS | LONG, st.data())
def test_an_offset_inside_a_character_is_refused_or_its_start_or_its_end(text: str, data: st.DataObject) -> None:
    offsets = Offsets(text)
    for back, there in ((offsets.from_utf16, offsets.to_utf16), (offsets.from_utf8, offsets.to_utf8)):
        units = data.draw(st.integers(0, there(len(text))))
        start, end = back(units, inside="start"), back(units, inside="end")
        assert there(start) <= units <= there(end)
        if start == end:
            assert back(units) == start
            assert there(start) == units
        else:
            assert end == start + 1
            with pytest.raises(InvalidEdit, match="inside the character"):
                back(units)


@pytest.mark.parametrize("text", ["", "abc", "a🙂c" * 2000])
def test_an_offset_outside_the_text_is_refused(text: str) -> None:
    offsets = Offsets(text)
    for convert in (offsets.to_utf16, offsets.to_utf8, offsets.from_utf16, offsets.from_utf8):
        for wrong in (-1, len(text.encode()) + 1):
            with pytest.raises(InvalidEdit, match="there is no offset"):
                convert(wrong)


@pytest.mark.parametrize("text", ["\ud83d", "a\udc4d", "\ud83d\ud83d\udc4d"])
def test_half_a_character_is_refused(text: str) -> None:
    with pytest.raises(InvalidEdit, match=f"lone surrogate\\) at code point {0 if text[0] > 'a' else 1}"):
        Offsets(text)


@settings(max_examples=5, deadline=None)
@given(st.lists(TEXTS | LONG, max_size=200))
def test_javascript_counts_as_is_said_here(texts: list[str]) -> None:
    done = subprocess.run(["node", "-e", NODE], input=json.dumps(texts), capture_output=True, text=True, check=True)
    counted: list[dict[str, Any]] = json.loads(done.stdout)
    for text, said in zip(texts, counted, strict=True):
        offsets = Offsets(text)
        assert said["points"] == len(text)
        assert said["length"] == offsets.to_utf16(len(text))
        assert said["utf16"] == [offsets.to_utf16(at) for at in range(len(text) + 1)]
        assert said["utf8"] == [offsets.to_utf8(at) for at in range(len(text) + 1)]
        assert said["inside"] == [*map(ord, text), None]

"""Bodies as values: any body becomes any other, by what differs alone, and three of them merge."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from crdt_sync.document.bodies import merge, read_body, write_body

marks = st.sampled_from([{}, {"bold": True}, {"link": {"href": "x"}}, {"bold": True, "code": True}])


def joined(runs: list[tuple[str, dict[str, Any]]]) -> list[list[Any]]:
    """Return runs as a text has them: neighbours with the same marks are one."""
    whole: list[list[Any]] = []
    for text, marked in runs:
        if whole and whole[-1][1] == marked:
            whole[-1][0] += text
        else:
            whole.append([text, marked])
    return whole


texts = st.lists(st.tuples(st.text("aé𝒳 \u0301", min_size=1, max_size=4), marks), max_size=3).map(joined)
blocks = st.one_of(
    st.tuples(st.sampled_from(["paragraph", "heading"]), st.sampled_from([{}, {"level": 2.0}]), st.tuples(texts)),
    st.just(("horizontalRule", {}, ())),
    texts.map(lambda text: ("bulletList", {}, [("listItem", {}, [("paragraph", {}, [text])])])),
    texts,
).map(lambda value: json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")))
bodies = st.lists(blocks, max_size=4)


def written(doc: Doc[Any], *versions: list[str]) -> XmlFragment:
    body = doc.get("note/n", type=XmlFragment)
    for version in versions:
        with doc.transaction():
            write_body(body, version)
    return body


@given(old=bodies, new=bodies)
@settings(max_examples=200)
def test_any_body_becomes_any_other_and_the_same_is_no_update(old: list[str], new: list[str]) -> None:
    doc: Doc[Any] = Doc()
    assert read_body(written(doc, old)) == old
    body = written(doc, new)
    assert read_body(body) == new
    before = doc.get_update()
    written(doc, new)
    assert doc.get_update() == before


@given(base=bodies, new=bodies)
def test_a_merge_with_what_has_not_changed_is_the_other_side(base: list[str], new: list[str]) -> None:
    assert merge(base, base, new) == (new, True)
    assert merge(base, new, base) == (new, True)
    assert merge(base, new, new) == (new, True)


@given(base=st.lists(st.integers(0, 50).map(str), unique=True, max_size=6), data=st.data())
def test_what_one_side_puts_in_is_there_whatever_the_other_takes_away(base: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(base)))
    gone = data.draw(st.sets(st.sampled_from(base))) if base else set()
    merged, whole = merge(base, [*base[:at], "new", *base[at:]], [each for each in base if each not in gone])
    assert "new" in merged
    assert {*merged} >= {each for each in base if each not in gone}
    if whole:
        assert not gone & {*merged}


def test_typing_in_the_same_paragraph_survives_beside_an_edit_of_it() -> None:
    doc: Doc[Any] = Doc()
    body = written(doc, ['["paragraph",{},[[["hello world",{}]]]]'])
    copy: Doc[Any] = Doc()
    copy.apply_update(doc.get_update())
    typed = copy.get("note/n", type=XmlFragment).children[0].children[0]  # type: ignore[union-attr]
    typed.insert(5, ", dear")  # type: ignore[union-attr]
    written(doc, ['["paragraph",{},[[["hello big ",{}],["world",{"bold":true}]]]]'])
    doc.apply_update(copy.get_update())
    assert str(body) == "<paragraph>hello, dear big <bold>world</bold></paragraph>"


def test_a_text_that_both_changed_in_other_places_is_merged() -> None:
    def paragraph(text: str) -> list[str]:
        return [f'["paragraph",{{}},[[["{text}",{{}}]]]]']

    assert merge(paragraph("one two three"), paragraph("one 2 three"), paragraph("one two")) == (
        paragraph("one 2"),
        True,
    )
    assert merge(paragraph("one"), paragraph("two"), paragraph("three"))[1] is False


def test_what_is_no_value_is_left_alone() -> None:
    doc: Doc[Any] = Doc()
    body = doc.get("note/n", type=XmlFragment)
    paragraph = body.children.append(XmlElement("paragraph"))
    paragraph.children.append(XmlText("text")).insert_embed(1, {"image": "x"})
    assert read_body(body) is None
    deep: Doc[Any] = Doc()
    node: Any = deep.get("note/n", type=XmlFragment)
    for _ in range(102):
        node = node.children.append(XmlElement("blockquote"))
    assert read_body(deep.get("note/n", type=XmlFragment)) is None

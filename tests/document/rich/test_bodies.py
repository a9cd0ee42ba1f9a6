"""Minimal edits: a body becomes any other, and what did not change keeps what is written into it meanwhile."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import XmlElement, XmlText

from crdt_sync.document.rich import Blocks, Element, Mark, Run, Text, paragraphs, plain_text
from tests.document.rich.bodies import Replica, blocks, holding, texts


def paragraph(*runs: Run) -> Element:
    return Element("paragraph", (), (Text(runs),))


def text_at(replica: Replica, *path: int) -> XmlText:
    node: Any = replica.fragment
    for at in path:
        node = node.children[at]
    assert isinstance(node, XmlText)
    return node


@settings(max_examples=25)
@given(blocks(), blocks())
def test_any_body_becomes_any_other_and_twice_the_same_writes_nothing(before: Blocks, after: Blocks) -> None:
    replica = holding(before)
    assert replica.body == before
    assert replica.write(after) == (before != after)
    assert replica.body == after
    replica.updates.clear()
    assert not replica.write(after)
    assert not replica.updates


@settings(max_examples=25)
@given(texts(), texts(), st.data())
def test_a_text_becomes_any_other(before: Text, after: Text, data: st.DataObject) -> None:
    replica = holding((Element("paragraph", (), (before,)),))
    kept = replica.fragment.children[0]
    assert replica.write((Element("paragraph", (), (after,)),)) == (before != after)
    assert replica.body == (Element("paragraph", (), (after,)),)
    assert replica.fragment.children[0] == kept


@settings(max_examples=25)
@given(blocks(), blocks(), blocks(), st.text("xyz", min_size=1, max_size=3))
def test_what_another_types_into_an_unchanged_block_survives(
    start: Blocks, before: Blocks, after: Blocks, typed: str
) -> None:
    ours = holding((*before, paragraph(Run("stays as it is")), *start))
    theirs = Replica(ours)
    text_at(theirs, len(before), 0).insert(5, f"[{typed}]")
    ours.write((*after, paragraph(Run("stays as it is")), *start))
    if paragraph(Run("stays as it is")) in (*before, *after, *start):  # which of the two is which cannot be known
        return
    ours.take(theirs)
    theirs.take(ours)
    assert ours.body == theirs.body == (*after, paragraph(Run(f"stays[{typed}] as it is")), *start)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["one", "two", "three", "four"]), min_size=2, max_size=12), st.data())
def test_words_that_two_replicas_change_at_different_places_are_all_there(
    words: list[str], data: st.DataObject
) -> None:
    ours = holding(paragraphs(" ".join(words)))
    theirs = Replica(ours)
    here, there = data.draw(st.permutations(range(len(words))))[:2]
    mine, yours = list(words), list(words)
    mine[here], yours[there] = "MINE", "YOURS"
    ours.write(paragraphs(" ".join(mine)))
    theirs.write(paragraphs(" ".join(yours)))
    ours.take(theirs)
    theirs.take(ours)
    assert ours.body == theirs.body
    assert {"MINE", "YOURS"} <= set(plain_text(ours.body).split())


def test_a_change_of_one_word_writes_that_word() -> None:
    ours = holding(paragraphs("\n".join(f"line {n} of a long note" for n in range(200))))
    ours.updates.clear()
    ours.write(paragraphs("\n".join(f"line {n} of a {'short' if n == 70 else 'long'} note" for n in range(200))))
    (update,) = ours.updates
    assert len(update) < 60


def test_formatting_keeps_the_words_and_the_name_that_a_mark_has_there() -> None:
    ours = holding(paragraphs("so much to read"))
    text_at(ours, 0, 0).format(3, 7, {"strong": {}, "link": {"href": "note:x", "target": None}})
    link = Mark("link", (("href", "note:x"),))
    assert ours.body == (paragraph(Run("so "), Run("much", (Mark("bold"), link)), Run(" to read")),)
    theirs = Replica(ours)
    text_at(theirs, 0, 0).insert(15, "!")
    ours.write(
        (paragraph(Run("so "), Run("very much", (Mark("bold"), link)), Run(" to "), Run("read", (Mark("italic"),))),)
    )
    assert text_at(ours, 0, 0).diff() == [
        ("so ", None),
        ("very much", {"strong": {}, "link": {"href": "note:x", "target": None}}),
        (" to ", None),
        ("read", {"em": {}}),
    ]
    ours.take(theirs)
    assert plain_text(ours.body) == "so very much to read!"


def test_a_body_with_the_names_of_prosemirror_schema_basic_gets_no_others() -> None:
    ours = Replica()
    ours.fragment.children.append(XmlElement("horizontal_rule"))
    item = Element(
        "listItem", (), (Element("paragraph", (), (Text((Run("x", (Mark("italic"),)),)), Element("hardBreak"))),)
    )
    ours.write((Element("orderedList", (("start", 3),), (item,)),))
    assert str(ours.fragment) == (
        '<ordered_list order="3"><list_item><paragraph>'
        "<em>x</em><hard_break></hard_break></paragraph></list_item></ordered_list>"
    )
    assert not ours.write(ours.body)


def test_a_split_paragraph_keeps_the_part_that_is_most_of_it_and_a_joined_one_too() -> None:
    whole = "It was the best of times, it was the worst of times"
    ours = holding(paragraphs(f"before\n{whole}\nafter"))
    theirs = Replica(ours)
    text_at(theirs, 1, 0).insert(11, "very ")
    ours.write(paragraphs(f"before\n{whole[:40]}\n{whole[40:]}\nafter"))
    ours.take(theirs)
    very = whole.replace("best", "very best")
    assert plain_text(ours.body) == f"before\n{very[:45]}\n{very[45:]}\nafter"
    theirs.take(ours)
    text_at(theirs, 1, 0).insert(0, ">")
    ours.write(paragraphs(f"before\n{whole}\nafter"))
    ours.take(theirs)
    assert plain_text(ours.body) == f"before\n>{whole}\nafter".replace("very ", "")


def test_what_is_embedded_in_a_text_stays() -> None:
    ours = holding(paragraphs("ab"))
    text_at(ours, 0, 0).insert_embed(1, {"image": "x"})
    ours.write(paragraphs("c"))
    assert text_at(ours, 0, 0).diff() == [({"image": "x"}, None), ("c", None)] or text_at(ours, 0, 0).diff() == [
        ("c", None),
        ({"image": "x"}, None),
    ]

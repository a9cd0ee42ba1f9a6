"""An edit of a body's Markdown changes what was edited, and nothing that Markdown cannot say, or that others wrote."""

from __future__ import annotations

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from crdt_sync.document.rich import Blocks, Element, Mark, Run, Text, paragraphs, parse_markdown, plain_text
from crdt_sync.document.rich.lifting import edited
from crdt_sync.document.rich.markdown import render_markdown
from crdt_sync.document.rich.merging import merge
from tests.document.rich.bodies import blocks, holding
from tests.document.rich.test_markdown import visible

LETTERS = st.sampled_from(["alpha", "beta", "gamma", "delta", "epsilon", "zeta"])


def say(body: Blocks) -> Blocks:
    return parse_markdown(render_markdown(body))


def after(body: Blocks, old: str, new: str) -> Blocks:
    """Edit the Markdown of a body as a person does in an editor."""
    markdown = render_markdown(body)
    assert old in markdown
    return edited(body, parse_markdown(markdown.replace(old, new)))


@settings(max_examples=20)
@given(blocks())
def test_what_was_not_edited_is_as_it_was(body: Blocks) -> None:
    assert edited(body, say(body)) == body
    assert edited(body, say(body), base=say(body)) == body


@settings(max_examples=20)
@given(blocks(), blocks(strange=False))
def test_what_was_edited_says_so(body: Blocks, other: Blocks) -> None:
    wanted = say(other)
    found = edited(body, wanted)
    assert visible(plain_text(say(found))) == visible(plain_text(wanted))


@settings(max_examples=20)
@given(blocks(strange=False), blocks(strange=False))
def test_a_body_that_markdown_can_say_becomes_just_what_was_wanted(body: Blocks, other: Blocks) -> None:
    body, wanted = say(body), say(other)
    assert edited(body, wanted) == wanted


@settings(max_examples=20)
@given(blocks(), st.text("xyz", min_size=1, max_size=4))
def test_words_that_are_added_take_nothing_away(body: Blocks, words: str) -> None:
    found = edited(body, (*say(body), *paragraphs(words)))
    assert found[: len(body)] == body
    assert found[len(body) :] == paragraphs(words)


def test_marks_attributes_and_elements_that_markdown_has_no_words_for_stay_in_an_edited_line() -> None:
    link = Mark("link", (("href", "note:x"), ("target", "_blank")))
    call = Mark("link", (("href", "tel:1"),))
    mention = Element("mention", (("id", "ada"),), (Text((Run("@Ada"),)),))
    image = Element("image", (("src", "x"),))
    line = (
        Text((Run("a long ", (Mark("underline"),)), Run("link", (link,)), Run(" call", (call,)))),
        image,
        Text((Run(" and "),)),
        mention,
        Text((Run(" too"),)),
    )
    body: Blocks = (Element("paragraph", (("textAlign", "center"),), line), *paragraphs("\nend"))
    assert after(body, "too", "as well") == (
        Element("paragraph", (("textAlign", "center"),), (*line[:-1], Text((Run(" as well"),)))),
        *paragraphs("\nend"),
    )
    assert after(body, "Ada", "Bob")[0].children[2] == Text((Run(" and @Bob too"),))  # type: ignore[union-attr]
    chart = Element("chart", (("data", 1),), (Text((Run("in words"),)),))
    assert after((chart,), "in", "in few") == (Element("chart", (("data", 1),), (Text((Run("in few words"),)),)),)


def test_an_edit_in_a_list_leaves_the_other_items_alone() -> None:
    def item(text: str, **attributes: str) -> Element:
        return Element("listItem", tuple(attributes.items()), paragraphs(text))

    body: Blocks = (Element("bulletList", (), (item("one", color="red"), item("two", color="blue"), item("three"))),)
    found = after(body, "two", "two and a half")
    assert found == (
        Element("bulletList", (), (item("one", color="red"), item("two and a half", color="blue"), item("three"))),
    )


@settings(max_examples=20)
@given(st.lists(LETTERS, min_size=1, max_size=8), st.data())
@example(["alpha"], None)
def test_a_three_way_edit_keeps_what_both_wrote(words: list[str], data: st.DataObject | None) -> None:
    base = paragraphs("\n".join(words))
    if data is None:
        here = there = 0
    else:
        here, there = data.draw(st.integers(0, len(words) - 1)), data.draw(st.integers(0, len(words) - 1))
    mine, yours = list(words), list(words)
    mine[here] = f"MINE {mine[here]}"
    yours[there] = f"{yours[there]} YOURS"
    found = plain_text(edited(paragraphs("\n".join(yours)), paragraphs("\n".join(mine)), base))
    assert found.count("MINE") == found.count("YOURS") == 1
    assert sorted(found.split()) == sorted([*words, "MINE", "YOURS"])


@settings(max_examples=20)
@given(blocks(strange=False), blocks(strange=False), blocks(strange=False))
def test_merging_is_what_two_replicas_would_do(base: Blocks, ours: Blocks, theirs: Blocks) -> None:
    assert merge(base, ours, base) == ours
    assert merge(base, base, theirs) == theirs
    assert merge(base, ours, ours) == ours
    added = Element("paragraph", (), (Text((Run("ADDED"),)),))
    assume(added not in (*base, *ours, *theirs))
    assert added in merge(base, (*base, added), theirs)
    assert added in merge(base, theirs, (added, *base))


@settings(max_examples=20)
@given(blocks(), blocks(strange=False))
def test_the_document_takes_an_edit_of_markdown_once(body: Blocks, other: Blocks) -> None:
    replica = holding(body)
    wanted = say(other)
    replica.write(edited(replica.body, wanted))
    replica.updates.clear()
    replica.write(edited(replica.body, say(replica.body)))
    assert not replica.updates

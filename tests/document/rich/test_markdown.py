"""Markdown out and in: what was rendered is read as what it was."""

from __future__ import annotations

import time
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdt_sync.document.rich import Blocks, Element, Mark, Run, Text, plain_text
from crdt_sync.document.rich.markdown import render_markdown
from crdt_sync.document.rich.parsing import MAX_MARKDOWN, parse_markdown
from crdt_sync.errors import InvalidEdit
from tests.document.rich.bodies import blocks

pieces = st.sampled_from(
    [
        "a",
        "b ",
        " c",
        "*",
        "**",
        "_",
        "__",
        "***",
        "~~",
        "`",
        "``",
        "[",
        "](note:x)",
        "](http://a.b 't')",
        "[[",
        "]]",
        "!",
        "<",
        "<b>",
        "<http://x.y>",
        "&amp;",
        "&#35;",
        "\\",
        "\\*",
        "\n",
        "\n\n",
        "\n\n\n",
        "- ",
        "1. ",
        "7) ",
        "> ",
        "# ",
        "###",
        "    ",
        "  ",
        "\t",
        "```",
        "~~~",
        "---",
        "===",
        "+ ",
        "* ",
        "word",
        "Grüße",
        "日本",
        "“",
        "”",
        "(",
        ")",
        '"',
        ".",
        "😀",
        "|",
        "\u00a0",
    ]
)


def visible(text: str) -> str:
    return "".join(
        each
        for each in text
        if not each.isspace() and unicodedata.category(each) not in ("Cc", "Cn") and each != "\ufffd"
    )


@settings(max_examples=40)
@given(st.lists(pieces, max_size=14).map("".join))
@example("**a**b _c_")
@example("_a_b")
@example("a**“b”**c")
@example("**_a_&#97;**&#48;")
@example("- \n\n- - a")
@example("- ***")
@example("> \n> # \n> 1. a\n\n1) b")
@example("# - # # ")
@example("a\\\n# b\\\n- c\\\n===")
def test_what_markdown_says_is_rendered_as_markdown_that_says_the_same(markdown: str) -> None:
    body = parse_markdown(markdown)
    assert parse_markdown(render_markdown(body)) == body


@settings(max_examples=25)
@given(blocks())
@example((Element("paragraph", (), (Text((Run("0"), Run("~", (Mark("strike"),)))),)),))
def test_any_body_has_a_markdown_that_says_as_much_of_it_as_markdown_can(body: Blocks) -> None:
    said = parse_markdown(render_markdown(body))
    assert parse_markdown(render_markdown(said)) == said
    assert visible(plain_text(said)) == visible(plain_text(body))


@settings(max_examples=40)
@given(st.text(max_size=60))
def test_no_text_is_refused(text: str) -> None:
    body = parse_markdown(text)
    assert parse_markdown(render_markdown(body)) == body


def test_what_markdown_a_reader_sees() -> None:
    markdown = """\
# On *Genesis* and **more**

See [[Genesis]], [the verse](osis:Gen.1.1), `x = 1` and ~~this~~.
A second line\\
and a third.

- one
- two
  1. deep

3. three
4. four

> quoted

```python
a = 1
```

---"""
    assert render_markdown(parse_markdown(markdown)) == (
        markdown.replace("*Genesis*", "_Genesis_").replace(".\nA second", ". A second").replace("---", "___")
    )


def test_spaces_at_the_edge_of_what_is_marked_are_not_in_it() -> None:
    bold, both = (Mark("bold"),), (Mark("bold"), Mark("italic"))
    line = Text((Run("so", bold), Run(" ", bold), Run(" ", both), Run("on "), Run(" x", bold)))
    assert render_markdown((Element("paragraph", (), (line,)),)) == "**so**  on  **x**"


def test_a_carriage_return_in_code_does_not_lead_out_of_a_list() -> None:
    code = Element("codeBlock", (), (Text((Run("a\rb\r\nc"),)),))
    item = Element("listItem", (), (Element("paragraph"), code))
    (said,) = parse_markdown(render_markdown((Element("bulletList", (), (item,)),)))
    assert plain_text((said,)).strip() == "a\nb\nc"


def test_html_and_images_are_text_and_unsafe_links_are_none() -> None:
    body = parse_markdown("<b onclick=x>a</b> ![alt](https://e.org/i.png) [x](javascript:alert(1)) [y](tel:1)")
    link = Mark("link", (("href", "https://e.org/i.png"),))
    runs = (Run("<b onclick=x>a</b> !"), Run("alt", (link,)), Run(" [x](javascript:alert(1)) [y](tel:1)"))
    assert body == (Element("paragraph", (), (Text(runs),)),)


@pytest.mark.parametrize(
    "piece",
    [
        "*a ",
        "_a_ ",
        "[",
        "](",
        "[a](",
        "`",
        "a`b``",
        "> ",
        "- ",
        "<",
        "&",
        "&#",
        "\\",
        "**a*",
        "![",
        "[[",
        "~~a~",
        "\n",
        "# \n",
        "a\n",
        "[a]: /x\n",
        "* * ",
        "|",
        "1. ",
        "\t",
        "***a** ",
        "<http:",
        "[a](<",
    ],
)
def test_what_is_made_to_be_slow_is_not(piece: str) -> None:
    took = []
    for length in (2_000, 16_000):
        markdown = piece * (length // len(piece))
        began = time.process_time()
        with suppress(InvalidEdit):
            render_markdown(parse_markdown(markdown))
        took.append(time.process_time() - began)
    assert took[1] < 1 or took[1] < took[0] * 24  # eight times the text; quadratic would be 64


def test_too_much_and_too_deep_is_refused_with_a_word_of_what_to_do() -> None:
    with pytest.raises(InvalidEdit, match="several notes"):
        parse_markdown("a" * (MAX_MARKDOWN + 1))
    with pytest.raises(InvalidEdit, match="flatter"):
        parse_markdown("> " * 100 + "lost?")
    with pytest.raises(InvalidEdit, match="flatter"):
        parse_markdown("- " * 40 + "lost?")
    assert plain_text(parse_markdown("> " * 20 + "kept")) == "kept"

"""Bodies that editors wrote, read from the document; hostile ones too."""

from __future__ import annotations

from typing import Any

import pytest
from pycrdt import Doc, XmlElement, XmlFragment, XmlText
from pycrdt import Text as YText

from crdt_sync.document.rich import Blocks, Element, Mark, Run, Text, links_of, plain_text, read_body
from crdt_sync.document.rich.reading import MAX_DEPTH

ROOT = "note/n"


def one(name: str, *children: Element | Text, **attributes: Any) -> Element:
    return Element(name, tuple(sorted(attributes.items())), children)


def words(text: str, *marks: Mark) -> Text:
    return Text((Run(text, marks),))


def quill(*operations: tuple[Any, dict[str, Any]]) -> Blocks:
    doc: Doc[Any] = Doc()
    text = doc.get(ROOT, type=YText)
    for insert, attributes in operations:
        if isinstance(insert, str):
            text.insert(len(text), insert, attributes)
        else:
            text.insert_embed(len(text), insert, attributes)
    other: Doc[Any] = Doc()
    other.get(ROOT, type=XmlFragment)  # as the library knows every body, before anything has come
    other.apply_update(doc.get_update())
    return read_body(other, ROOT)


def test_names_of_other_schemas_are_read_as_ours_and_unknown_ones_stay() -> None:
    doc: Doc[Any] = Doc()
    body = doc.get(ROOT, type=XmlFragment)
    items = body.children.append(XmlElement("bullet_list"))
    paragraph = items.children.append(XmlElement("list_item")).children.append(XmlElement("paragraph"))
    text = paragraph.children.append(XmlText("strong"))
    text.format(0, 6, {"strong": {}, "comment--aB3dE6gH": {"id": "c"}})
    chart = body.children.append(XmlElement("chart", {"data": [1, 2.5]}))  # type: ignore[dict-item]
    chart.children.append(XmlText("in words"))
    marks = (Mark("bold"), Mark("comment", (("id", "c"),)))
    items_, chart_ = read_body(doc, ROOT)
    assert items_ == one("bulletList", one("listItem", one("paragraph", words("strong", *marks))))
    assert isinstance(chart_, Element)
    assert plain_text((chart_,)) == "in words"


def test_a_text_of_quill_is_read_line_by_line() -> None:
    link = Mark("link", (("href", "osis:Gen.1.1"),))
    assert quill(
        ("Ti", {"bold": True}),
        ("tle", {"link": "osis:Gen.1.1"}),
        ("\n", {"header": 2}),
        ("one", {}),
        ("\n", {"list": "bullet"}),
        ("under", {}),
        ("\n", {"list": "ordered", "indent": 1}),
        ("said", {}),
        ("\n", {"blockquote": True}),
        ("a = 1", {}),
        ("\n", {"code-block": "python"}),
        ("b", {}),
        ("\n", {"code-block": "python"}),
        ({"image": "x"}, {}),
        ("end", {}),
    ) == (
        one("heading", Text((Run("Ti", (Mark("bold"),)), Run("tle", (link,)))), level=2),
        one(
            "bulletList",
            one(
                "listItem",
                one("paragraph", words("one")),
                one("orderedList", one("listItem", one("paragraph", words("under")))),
            ),
        ),
        one("blockquote", one("paragraph", words("said"))),
        one("codeBlock", words("a = 1\nb"), language="python"),
        one("paragraph", one("image", image="x"), words("end")),
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "2", -5, 1e300, [], {}, None, 0.3])
def test_line_attributes_that_make_no_sense_do_no_harm(value: object) -> None:
    attributes = dict.fromkeys(("header", "list", "indent", "code-block", "blockquote", "bold"), value)
    assert "x" in plain_text(quill(("x", {}), ("\n", attributes)))


def test_what_is_nested_without_end_is_read_as_its_text() -> None:
    doc: Doc[Any] = Doc()
    node: Any = doc.get(ROOT, type=XmlFragment)
    for _ in range(5 * MAX_DEPTH):
        node = node.children.append(XmlElement("blockquote"))
    node.children.append(XmlText("deep"))
    body = read_body(doc, ROOT)
    assert plain_text(body) == "deep"
    depth, inner = 0, body[0]
    while isinstance(inner, Element):
        depth, inner = depth + 1, inner.children[0]
    assert depth == MAX_DEPTH


def test_links_are_those_into_the_library_and_titles_in_double_brackets() -> None:
    body = (
        one("paragraph", words("see [[Gen"), ),
        one(
            "paragraph",
            Text(
                (
                    Run("[[A ti", ()),
                    Run("tle|so]] ", (Mark("bold"),)),
                    Run("there", (Mark("link", (("href", " NOTE:abc"),)),)),
                    Run("[[no]]", (Mark("code"),)),
                    Run("out", (Mark("link", (("href", "https://example.org"),)),)),
                    Run("again", (Mark("link", (("href", "note:abc"),)),)),
                    Run("bad", (Mark("link", (("href", "osis:\x00x"),)),)),
                )
            ),
            one("hardBreak"),
            words("[[B]] [[ ]] [[[C]]]"),
        ),
        one("codeBlock", words("[[no]]")),
        one("blockquote", one("paragraph", words("v", Mark("link", (("href", "osis:Gen.1.1"),))))),
    )  # fmt: skip
    assert links_of(body) == ("note:abc", "[[A title]]", "[[B]]", "[[C]]", "osis:Gen.1.1")

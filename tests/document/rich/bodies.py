"""Bodies for tests: strategies, and documents that hold one."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

from hypothesis import strategies as st
from pycrdt import Doc, XmlFragment

from crdt_sync.document.rich import Blocks, Element, Mark, Node, Run, Text, read_body
from crdt_sync.document.rich.bodies import write_body
from crdt_sync.document.rich.values import joined

ROOT = "note/n"

MARKS = (Mark("bold"), Mark("italic"), Mark("code"), Mark("link", (("href", "note:x"),)), Mark("strike"))
STRANGE = (Mark("underline"), Mark("color", (("value", "red"),)))
words = st.sampled_from(
    ["a", "b", "word", "Grüße ", " ", "𝔘𝔫𝔦", "日本", "e\u0301", "two words", "*", "x_y", "1. ", "# ", "\ufffc"]
)
plain = st.one_of(st.lists(words, min_size=1, max_size=4).map("".join), st.text(min_size=1, max_size=8))


@cache
def marked(marks: tuple[Mark, ...]) -> st.SearchStrategy[tuple[Mark, ...]]:
    """Return none of the marks in a third of all cases, else up to three; one draw, as a list of them takes six."""
    chosen = [tuple(sorted(some, key=lambda mark: mark.name)) for n in (1, 2, 3) for some in combinations(marks, n)]
    return st.sampled_from([()] * (len(chosen) // 2) + chosen)


@cache
def texts(marks: tuple[Mark, ...] = MARKS + STRANGE) -> st.SearchStrategy[Text]:
    return st.lists(st.builds(Run, plain, marked(marks)), min_size=1, max_size=3).map(Text.of)


@cache
def inline(marks: tuple[Mark, ...] = MARKS + STRANGE, strange: bool = True) -> st.SearchStrategy[tuple[Node, ...]]:
    atoms = [Element("hardBreak"), Element("mention", (("id", "u"),))] if strange else [Element("hardBreak")]
    return st.lists(st.one_of(texts(marks), texts(marks), st.sampled_from(atoms)), max_size=3).map(joined)


@cache
def blocks(strange: bool = True, max_size: int = 5) -> st.SearchStrategy[Blocks]:
    marks = MARKS + STRANGE if strange else MARKS
    leaves = [
        st.builds(lambda inner: Element("paragraph", (), inner), inline(marks, strange)),
        st.builds(
            lambda level, inner: Element("heading", (("level", level),), inner),
            st.integers(1, 6),
            inline(marks, strange),
        ),
        st.builds(
            lambda code, language: Element(
                "codeBlock", (("language", language),) if language else (), (Text((Run(code),)),)
            ),
            plain,
            st.sampled_from(["", "python", "c++"]),
        ),
        st.just(Element("horizontalRule")),
    ]
    if strange:
        leaves.append(st.builds(lambda inner: Element("chart", (("data", 1.5),), inner), inline(marks, strange)))
    leaf = st.one_of(leaves)

    def nested(inner: st.SearchStrategy[Element]) -> st.SearchStrategy[Element]:
        some = st.lists(inner, min_size=1, max_size=3).map(tuple)
        paragraph = st.builds(lambda inner: Element("paragraph", (), inner), inline(marks, strange))
        item = st.builds(
            lambda first, rest: Element("listItem", (), (first, *rest)), paragraph, st.lists(inner, max_size=2)
        )
        items = st.lists(item, min_size=1, max_size=3).map(tuple)
        return st.one_of(
            some.map(lambda children: Element("blockquote", (), children)),
            items.map(lambda children: Element("bulletList", (), children)),
            st.builds(
                lambda start, children: Element("orderedList", (("start", start),), children), st.integers(0, 12), items
            ),
        )

    block = st.recursive(leaf, nested, max_leaves=4)
    return st.lists(block, max_size=max_size).map(tuple)


class Replica:
    """A document with one body, and what it has written since it was last asked."""

    def __init__(self, *others: Replica, client_id: int | None = None) -> None:
        self.doc: Doc[Any] = Doc() if client_id is None else Doc(client_id=client_id)
        self.fragment = self.doc.get(ROOT, type=XmlFragment)
        self.updates: list[bytes] = []
        self.take(*others)
        self._subscription = self.doc.observe(lambda event: self.updates.append(event.update))

    @property
    def body(self) -> Blocks:
        return read_body(self.doc, ROOT)

    def take(self, *others: Replica) -> None:
        for other in others:
            self.doc.apply_update(other.doc.get_update(self.doc.get_state()))

    def write(self, wanted: Blocks) -> bool:
        with self.doc.transaction():
            return write_body(self.fragment, wanted)


def holding(body: Blocks) -> Replica:
    replica = Replica()
    replica.write(body)
    return replica

"""Markdown to blocks: CommonMark, with `~~strike~~`, and nothing of HTML or images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from crdt_sync.document.rich.inline_markdown import tidied
from crdt_sync.document.rich.links import safe_href
from crdt_sync.document.rich.names import (
    BLOCKQUOTE,
    BOLD,
    BULLET_LIST,
    CODE,
    CODE_BLOCK,
    HARD_BREAK,
    HEADING,
    HORIZONTAL_RULE,
    ITALIC,
    LANGUAGE,
    LINK,
    LIST_ITEM,
    ORDERED_LIST,
    PARAGRAPH,
    STRIKE,
)
from crdt_sync.document.rich.reading import MAX_DEPTH
from crdt_sync.document.rich.values import Blocks, Element, Mark, Node, Run, Text, freeze, joined
from crdt_sync.errors import InvalidEdit

__all__ = ["MAX_MARKDOWN", "parse_markdown"]

MAX_MARKDOWN = 300_000
"""How many characters a body may have as Markdown. To take in an edit costs some 10 µs for each."""
MAX_NESTING = MAX_DEPTH - 2
_MARKS = {"strong": BOLD, "em": ITALIC, "s": STRIKE}
_CONTAINERS = {
    "blockquote_open": BLOCKQUOTE,
    "bullet_list_open": BULLET_LIST,
    "ordered_list_open": ORDERED_LIST,
    "list_item_open": LIST_ITEM,
    "paragraph_open": PARAGRAPH,
    "heading_open": HEADING,
}


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING})
    parser.enable("strikethrough").disable("image")
    parser.validateLink = lambda url: safe_href(url) is not None  # type: ignore[method-assign]
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]  # what was written stays
    parser.normalizeLinkText = lambda link: link  # type: ignore[method-assign]
    return parser


_PARSER = _parser()


def parse_markdown(markdown: str) -> Blocks:
    """Return the blocks of a Markdown text. A line's end within a paragraph is a space; an image is a link.

    Raises `InvalidEdit` if it has more than `MAX_MARKDOWN` characters, or is nested deeper than a body can be.
    """
    if len(markdown) > MAX_MARKDOWN:
        raise InvalidEdit(f"a note has at most {MAX_MARKDOWN:,} characters of Markdown; make several notes of it")
    tokens = _PARSER.parse(markdown)
    if any(token.nesting == 1 and token.level + 1 >= MAX_NESTING for token in tokens):
        raise InvalidEdit(f"lists and quotes lie more than {MAX_NESTING - 1} deep in one another; make them flatter")
    return _blocks(iter(tokens))


def _blocks(tokens: Iterator[Token]) -> Blocks:
    """Return the blocks up to the end of what they stand in."""
    found: list[Node] = []
    for token in tokens:
        if token.nesting == -1:
            break
        if token.nesting == 1:
            block = _container(token, tokens)
            if block != Element(PARAGRAPH):  # all that was in it is a link without words
                found.append(block)
        elif token.type in ("fence", "code_block"):
            found.append(_code(token))
        elif token.type == "hr":
            found.append(Element(HORIZONTAL_RULE))
        elif token.type == "inline":
            found += _inline(token.children or ())
    return tuple(found)


def _container(token: Token, tokens: Iterator[Token]) -> Element:
    name = _CONTAINERS[token.type]
    children = _blocks(tokens)
    first = children[0] if children else None
    if name == LIST_ITEM and not (isinstance(first, Element) and first.name == PARAGRAPH):
        children = (Element(PARAGRAPH), *children)  # as ProseMirror's schema has it: `paragraph block*`
    if name == BLOCKQUOTE and not children:
        children = (Element(PARAGRAPH),)
    if name == HEADING:
        return Element(name, (("level", int(token.tag[1:])),), children)
    if name == ORDERED_LIST:
        return Element(name, (("start", int(token.attrs.get("start", 1))),), children)
    return Element(name, (), children)


def _code(token: Token) -> Element:
    words = token.info.split(maxsplit=1)
    text = token.content.removesuffix("\n")
    attributes = freeze({"language": words[0] if words and LANGUAGE.fullmatch(words[0]) else None})
    return Element(CODE_BLOCK, attributes, joined([Text((Run(text),) if text else ())]))


def _inline(tokens: Sequence[Token]) -> tuple[Node, ...]:
    found: list[Node] = []
    marks: list[Mark] = []
    for token in tokens:
        if token.nesting == 1:
            name = token.type.removesuffix("_open")
            marks.append(_link(token) if name == "link" else Mark(_MARKS[name]))
        elif token.nesting == -1:
            marks.pop()
        elif token.type == "hardbreak":
            found.append(Element(HARD_BREAK))
        elif token.type == "softbreak":
            found.append(Text((Run(" ", _marks(marks)),)))
        elif token.type == "code_inline":
            found.append(Text((Run(token.content, _marks([Mark(CODE), *marks])),)))
        elif token.content:
            found.append(Text((Run(token.content, _marks(marks)),)))
    return tidied(found)


def _link(token: Token) -> Mark:
    return Mark(LINK, freeze({"href": safe_href(token.attrs.get("href")), "title": token.attrs.get("title")}))


def _marks(open_: Sequence[Mark]) -> tuple[Mark, ...]:
    by_name = {mark.name: mark for mark in open_}
    return tuple(by_name[name] for name in sorted(by_name))

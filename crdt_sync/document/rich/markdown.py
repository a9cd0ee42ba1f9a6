"""Blocks as Markdown, for people to read and edit. What it says is what `parse_markdown` reads in it.

What Markdown has no words for is left out: an unknown element is its text, an unknown mark and a link that may not be
followed nothing, an empty paragraph nothing. `lifting.py` keeps all of that where an edit did not touch it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from crdt_sync.document.rich.inline_markdown import inline_markdown
from crdt_sync.document.rich.names import (
    BLOCKQUOTE,
    BULLET_LIST,
    CODE_BLOCK,
    HEADING,
    HORIZONTAL_RULE,
    LANGUAGE,
    LIST_ITEM,
    ORDERED_LIST,
    PARAGRAPH,
)
from crdt_sync.document.rich.plain import plain_text
from crdt_sync.document.rich.values import Blocks, Element, Node, Text

__all__ = ["heading_level", "list_start", "render_markdown", "safe_language"]

MAX_START = 999_999_999  # CommonMark 5.2: at most nine digits
_INTERRUPTING = re.compile(r"(?:[-*]|1[.)]) \S")  # CommonMark 5.3
_FENCES = re.compile(r"`{3,}")


def render_markdown(blocks: Blocks) -> str:
    """Return a body as Markdown, without a line's end after the last line; "" for an empty one."""
    return "\n\n".join(_blocks(blocks))


def heading_level(block: Element) -> int:
    """Return 1 to 6."""
    level = block.get("level")
    return min(max(level, 1), 6) if isinstance(level, int) else 1


def list_start(block: Element) -> int:
    """Return the number of an ordered list's first item."""
    start = block.get("start")
    return start if isinstance(start, int) and 0 <= start <= MAX_START else 1


def safe_language(block: Element) -> str:
    """Return the language of a code block, "" if there is none or it is not a plain word."""
    language = block.get("language")
    return language if isinstance(language, str) and LANGUAGE.fullmatch(language) else ""


def _blocks(nodes: Sequence[Node]) -> Iterator[str]:
    alternate = False
    before = ""
    for node in _textual(nodes):
        if isinstance(node, Text):
            rendered = inline_markdown((node,))
        elif node.name in (BULLET_LIST, ORDERED_LIST):
            # two lists in a row are told apart by their markers
            alternate = node.name == before and not alternate
            rendered = _list(node, alternate)
        else:
            rendered = _block(node)
        if rendered:
            before = node.name if isinstance(node, Element) else ""
            yield rendered


def _textual(nodes: Sequence[Node]) -> Iterator[Node]:
    """Yield the nodes with unknown elements taken apart: what has text is a paragraph, others are what is in them."""
    for node in nodes:
        if isinstance(node, Text) or node.name in _KNOWN:
            yield node
        elif any(isinstance(child, Text) for child in node.children):
            yield Element(PARAGRAPH, (), node.children)
        else:
            yield from _textual(node.children)


def _block(node: Element) -> str:
    match node.name:
        case "heading":
            return f"{'#' * heading_level(node)} {inline_markdown(node.children, one_line=True)}".rstrip()
        case "codeBlock":
            return _code(node)
        case "horizontalRule":
            return "___"  # the one rule that a list's marker before it cannot make longer
        case "blockquote":
            lines = "\n\n".join(_blocks(node.children)).split("\n")
            return "\n".join(f"> {line}".rstrip() if not line else f"> {line}" for line in lines)
        case "listItem":  # outside of a list
            return "\n\n".join(_blocks(node.children))
    return inline_markdown(node.children)


def _code(node: Element) -> str:
    text = plain_text((node,)).replace("\r\n", "\n").replace("\r", "\n")  # or a line would leave its list
    longest = max((len(found) for found in _FENCES.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{safe_language(node)}\n{text}\n{fence}" if text else f"{fence}{safe_language(node)}\n{fence}"


def _list(node: Element, alternate: bool) -> str:
    items = []
    number = list_start(node)
    for item in node.children:
        if node.name == ORDERED_LIST:
            marker = f"{min(number, MAX_START)}{')' if alternate else '.'}"
            number += 1
        else:
            marker = "*" if alternate else "-"
        children = item.children if isinstance(item, Element) and item.name == LIST_ITEM else (item,)
        text = _item(list(_blocks(children)))
        indent = " " * (len(marker) + 1)
        first, *rest = text.split("\n")
        lines = [f"{marker} {first}".rstrip() if not first else f"{marker} {first}"]
        lines += [f"{indent}{line}" if line else "" for line in rest]
        items.append("\n".join(lines))
    loose = any("\n\n" in item for item in items)
    return ("\n\n" if loose else "\n").join(items)


def _item(blocks: Sequence[str]) -> str:
    """Join an item's blocks; a list may follow a line at once if it cannot be taken for a part of that."""
    text = "".join(blocks[:1])
    for block in blocks[1:]:
        text += ("\n" if _INTERRUPTING.match(block) and "\n" not in text else "\n\n") + block
    return text


_KNOWN = frozenset({PARAGRAPH, HEADING, BLOCKQUOTE, BULLET_LIST, ORDERED_LIST, LIST_ITEM, CODE_BLOCK, HORIZONTAL_RULE})

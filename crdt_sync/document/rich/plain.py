"""A body as plain text: what is searched, and what `Note.text` is."""

from __future__ import annotations

from collections.abc import Iterator

from crdt_sync.document.rich.names import HARD_BREAK, HORIZONTAL_RULE, TEXT_BLOCKS
from crdt_sync.document.rich.values import Blocks, Node, Text

__all__ = ["plain_text"]


def plain_text(blocks: Blocks) -> str:
    """Return a body's words, a line for each block that holds text; a hard break and code have lines of their own."""
    return "\n".join(_lines(blocks))


def _lines(nodes: tuple[Node, ...]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Text):
            yield node.plain
        elif node.name in TEXT_BLOCKS or any(isinstance(child, Text) for child in node.children):
            yield "".join(_inline(node.children))
        elif node.name != HORIZONTAL_RULE:
            yield from _lines(node.children)


def _inline(nodes: tuple[Node, ...]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Text):
            yield node.plain
        elif node.name == HARD_BREAK:
            yield "\n"
        else:
            yield from _inline(node.children)

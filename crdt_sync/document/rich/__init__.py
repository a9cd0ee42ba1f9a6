"""The body of a note: read from the document, rendered, parsed from Markdown, and edited with minimal changes."""

from crdt_sync.document.rich.links import links_of, safe_href
from crdt_sync.document.rich.plain import plain_text
from crdt_sync.document.rich.reading import read_body
from crdt_sync.document.rich.values import Blocks, Element, Mark, Node, Run, Text, paragraphs

__all__ = [
    "Blocks",
    "Element",
    "Mark",
    "Node",
    "Run",
    "Text",
    "links_of",
    "paragraphs",
    "plain_text",
    "read_body",
    "safe_href",
]

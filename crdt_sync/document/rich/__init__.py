"""The body of a note: read from the document, rendered, parsed from Markdown, and edited with minimal changes."""

from crdt_sync.document.rich.html import render_html
from crdt_sync.document.rich.links import links_of, safe_href
from crdt_sync.document.rich.markdown import render_markdown
from crdt_sync.document.rich.parsing import MAX_MARKDOWN, parse_markdown
from crdt_sync.document.rich.plain import plain_text
from crdt_sync.document.rich.reading import read_body
from crdt_sync.document.rich.values import Blocks, Element, Json, Mark, Node, Run, Text, paragraphs

__all__ = [
    "MAX_MARKDOWN",
    "Blocks",
    "Element",
    "Json",
    "Mark",
    "Node",
    "Run",
    "Text",
    "links_of",
    "paragraphs",
    "parse_markdown",
    "plain_text",
    "read_body",
    "render_html",
    "render_markdown",
    "safe_href",
]

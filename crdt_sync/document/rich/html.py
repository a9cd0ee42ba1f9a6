"""Blocks as HTML that is safe to show, whoever wrote them.

Only the elements below come out, only with the attributes below, and every text and value is escaped. An address comes
out if it is one of `SAFE_SCHEMES`; a text whose link is refused stays, as does the text of what is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from crdt_sync.document.rich.links import safe_href
from crdt_sync.document.rich.markdown import heading_level, list_start, safe_language
from crdt_sync.document.rich.names import BOLD, CODE, HARD_BREAK, ITALIC, LINK, STRIKE
from crdt_sync.document.rich.values import Blocks, Node, Run, Text

__all__ = ["render_html"]

_TAGS = ((BOLD, "strong"), (ITALIC, "em"), (STRIKE, "s"), (CODE, "code"))
_CONTAINERS = {"blockquote": "blockquote", "bulletList": "ul", "listItem": "li"}


def render_html(blocks: Blocks) -> str:
    """Return a body as HTML, one top-level element after another, a line for each; "" for an empty one."""
    return "\n".join(_blocks(blocks))


def _blocks(nodes: Sequence[Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Text):
            yield f"<p>{_inline((node,))}</p>"
            continue
        match node.name:
            case "paragraph":
                yield f"<p>{_inline(node.children)}</p>"
            case "heading":
                level = heading_level(node)
                yield f"<h{level}>{_inline(node.children)}</h{level}>"
            case "codeBlock":
                language = safe_language(node)
                kind = f' class="language-{escape(language)}"' if language else ""
                yield f"<pre><code{kind}>{_inline(node.children)}</code></pre>"
            case "horizontalRule":
                yield "<hr>"
            case "orderedList":
                start = list_start(node)
                from_ = f' start="{start}"' if start != 1 else ""
                yield f"<ol{from_}>{''.join(_blocks(node.children))}</ol>"
            case name if name in _CONTAINERS:
                tag = _CONTAINERS[name]
                yield f"<{tag}>{''.join(_blocks(node.children))}</{tag}>"
            case _ if any(isinstance(child, Text) for child in node.children):
                yield f"<p>{_inline(node.children)}</p>"
            case _:
                yield from _blocks(node.children)


def _inline(nodes: Sequence[Node]) -> str:
    parts = []
    for node in nodes:
        if isinstance(node, Text):
            for href, runs in groupby(node.runs, key=_href):
                words = "".join(_run(run) for run in runs)
                parts.append(words if href is None else f'<a href="{escape(href)}" rel="{_REL}">{words}</a>')
        else:
            parts.append("<br>" if node.name == HARD_BREAK else _inline(node.children))
    return "".join(parts)


_REL = "nofollow noopener noreferrer"


def _href(run: Run) -> str | None:
    return next((safe_href(mark.get("href")) for mark in run.marks if mark.name == LINK), None)


def _run(run: Run) -> str:
    words = escape(run.text)
    names = {mark.name for mark in run.marks}
    for name, tag in reversed(_TAGS):
        if name in names:
            words = f"<{tag}>{words}</{tag}>"
    return words

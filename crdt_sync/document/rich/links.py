"""Which links of a body may be followed, and to what else in the library it points."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crdt_sync.document.rich.names import CODE, CODE_BLOCK, LINK
from crdt_sync.document.rich.values import Blocks, Element, Node

__all__ = ["INNER_SCHEMES", "SAFE_SCHEMES", "links_of", "safe_href"]

INNER_SCHEMES = frozenset({"note", "highlight", "osis"})
"""What points to something in the library, or to a verse."""
SAFE_SCHEMES = frozenset({"http", "https", "mailto"}) | INNER_SCHEMES
MAX_HREF = 2048
TITLE = re.compile(r"\[\[([^\[\]\n|]{1,300})(?:\|[^\[\]\n]{0,300})?\]\]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.+)", re.ASCII)
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def safe_href(href: object) -> str | None:
    """Return an address that may be followed, its scheme in small letters, or None.

    Only `SAFE_SCHEMES` may: a relative address means something else wherever the body is shown, and a browser drops
    control characters from inside a scheme, so an address with any invisible character in it is none.
    """
    if not isinstance(href, str) or len(href) > MAX_HREF or _INVISIBLE.search(href):
        return None
    parts = _SCHEME.fullmatch(href.strip())
    if parts is None or parts[1].lower() not in SAFE_SCHEMES:
        return None
    return f"{parts[1].lower()}:{parts[2]}"


def links_of(blocks: Blocks) -> tuple[str, ...]:
    """Return to what a body points, each target once, in the order of the text.

    A target is the address of a link with one of the `INNER_SCHEMES`, such as `note:<id>` or `osis:Gen.1.1`, or a title
    as it was written, in brackets: `[[Title]]`, and `[[Title]]` for `[[Title|shown so]]`. Code has no links in it.
    """
    return tuple(dict.fromkeys(_targets(blocks)))


def _targets(nodes: tuple[Node, ...]) -> Iterator[str]:
    words: list[str] = []
    for node in nodes:
        if isinstance(node, Element):
            yield from _titles(words)
            if node.name != CODE_BLOCK:
                yield from _targets(node.children)
            continue
        for run in node.runs:
            names = {mark.name for mark in run.marks}
            for mark in run.marks:
                href = safe_href(mark.get("href")) if mark.name == LINK else None
                if href is not None and href.partition(":")[0] in INNER_SCHEMES:
                    yield href
            words.append("\n" if CODE in names else run.text)
    yield from _titles(words)


def _titles(words: list[str]) -> Iterator[str]:
    text = "".join(words)
    words.clear()
    for found in TITLE.finditer(text):
        if title := found[1].strip():
            yield f"[[{title}]]"

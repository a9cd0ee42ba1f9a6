"""Links between items, in plain text: `note:<id>`, `highlight:<id>`, `osis:Gen.1.1` and `[[Title]]`."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MOST_LINKS", "link_target", "links_in", "title_key"]

MOST_LINKS = 1_000
"""So many links of one item are followed, each written once; a text of a megabyte may hold more."""
_LINK = re.compile(r"\[\[([^\[\]\n]{1,500})\]\]|(?<![\w:/])((?:note|highlight|osis):[^\s<>\"'()\[\]{}|\\^`]{1,500})")
_AFTER = ".,;:!?…"
"""What ends a sentence, and no link."""


def links_in(text: str) -> tuple[str, ...]:
    """Return the links in a text as they are written, each once, in order."""
    found: dict[str, None] = {}
    if ":" not in text and "[[" not in text:
        return ()
    for title, target in _LINK.findall(text):
        link = f"[[{title}]]" if title else target.rstrip(_AFTER)
        if link_target(link):
            found[link] = None
        if len(found) == MOST_LINKS:
            break
    return tuple(found)


def link_target(link: str) -> str:
    """Return what a link is looked up by: `[[Title]]` with the title's key, all else as it is; empty if it is none."""
    if link.startswith("[[") and link.endswith("]]"):
        key = title_key(link[2:-2].partition("|")[0])
        return f"[[{key}]]" if key else ""
    scheme, _, rest = link.partition(":")
    return link if scheme in ("note", "highlight", "osis") and rest else ""


def title_key(title: str) -> str:
    """Return what titles are compared by: case, composition and the spaces around and between words do not count."""
    return " ".join(unicodedata.normalize("NFKC", title).casefold().split())

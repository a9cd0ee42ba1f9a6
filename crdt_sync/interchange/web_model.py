"""Selectors and targets of the W3C Web Annotation Data Model (sections 3 and 4.2), and anchors, in both directions.

A quote and a position become the anchor's own, if they say nothing else beside; every selector that an anchor has no
word for is kept to the letter, as `opaque`: EPUB CFIs, CSS, XPath, ranges, refinements and whatever is yet to come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from crdt_sync.document.anchors import Anchor, Position, Quote

__all__ = ["NAME", "OWN", "as_list", "read_target", "text_of", "write_target"]

NAME = "epub"
OWN = "crdtSync"
"""The key of what the model has no word for; other programs pass over it, as the model says they should."""
QUOTE, POSITION = "TextQuoteSelector", "TextPositionSelector"
MAX_PLACE = 2**53


def as_list(value: Any) -> list[Any]:
    """JSON-LD writes one value and a list of one alike."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def text_of(value: Any) -> str:
    """Return a text, which may be localised (`{value, language}` or `{"@value"}`, or a map of languages), or empty."""
    for each in as_list(value):
        if isinstance(each, str):
            return each
        if isinstance(each, Mapping):
            for name in ("value", "@value", "name"):
                if isinstance(each.get(name), str):
                    return str(each[name])
            return next((text for text in each.values() if isinstance(text, str)), "")
    return ""


def _read_selectors(value: Any) -> tuple[Quote | None, Position | None, tuple[Any, ...]]:
    """Return the quote, the position in code points, and the selectors to keep as they stand."""
    quote: Quote | None = None
    position: Position | None = None
    opaque: list[Any] = []
    for selector in as_list(value):
        found_quote, found_position = _read_quote(selector), _read_position(selector)
        if found_quote is not None and quote is None:
            quote = found_quote
            if _says_no_more(selector, {"type", "exact", "prefix", "suffix"}):
                continue
        elif found_position is not None and position is None:
            position = found_position
            if _says_no_more(selector, {"type", "start", "end"}):
                continue
        opaque.append(selector)
    if quote is None:
        quote = next(filter(None, map(_read_quote, _refinements(value))), None)
    return quote, position, tuple(opaque)


def _write_selectors(anchor: Anchor) -> list[Any]:
    """Return the selectors that say where an anchor stands, the precise ones first."""
    selectors: list[Any] = [each for each in anchor.opaque if isinstance(each, Mapping) and "type" in each]
    types = {each["type"] for each in selectors if "refinedBy" not in each and isinstance(each["type"], str)}
    if anchor.position is not None and POSITION not in types:
        selectors.append({"type": POSITION, "start": anchor.position.start, "end": anchor.position.end})
    if anchor.quote is not None and QUOTE not in types:
        texts = {"exact": anchor.quote.exact, "prefix": anchor.quote.prefix, "suffix": anchor.quote.suffix}
        selectors.append({"type": QUOTE, **{name: text for name, text in texts.items() if text or name == "exact"}})
    return selectors


def read_target(target: Mapping[str, Any], work: Mapping[str, Any]) -> Anchor:
    """Return the anchor that a target says, in a work. Raises `InvalidEdit` if it says none."""
    source = target.get("source", target.get("id"))
    if isinstance(source, Mapping):
        source = source.get("id")
    source = source if isinstance(source, str) and source else None
    if not work and source is not None and urlsplit(source).scheme in ("http", "https"):
        work = {"id": source.partition("#")[0]}
    quote, position, opaque = _read_selectors(target.get("selector"))
    meta = target["meta"] if isinstance(target.get("meta"), Mapping) else {}
    headings = [
        text for each in as_list(meta.get("headings")) if isinstance(each, Mapping) and (text := _heading(each))
    ]
    page = meta.get("page")
    return Anchor(
        work=dict(work),
        source=source,
        quote=quote,
        position=position,
        opaque=opaque,
        heading=next(filter(None, reversed(headings)), None),
        page=str(page) if isinstance(page, str | int | float) and page != "" else None,
    )


def write_target(anchor: Anchor) -> dict[str, Any]:
    """Return the target that says an anchor, as far as the model has words for it."""
    target: dict[str, Any] = {"source": anchor.source or anchor.work_id or "about:blank"}
    if selectors := _write_selectors(anchor):
        target["selector"] = selectors
    meta: dict[str, Any] = {}
    if anchor.heading:
        meta["headings"] = [{"level": 1, "txt": anchor.heading}]
    if anchor.page:
        meta["page"] = anchor.page
    return target | ({"meta": meta} if meta else {})


def _heading(heading: Mapping[str, Any]) -> str:
    """Readium says `txt`."""
    return text_of(heading.get("txt", heading.get("text", heading.get("title"))))


def _read_quote(selector: Any) -> Quote | None:
    if not isinstance(selector, Mapping) or selector.get("type") != QUOTE:
        return None
    parts = [selector.get(name, "") for name in ("exact", "prefix", "suffix")]
    return Quote(*parts) if all(isinstance(part, str) for part in parts) and parts[0] else None


def _read_position(selector: Any) -> Position | None:
    if not isinstance(selector, Mapping) or selector.get("type") != POSITION:
        return None
    start, end = selector.get("start"), selector.get("end")
    if not isinstance(start, int) or not isinstance(end, int) or isinstance(start, bool) or isinstance(end, bool):
        return None
    return Position(start, end) if 0 <= start <= end < MAX_PLACE else None


def _says_no_more(selector: Mapping[str, Any], names: set[str]) -> bool:
    return not set(selector) - names


def _refinements(value: Any) -> Iterator[Any]:
    """Yield the selectors that refine others: a position there counts from within, but a quote is a quote."""
    for selector in as_list(value):
        while isinstance(selector, Mapping) and "refinedBy" in selector:
            refined = as_list(selector["refinedBy"])
            yield from refined
            selector = refined[0] if refined else None

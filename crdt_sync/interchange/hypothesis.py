"""Annotations as the API of Hypothesis gives them: `{"total", "rows"}`, a list of rows, or one row.

https://h.readthedocs.io/en/latest/api-reference/ (Annotations). Its positions count UTF-16 units of a page's text. They
are converted where the file itself has that text, which it never has as a whole; so they are kept as they stand, with
the unit, and the quote anchors the highlight.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crdt_sync.document.anchors import Anchor, Quote
from crdt_sync.document.values import Highlight, Note
from crdt_sync.errors import InvalidEdit, UnreadableFile
from crdt_sync.interchange.bounds import parsed_json, read_bytes
from crdt_sync.interchange.identity import is_item_id
from crdt_sync.interchange.records import Encoded, Entry, FormatReader, FormatWriter, Item, Record, Skipped
from crdt_sync.interchange.times import iso_from_ms, ms_from_iso
from crdt_sync.interchange.web_model import OWN, as_list, text_of

__all__ = ["NAME", "READER", "WRITER"]

NAME = "hypothesis"
POSITION = "TextPositionSelector"
_ROW = re.compile(rb'"(?:uri|target)"\s*:')
_ROWS = re.compile(rb'"rows"\s*:')
_NO_ROWS = re.compile(rb'"rows"\s*:\s*\[\s*\]')
_HYPOTHESIS = re.compile(rb'"(?:acct:[^"@]+@|user"\s*:\s*"acct:)|"(?:group|permissions|references)"\s*:')
_LAST_MS = 253_402_300_799_999


class _Reader:
    name = NAME

    def recognises(self, path: Path, head: bytes) -> bool:
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return False
        if _NO_ROWS.search(head):
            return True
        return _ROW.search(head) is not None and (_ROWS.search(head) or _HYPOTHESIS.search(head)) is not None

    def read(self, path: Path) -> Iterator[Item]:
        value = parsed_json(read_bytes(path), path)
        if isinstance(value, Mapping) and isinstance(value.get("rows"), list):
            rows, place = value["rows"], "rows"
        elif isinstance(value, list):
            rows, place = value, ""
        elif isinstance(value, Mapping) and "uri" in value:
            rows, place = [value], ""
        else:
            raise UnreadableFile(f"{path} is not what the API of Hypothesis gives: it has no rows")
        for number, row in enumerate(rows):
            yield _read_row(row, f"{place}[{number}]")


def _read_row(row: Any, where: str) -> Item:
    if not isinstance(row, Mapping) or not isinstance(row.get("uri"), str):
        return Skipped(where, "it is no annotation: it has no uri")
    if as_list(row.get("references")):
        return Skipped(where, "it is a reply to another annotation, and a library has no replies")
    targets = [each for each in as_list(row.get("target")) if isinstance(each, Mapping)]
    quote, opaque = _read_selectors(targets[0].get("selector") if targets else None)
    document = row["document"] if isinstance(row.get("document"), Mapping) else {}
    title = text_of(document.get("title"))
    work = {"id": row["uri"]} | ({"title": title} if title else {})
    tags = tuple(dict.fromkeys(tag for tag in as_list(row.get("tags")) if isinstance(tag, str) and tag))
    own = row[OWN] if isinstance(row.get(OWN), Mapping) else {}
    try:  # a page note has no selectors: it is about the whole page
        anchor = Anchor(work=work, source=row["uri"], quote=quote, opaque=opaque, page=_page(opaque))
        if isinstance(own.get("anchor"), Mapping):
            anchor = Anchor.from_json(own["anchor"])
    except InvalidEdit as error:
        return Skipped(where, str(error))
    return Record(
        anchor=anchor,
        where=where,
        color=own["color"] if isinstance(own.get("color"), str) else "yellow",
        style=own["style"] if isinstance(own.get("style"), str) else "highlight",
        tags=tags,
        comment=row["text"] if isinstance(row.get("text"), str) else "",
        created_at_ms=_given_time(own, "createdAt", row.get("created")),
        updated_at_ms=_given_time(own, "updatedAt", row.get("updated")),
        creator=row["user"] if isinstance(row.get("user"), str) else "",
        foreign_id=row["id"] if isinstance(row.get("id"), str) and row["id"] else None,
        item_id=own["id"] if is_item_id(own.get("id")) else None,
        original=dict(row),
    )


def _read_selectors(value: Any) -> tuple[Quote | None, tuple[Any, ...]]:
    quote: Quote | None = None
    opaque: list[Any] = []
    for selector in as_list(value):
        if isinstance(selector, Mapping) and selector.get("type") == "TextQuoteSelector" and quote is None:
            parts = [selector.get(name) or "" for name in ("exact", "prefix", "suffix")]
            if all(isinstance(part, str) for part in parts) and parts[0]:
                quote = Quote(*parts)
                continue
        if isinstance(selector, Mapping) and selector.get("type") == POSITION:
            selector = {**selector, "unit": "utf16"}
        opaque.append(selector)
    return quote, tuple(opaque)


def _page(opaque: Sequence[Any]) -> str | None:
    for each in opaque:
        if isinstance(each, Mapping) and each.get("type") == "PageSelector":
            page = each.get("label", each.get("index"))
            return str(page) if isinstance(page, str | int) and str(page) else None
    return None


class _Writer:
    """Writes what the API takes: rows with uri, target, text and tags. A row that came from there goes out whole."""

    name = NAME
    suffix = ".json"

    def encode(self, entries: Sequence[Entry]) -> Encoded:
        """Return `{"total", "rows"}`."""
        rows: list[dict[str, Any]] = []
        skipped: list[Skipped] = []
        for entry in entries:
            for each in _rows(entry):
                skipped.append(each) if isinstance(each, Skipped) else rows.append(each)
        value = {"total": len(rows), "rows": rows}
        return Encoded(json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n", len(rows), tuple(skipped))


def _rows(entry: Entry) -> Iterator[dict[str, Any] | Skipped]:
    item, imported = entry.item, entry.imported
    if isinstance(item, Note):
        yield Skipped(item.id, "it is a note of no highlight, and an annotation is of a page")
        return
    if item.is_deleted:
        yield Skipped(item.id, "it is in the trash, which the format does not know")
    elif item.kind == "bookmark":
        yield Skipped(item.id, "it is a bookmark, which the format does not know")
    elif imported is not None and imported.format == NAME and imported.record is not None:
        row: dict[str, Any] = copy.deepcopy(dict(imported.record))
        if item.comment != imported.comment:
            row["text"] = item.comment
        if set(item.tags) != set(imported.tags):
            row["tags"] = list(item.tags)
        yield row
    else:
        yield _new(item)
    for note in entry.notes:
        yield Skipped(note.id, "it is a note of a highlight, and an annotation has one text: the comment")


def _new(highlight: Highlight) -> dict[str, Any]:
    anchor = highlight.anchor
    selectors: list[Any] = []
    for each in anchor.opaque:
        if isinstance(each, Mapping) and "type" in each:
            selectors.append({name: value for name, value in each.items() if name != "unit"})
    if anchor.quote is not None:
        texts = {"exact": anchor.quote.exact, "prefix": anchor.quote.prefix, "suffix": anchor.quote.suffix}
        selectors.append({"type": "TextQuoteSelector", **texts})
    uri = anchor.source if anchor.source and ":" in anchor.source else anchor.work_id or anchor.source or ""
    own: dict[str, Any] = {
        "id": highlight.id,
        "color": highlight.color,
        "style": highlight.style,
        "anchor": anchor.to_json(),
    }
    for name, ms in (("createdAt", highlight.created_at_ms), ("updatedAt", highlight.updated_at_ms)):
        own |= {} if 0 <= ms <= _LAST_MS else {name: ms}
    row: dict[str, Any] = {
        "id": highlight.id,
        "created": _time(highlight.created_at_ms),
        "updated": _time(highlight.updated_at_ms),
        "uri": uri,
        "text": highlight.comment,
        "tags": list(highlight.tags),
        "target": [{"source": uri} | ({"selector": selectors} if selectors else {})],
        OWN: own,
    }
    if anchor.work.get("title"):
        row["document"] = {"title": [anchor.work["title"]]}
    if highlight.created_by:
        row["user"] = highlight.created_by
    return row


def _time(ms: int) -> str:
    return iso_from_ms(ms if 0 <= ms <= _LAST_MS else 0)


def _given_time(own: Mapping[str, Any], name: str, text: object) -> int | None:
    ms = own.get(name)
    return ms if isinstance(ms, int) and abs(ms) < 2**53 else ms_from_iso(text)


READER: FormatReader = _Reader()
WRITER: FormatWriter = _Writer()

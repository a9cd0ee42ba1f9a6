"""KOReader's sidecar files, `metadata.epub.lua`: read as data in both schemas, and written in the newer one.

Since 2024 one list, `annotations`, holds highlights and page bookmarks (`frontend/apps/reader/modules/
readerannotation.lua`). Before, `bookmarks` listed both and `highlight` their drawing, by page; there `notes` is the
passage and `text` what the reader wrote, or a line that KOReader made of page and time. A file that has both has been
migrated, and only the newer is read. What KOReader keeps for its other engine (`annotations_paging`,
`annotations_rolling`) is the reader's as well, and comes in.

A sidecar lists what one device has: what another one has is missing from it, and nothing is deleted for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from crdt_sync.document.anchors import Anchor, Quote
from crdt_sync.document.values import Highlight
from crdt_sync.errors import InvalidEdit, UnreadableFile
from crdt_sync.interchange import lua
from crdt_sync.interchange.bounds import read_bytes
from crdt_sync.interchange.colors import KOREADER_COLORS, KOREADER_PALETTE, KOREADER_STYLES
from crdt_sync.interchange.records import Encoded, Entry, Item, Record, Skipped
from crdt_sync.interchange.times import iso_from_ms, ms_from_iso

__all__ = ["READER", "WRITER", "KOReader", "KOReaderWriter", "sidecars"]

POSITION = "KOReaderPosition"
"""The `type` of the foreign selector that holds `page`, `pos0` and `pos1` to the letter."""
MAX_SIDECAR_BYTES = 32 * 1024 * 1024
_LISTS = ("annotations", "annotations_paging", "annotations_rolling")
_PLACES = ("page", "pos0", "pos1")
_LAST_MS = 253_402_300_799_000
"""The end of the year 9999."""


class KOReader:
    """Sidecars of KOReader (`FormatReader`)."""

    name = "koreader"

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether it is a sidecar, by its name, or by keys that only KOReader writes."""
        if not head:
            return path.suffix.lower() == ".sdr" and path.is_dir()
        named = re.fullmatch(r"metadata\..+\.lua(\.old)?|.+\.metadata\.lua", path.name) is not None
        keys = (b'["partial_md5_checksum"]', b'["annotations"]')
        return (named and b"{" in head) or (b"return" in head[:512] and any(key in head for key in keys))

    def read(self, path: Path) -> Iterator[Item]:
        """Yield highlights and page bookmarks. `path` is a sidecar, or the folder `Title.sdr` that holds it."""
        for file in sidecars(path):
            table = lua.loads(read_bytes(file, limit=MAX_SIDECAR_BYTES), file)
            if not isinstance(table, dict):
                raise UnreadableFile(f"{file} holds no table, as KOReader's sidecars do")
            yield from _items(table)


def sidecars(path: Path) -> list[Path]:
    """Return the sidecars that a `.sdr` folder holds, or the file itself. A link in the folder is not followed."""
    if not path.is_dir():
        return [path]
    try:
        found = sorted(each for each in path.glob("metadata.*.lua") if each.is_file() and not each.is_symlink())
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}") from error
    if not found:
        raise UnreadableFile(
            f"{path} is a folder without a sidecar of KOReader; name a file, or a folder that ends in .sdr"
        )
    return found


def _items(table: Mapping[lua.Key, Any]) -> Iterator[Item]:
    work = _work(table)
    newer = [name for name in _LISTS if isinstance(table.get(name), dict)]
    for name in newer:
        for place, entry in enumerate(lua.array(table[name]), 1):
            yield _guarded(entry, work, f"{name}[{place}]")
    if "annotations" not in newer:
        yield from _older(table, work)


def _work(table: Mapping[lua.Key, Any]) -> dict[str, Any]:
    properties: Mapping[lua.Key, Any]
    properties = next((table[name] for name in ("doc_props", "stats") if isinstance(table.get(name), dict)), {})
    work: dict[str, Any] = {}
    if hash_ := _text(table, "partial_md5_checksum"):
        work["hash"] = hash_
    title = _text(properties, "display_title", "title") or _stem(_text(table, "doc_path"))
    if title:
        work["title"] = title
    if authors := _text(properties, "authors"):
        work["author"] = authors
    if isbn := re.search(r"(?im)^\s*(?:urn:)?isbn:([0-9Xx-]{9,17})\s*$", _text(properties, "identifiers")):
        work["isbn"] = isbn[1].replace("-", "").upper()
    return work


def _guarded(entry: Any, work: Mapping[str, Any], where: str) -> Item:
    if not isinstance(entry, dict):
        return Skipped(where, "it is no table, as an annotation is")
    return _record(entry, work, where)


def _record(entry: Mapping[lua.Key, Any], work: Mapping[str, Any], where: str) -> Item:
    """Make a record of an entry in the newer schema."""
    drawer, text = _text(entry, "drawer"), _text(entry, "text")
    marks = bool(drawer) or "pos0" in entry
    place = {name: lua.to_json(entry[name]) for name in _PLACES if name in entry}
    quote = Quote(text) if marks and text else None
    if not place and quote is None:
        return Skipped(where, "it says neither where it stands nor what it marks")
    anchor = Anchor(
        work=work,
        quote=quote,
        opaque=({"type": POSITION, **place},) if place else (),
        heading=_text(entry, "chapter") or None,
        page=_page(entry),
    )
    return Record(
        anchor,
        where,
        kind="highlight" if marks else "bookmark",
        color=KOREADER_COLORS.read(_text(entry, "color")),
        style=KOREADER_STYLES.read(drawer),
        comment=_text(entry, "note"),
        created_at_ms=ms_from_iso(entry.get("datetime")),
        updated_at_ms=ms_from_iso(entry.get("datetime_updated")),
        original=lua.to_json(dict(entry))
        if all(isinstance(key, str) for key in entry)
        else {"lua": lua.to_json(entry)},
    )


def _page(entry: Mapping[lua.Key, Any]) -> str | None:
    """Return what a reader calls the page: the printed number if the book has one, else that of the screen."""
    for name in ("pageref", "pageno", "page"):
        value = entry.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if name == "pageref" and isinstance(value, str) and value:
            return value
    return None


def _older(table: Mapping[lua.Key, Any], work: Mapping[str, Any]) -> Iterator[Item]:
    """Read `bookmarks` and `highlight`: the entry of one passage in each is one record."""
    drawn: dict[tuple[str, str], list[tuple[str, Any, Mapping[lua.Key, Any]]]] = {}
    pages = table.get("highlight")
    for page, entries in pages.items() if isinstance(pages, dict) else ():
        for place, entry in enumerate(lua.array(entries), 1):
            if isinstance(entry, dict):
                found = drawn.setdefault(_passage(entry, page), [])
                found.append((f"highlight[{page}][{place}]", page, entry))
            else:
                yield Skipped(f"highlight[{page}][{place}]", "it is no table, as a highlight is")
    for place, bookmark in enumerate(lua.array(table.get("bookmarks")), 1):
        where = f"bookmarks[{place}]"
        if not isinstance(bookmark, dict):
            yield Skipped(where, "it is no table, as a bookmark is")
            continue
        found = drawn.get(_passage(bookmark, bookmark.get("page")), [])
        highlight = found.pop(0)[2] if found else {}
        yield _record(_migrated(bookmark, highlight), work, where)
    for where, page, entry in chain.from_iterable(drawn.values()):  # before 2014 it had no bookmark beside it
        alone = {**entry, "page": entry.get("pos0", page) if isinstance(entry.get("pos0"), str) else page}
        yield _record({"drawer": "lighten", **alone}, work, where)


def _passage(entry: Mapping[lua.Key, Any], page: Any) -> tuple[str, str]:
    """Return what a bookmark and a highlight of one passage have in common."""
    start = entry.get("pos0")
    return _text(entry, "datetime"), start if isinstance(start, str) else str(page)


def _migrated(bookmark: Mapping[lua.Key, Any], highlight: Mapping[lua.Key, Any]) -> dict[lua.Key, Any]:
    """Return a bookmark and its highlight in the newer schema, as KOReader migrates them."""
    entry = {key: value for key, value in bookmark.items() if key not in ("notes", "text", "highlighted")}
    if passage := _text(bookmark, "notes") or _text(highlight, "text"):
        entry["text"] = passage
    if (note := _text(bookmark, "text")) and not _made_by_koreader(note, bookmark):
        entry["note"] = note
    if bookmark.get("highlighted") or highlight:
        entry["drawer"] = _text(highlight, "drawer") or "lighten"
    for key in ("color", "chapter"):
        if key in highlight:
            entry.setdefault(key, highlight[key])
    return entry


def _made_by_koreader(note: str, bookmark: Mapping[lua.Key, Any]) -> bool:
    """Say whether it is the line `Page 7 the passage @ 2023-04-05 06:07:08`, in whatever language."""
    passage, time = _text(bookmark, "notes"), _text(bookmark, "datetime")
    return bool(time) and note.endswith(f"@ {time}") and passage in note


def _text(entry: Mapping[lua.Key, Any], *names: str) -> str:
    """Return the first of these fields that is text and not empty; numbers are text too."""
    for name in names:
        value = entry.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""


def _stem(path: str) -> str:
    return Path(path.replace("\\", "/")).stem if path and "\0" not in path else ""


class KOReaderWriter:
    """A sidecar of one book (`FormatWriter`). KOReader looks up pages and order itself when it opens the book.

    What came from KOReader goes back as it came, but for the passage, colour, style and comment, which are as they are
    now. What has no place that KOReader could find is left out: it stumbles over an annotation without one.
    """

    name = KOReader.name
    suffix = ".lua"

    def encode(self, entries: Sequence[Entry]) -> Encoded:
        """Return the sidecar. Raises `InvalidEdit` if the entries are of several works."""
        works = {
            each.item.anchor.work_id: each.item.anchor.work for each in entries if isinstance(each.item, Highlight)
        }
        if len(works) > 1:
            raise InvalidEdit(f"a sidecar is about one book; name one of {', '.join(sorted(works)[:5])}")
        lists: dict[str, list[dict[lua.Key, Any]]] = {"annotations_rolling": [], "annotations_paging": []}
        skipped: list[Skipped] = []
        for entry in entries:
            if (reason := _left_out(entry)) is not None:
                skipped.append(Skipped(entry.item.id, reason))
            elif isinstance(entry.item, Highlight):
                value = _entry(entry, entry.item)
                lists["annotations_rolling" if isinstance(value.get("page"), str) else "annotations_paging"].append(
                    value
                )
        work = next(iter(works.values()), {})
        table: dict[str, Any] = {"annotations_externally_modified": True}
        properties = {"title": work.get("title"), "authors": work.get("author")}
        table["doc_props"] = {name: value for name, value in properties.items() if isinstance(value, str)}
        if isinstance(hash_ := work.get("hash"), str):
            table["partial_md5_checksum"] = hash_
        # Places in reflowed and in paged books are of two kinds, which KOReader keeps apart in this way.
        main, other = sorted(lists, key=lambda name: len(lists[name]), reverse=True)
        table["annotations"] = lists[main]
        if lists[other]:
            table[other] = lists[other]
        text = "-- we can read Lua syntax here!\n" + lua.dumps(table)
        return Encoded(text.encode(), sum(map(len, lists.values())), tuple(skipped))


READER, WRITER = KOReader(), KOReaderWriter()


def _left_out(entry: Entry) -> str | None:
    if not isinstance(entry.item, Highlight):
        return "it is a note of no highlight, and KOReader's notes have one"
    if entry.item.is_deleted:
        return "it is in the trash, which KOReader does not know"
    place = _position(entry.item.anchor)
    if not isinstance(place.get("page", place.get("pos0")), str | int):
        return "it does not come from KOReader, which would not find its place in the book"
    return None


def _position(anchor: Anchor) -> Mapping[str, Any]:
    """Return the selector that came from KOReader, or an empty one."""
    ours = (each for each in anchor.opaque if isinstance(each, Mapping) and each.get("type") == POSITION)
    return next(ours, {})


def _entry(entry: Entry, highlight: Highlight) -> dict[lua.Key, Any]:
    came = entry.imported if entry.imported is not None and entry.imported.format == KOReader.name else None
    record = lua.from_json(came.record) if came is not None and came.record is not None else {}
    value: dict[lua.Key, Any] = dict(record.get("lua") or record) if isinstance(record, dict) else {}
    value |= {name: lua.from_json(each) for name, each in _position(highlight.anchor).items() if name in _PLACES}
    value.setdefault("page", value.get("pos0"))
    value.setdefault("datetime", _datetime(highlight.created_at_ms))
    if highlight.anchor.heading is not None:
        value.setdefault("chapter", highlight.anchor.heading)
    if highlight.anchor.quote is not None:
        value["text"] = highlight.anchor.quote.exact
    notes = [highlight.comment, *(note.text for note in entry.notes if not note.is_deleted)]
    value["note"] = "\n\n".join(text for text in notes if text) or None
    if highlight.kind == "highlight":
        # One that KOReader does not know may have come from it all the same, from a newer version or a plugin.
        if came is None or came.style != highlight.style or "drawer" not in value:
            known = highlight.style in KOREADER_STYLES.ours.values()
            value["drawer"] = KOREADER_STYLES.write(highlight.style) if known else "lighten"
        if came is None or came.color != highlight.color or "color" not in value:
            value["color"] = highlight.color if highlight.color in KOREADER_PALETTE else _nearest(highlight.color)
    told = (highlight.color, highlight.style, highlight.comment)
    if came is not None and told != (came.color, came.style, came.comment):
        value["datetime_updated"] = _datetime(highlight.updated_at_ms)
    return value


def _nearest(color: str) -> str:
    return "red" if color == "pink" else "yellow"


def _datetime(ms: int) -> str:
    return iso_from_ms(min(max(ms, 0), _LAST_MS) // 1000 * 1000, separator=" ", zone="")

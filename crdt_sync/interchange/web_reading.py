"""EPUB Annotations 1.0, the W3C Web Annotation Data Model below it, and what Readium and Thorium write before both.

One annotation, a list, an AnnotationSet, an AnnotationPage or the pages that a collection holds are read, as JSON or as
`annotations.json` in the zip of a `.annotations` file; also `.annotation` files in the META-INF of an EPUB.
https://www.w3.org/TR/epub-anno-10/, https://www.w3.org/TR/annotation-model/, https://github.com/readium/annotations
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crdt_sync.document.anchors import Anchor
from crdt_sync.errors import InvalidEdit, UnreadableFile
from crdt_sync.interchange.bounds import opened_zip, parsed_json, read_bytes, read_member
from crdt_sync.interchange.colors import hex_name
from crdt_sync.interchange.identity import is_item_id
from crdt_sync.interchange.records import FormatReader, Item, Record, Skipped
from crdt_sync.interchange.times import ms_from_iso
from crdt_sync.interchange.web_model import NAME, OWN, as_list, read_target, text_of

__all__ = ["READER", "read_annotation", "read_work"]

_NAMED = re.compile(rb'anno\.jsonld|"type"\s*:\s*\[?\s*"Annotation(?:Set|Page|Collection)?"')
_STYLES: Mapping[str, str] = {"solid": "highlight"}
_WORK_KEYS = {"dc:publisher": "publisher", "dc:date": "date", "dc:format": "format"}


class _Reader:
    """Reads all of them under one name, so that one annotation has one identity in whichever it comes."""

    name = NAME

    def recognises(self, path: Path, head: bytes) -> bool:
        if head.startswith(b"PK\x03\x04"):
            return path.suffix.lower() in (".annotations", ".annotation", ".epub")
        return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") and _NAMED.search(head) is not None

    def read(self, path: Path) -> Iterator[Item]:
        for value, where in _documents(path):
            yield from _read_document(value, where)


READER: FormatReader = _Reader()


def _documents(path: Path) -> Iterator[tuple[Any, str]]:
    """Yield the JSON documents of a file, and what to put before a place in each."""
    data = read_bytes(path)
    if not data.startswith(b"PK\x03\x04"):
        yield parsed_json(data, path), ""
        return
    with opened_zip(path) as archive:
        names = [name for name in archive.namelist() if name == "annotations.json"] or [
            name for name in archive.namelist() if re.fullmatch(r"META-INF/[^/]+\.annotations?", name)
        ]
        if not names:
            raise UnreadableFile(f"{path} holds no annotations: there is no annotations.json in it")
        for name in names:
            yield parsed_json(read_member(archive, name), f"{name} in {path}"), "" if len(names) == 1 else f"{name}: "


def _read_document(value: Any, where: str) -> Iterator[Item]:
    if isinstance(value, list):
        yield from _read_items(value, {}, {}, where)
        return
    if not isinstance(value, Mapping):
        raise UnreadableFile("the file holds no annotations: it is neither a JSON object nor a list")
    kinds = as_list(value.get("type"))
    own = value.get(OWN) if isinstance(value.get(OWN), Mapping) else {}
    assert isinstance(own, Mapping)
    work = read_work(value.get("about"), own)
    if "Annotation" in kinds or ("target" in value and "items" not in value):
        yield from _read_items([value], work, own, where, alone=True)
    elif "AnnotationCollection" in kinds:
        for number, page in enumerate(as_list(value.get("first"))):
            if isinstance(page, Mapping):
                yield from _read_page(page, work, own, f"{where}first[{number}].")
            else:
                yield Skipped(f"{where}first", f"the page {str(page)[:200]} is not in the file; nothing is fetched")
    elif isinstance(value.get("items"), list):
        yield from _read_page(value, work, own, where)
    else:
        raise UnreadableFile("the file holds no annotations: there are no items, and it is none itself")


def _read_page(page: Mapping[str, Any], work: Mapping[str, Any], own: Mapping[str, Any], where: str) -> Iterator[Item]:
    yield from _read_items(as_list(page.get("items")), work, own, f"{where}items")
    if "next" in page:
        yield Skipped(f"{where}next", "the file goes on in a page that is not in it; nothing is fetched")


def _read_items(
    items: list[Any], work: Mapping[str, Any], own: Mapping[str, Any], where: str, *, alone: bool = False
) -> Iterator[Item]:
    for number, item in enumerate(items):
        yield read_annotation(item, work, "the annotation" if alone else f"{where}[{number}]")


def read_work(about: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what names a work, from an `about` (section "Annotation Set"); an ISBN is the id if there is one."""
    if isinstance(own.get("work"), Mapping):
        return dict(own["work"])
    if not isinstance(about, Mapping):
        return {}
    work: dict[str, Any] = {}
    identifiers = [each for each in as_list(about.get("dc:identifier")) if isinstance(each, str) and each]
    if identifiers:
        work["id"] = next((each for each in identifiers if "isbn" in each.lower()), identifiers[0])
        work["identifiers"] = identifiers
    if title := text_of(about.get("dc:title")):
        work["title"] = title
    if authors := [name for each in as_list(about.get("dc:creator")) if (name := text_of(each))]:
        work["author"] = ", ".join(authors)
        work |= {"authors": authors} if len(authors) > 1 else {}
    for name, ours in _WORK_KEYS.items():
        if text := ", ".join(filter(None, map(text_of, as_list(about.get(name))))):
            work[ours] = text
    return work


def read_annotation(item: Any, work: Mapping[str, Any], where: str) -> Item:
    """Return the record of one annotation of a work, or why it cannot be one."""
    if not isinstance(item, Mapping) or "target" not in item:
        return Skipped(where, "it is no annotation: it has no target")
    targets = as_list(item["target"])
    target = targets[0] if targets else None
    if isinstance(target, str):
        target = {"source": target}
    if not isinstance(target, Mapping):
        return Skipped(where, "its target names nothing that could be annotated")
    motivations = as_list(item.get("motivation"))
    if "replying" in motivations:
        return Skipped(where, "it is a reply to another annotation, and a library has no replies")
    own = item[OWN] if isinstance(item.get(OWN), Mapping) else {}
    body = _read_body(item)
    try:
        anchor = _read_anchor(target, work, own)
    except InvalidEdit as error:
        return Skipped(where, str(error))
    note = own.get("note") if isinstance(own.get("note"), Mapping) else None
    foreign_id = item["id"] if isinstance(item.get("id"), str) and item["id"] else None
    created, modified = ms_from_iso(item.get("created")), ms_from_iso(item.get("modified"))
    return Record(
        anchor=None if note is not None else anchor,
        where=where,
        kind="bookmark" if "bookmarking" in motivations else "highlight",
        color=_own_text(own, "color", body.color),
        style=_own_text(own, "style", body.style),
        tags=body.tags,
        comment=body.text,
        title=text_of(note.get("title")) if note is not None else "",
        created_at_ms=_own_time(own, "createdAt", created),
        updated_at_ms=_own_time(own, "updatedAt", modified),
        creator=_own_text(own, "createdBy", _creator(item.get("creator"))),
        foreign_id=foreign_id,
        item_id=_item_id(own, foreign_id),
        note_of=note["of"] if note is not None and is_item_id(note.get("of")) else None,
        original=dict(item),
    )


@dataclass(frozen=True, slots=True)
class _Body:
    text: str
    color: str
    style: str
    tags: tuple[str, ...]


def _read_body(item: Mapping[str, Any]) -> _Body:
    """Bodies are one in EPUB Annotations; the Web's may be several, texts and tags (`purpose: tagging`)."""
    texts: list[str] = []
    tags: list[str] = []
    color, style = "yellow", "highlight"
    for body in as_list(item.get("body")) or as_list(item.get("bodyValue")):
        if isinstance(body, str):
            texts.append(body if "bodyValue" in item else "")  # in `body` a text is the address of one
            continue
        if not isinstance(body, Mapping):
            continue
        if "tagging" in as_list(body.get("purpose")):
            tags.append(text_of(body.get("value")))
            continue
        texts.append(text_of(body.get("value")))
        for name in ("tags", "tag", "keyword"):
            tags += [text_of(each) for each in as_list(body.get(name))]
        if isinstance(body.get("color"), str) and body["color"]:
            color = hex_name(body["color"])
        if isinstance(body.get("highlight"), str) and body["highlight"]:
            style = _STYLES.get(body["highlight"], body["highlight"])
    return _Body("\n\n".join(filter(None, texts)), color, style, tuple(tag for tag in dict.fromkeys(tags) if tag))


def _read_anchor(target: Mapping[str, Any], work: Mapping[str, Any], own: Mapping[str, Any]) -> Anchor:
    if isinstance(own.get("anchor"), Mapping):
        return Anchor.from_json(own["anchor"])
    return read_target(target, work)


def _creator(value: Any) -> str:
    for each in as_list(value):
        if isinstance(each, str):
            return each
        if isinstance(each, Mapping):
            return text_of(each.get("name")) or text_of(each.get("id"))
    return ""


def _item_id(own: Mapping[str, Any], foreign_id: str | None) -> str | None:
    """A UUID is an item's id for whoever made it; other ids may be used twice."""
    if is_item_id(own.get("id")):
        return str(own["id"])
    scheme, _, digits = (foreign_id or "").rpartition(":")
    if scheme.lower() != "urn:uuid":
        return None
    try:
        return str(uuid.UUID(digits)) if len(digits) == 36 else None
    except ValueError:
        return None


def _own_text(own: Mapping[str, Any], name: str, otherwise: str) -> str:
    return str(own[name]) if isinstance(own.get(name), str) else otherwise


def _own_time(own: Mapping[str, Any], name: str, otherwise: int | None) -> int | None:
    return int(own[name]) if isinstance(own.get(name), int) and abs(own[name]) < 2**53 else otherwise

"""Writes EPUB Annotations 1.0. What came from such a file goes out as it stood, but for what a person has changed.

What the format has no word for stands under the key `crdtSync`, which other programs pass over: the item's id, the
exact colour, style and times, a note's title. The model says that it may be extended in this way.
"""

from __future__ import annotations

import copy
import io
import json
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.imported import Imported
from crdt_sync.document.values import Highlight, Note
from crdt_sync.errors import InvalidEdit
from crdt_sync.interchange.identity import NAMESPACE
from crdt_sync.interchange.records import Encoded, Entry, FormatWriter, Skipped
from crdt_sync.interchange.times import iso_from_ms
from crdt_sync.interchange.web_model import NAME, OWN, as_list, read_target, write_target
from crdt_sync.interchange.web_reading import read_annotation

__all__ = ["CONTEXT", "JSON_WRITER", "ZIP_WRITER", "annotation_set"]

CONTEXT = "https://www.w3.org/ns/epub-anno.jsonld"
COLORS = ("pink", "orange", "yellow", "green", "blue", "purple")
NEAREST = {"red": "pink", "cyan": "blue", "olive": "green", "gray": "yellow"}
STYLES = {"highlight": "solid", "underline": "underline", "strikethrough": "strikethrough", "outline": "outline"}
_TIME_RANGE = range(-62_135_596_800_000, 253_402_300_800_000)
"""Milliseconds from the year 1 to 9999, which ISO 8601 can tell."""


class _JsonWriter:
    """An AnnotationSet as JSON."""

    name = "epub-json"
    suffix = ".json"

    def encode(self, entries: Sequence[Entry]) -> Encoded:
        """Return the set. Raises `InvalidEdit` if the entries are of several works: a set is about one."""
        value, items, skipped = annotation_set(entries)
        return Encoded(json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n", items, tuple(skipped))


class _ZipWriter:
    """A detached AnnotationSet: a zip with `annotations.json`."""

    name = NAME
    suffix = ".annotations"

    def encode(self, entries: Sequence[Entry]) -> Encoded:
        """Return the archive. Raises `InvalidEdit` if the entries are of several works: a set is about one."""
        encoded = _JsonWriter().encode(entries)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo("annotations.json"), encoded.data, zipfile.ZIP_DEFLATED)
        return replace(encoded, data=buffer.getvalue())


JSON_WRITER: FormatWriter = _JsonWriter()
ZIP_WRITER: FormatWriter = _ZipWriter()


def annotation_set(entries: Sequence[Entry]) -> tuple[dict[str, Any], int, list[Skipped]]:
    """Return an AnnotationSet, how many annotations are in it, and what was left out."""
    works = {each.item.anchor.work_id: each.item.anchor.work for each in entries if isinstance(each.item, Highlight)}
    if len(works) > 1:
        names = ", ".join(sorted(works)[:5])
        raise InvalidEdit(f"an annotation set is about one work; name one with work= or --work: {names}")
    work = dict(next(iter(works.values()), {}))
    items: list[dict[str, Any]] = []
    skipped: list[Skipped] = []
    for entry in entries:
        for each in _annotations(entry, work):
            skipped.append(each) if isinstance(each, Skipped) else items.append(each)
    return (
        {
            "@context": CONTEXT,
            "id": f"urn:uuid:{uuid.uuid5(NAMESPACE, next(iter(works), ''))}",
            "type": "AnnotationSet",
            "generator": {"id": "urn:crdt-sync", "type": "Software", "name": "crdt-sync"},
            "about": _about(work),
            OWN: {"work": work},
            "items": items,
        },
        len(items),
        skipped,
    )


def _annotations(entry: Entry, work: Mapping[str, Any]) -> Iterator[dict[str, Any] | Skipped]:
    highlight = entry.item
    if isinstance(highlight, Note):
        yield Skipped(highlight.id, "it is a note of no highlight, and an annotation has a target")
        return
    if highlight.is_deleted:
        yield Skipped(highlight.id, "it is in the trash, which the format does not know")
    else:
        record = entry.imported.record if entry.imported is not None and entry.imported.format == NAME else None
        if record is not None and entry.imported is not None:
            yield _again(highlight, entry.imported, record)
        else:
            yield _new(highlight, work)
    for note in entry.notes:
        if highlight.is_deleted or note.is_deleted:
            yield Skipped(note.id, "it, or its highlight, is in the trash, which the format does not know")
        else:
            yield _of_note(note, highlight, work)


def _new(highlight: Highlight, work: Mapping[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {"id": highlight.id}
    if highlight.color not in COLORS:
        own["color"] = highlight.color
    if highlight.style not in STYLES:
        own["style"] = highlight.style
    motivation = (
        "bookmarking" if highlight.kind == "bookmark" else "commenting" if highlight.comment else "highlighting"
    )
    value = {"@context": CONTEXT, **_head(highlight, own), "motivation": motivation}
    value["target"] = _target(highlight.anchor, work, own)
    value["body"] = _body(highlight.comment, highlight.tags) | _look(highlight.color, highlight.style)
    return {**value, OWN: own}


def _of_note(note: Note, highlight: Highlight, work: Mapping[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {"id": note.id, "note": {"of": highlight.id, "title": note.title}}
    value = {"@context": CONTEXT, **_head(note, own), "motivation": "commenting"}
    value["target"] = _target(highlight.anchor, work, own)
    return {**value, "body": _body(note.text, note.tags), OWN: own}


def _again(highlight: Highlight, imported: Imported, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotation as it came, with what a person has changed since."""
    value: dict[str, Any] = copy.deepcopy(dict(record))
    came = read_annotation(record, {}, "")
    anchor = None if isinstance(came, Skipped) else came.anchor
    if anchor is not None and replace(anchor, work={}) != replace(highlight.anchor, work={}):
        own: dict[str, Any] = dict(value.get(OWN) or {})
        value["target"] = _target(highlight.anchor, highlight.anchor.work, own)
        value |= {OWN: own} if own else {}
    bodies = [dict(each) for each in as_list(value.get("body")) if isinstance(each, Mapping)]
    textual = next((each for each in bodies if "tagging" not in as_list(each.get("purpose"))), None)
    changed: dict[str, Any] = {}
    if highlight.comment != imported.comment:
        changed["value"] = highlight.comment
    if set(highlight.tags) != set(imported.tags):
        bodies = [each for each in bodies if "tagging" not in as_list(each.get("purpose"))]
        changed["tags"] = list(highlight.tags)
        for name in ("tag", "keyword"):
            (textual or {}).pop(name, None)
    own = dict(value.get(OWN) or {})
    if highlight.color != imported.color:
        changed["color"] = _color(highlight.color)
        own.pop("color", None)
        own |= {} if highlight.color in COLORS else {"color": highlight.color}
    if highlight.style != imported.style:
        changed["highlight"] = STYLES.get(highlight.style, "solid")
        own.pop("style", None)
        own |= {} if highlight.style in STYLES else {"style": highlight.style}
    if changed:
        if "value" in changed:  # several texts were one comment here
            bodies = [each for each in bodies if each is textual or "tagging" in as_list(each.get("purpose"))]
            value.pop("bodyValue", None)
        if textual is None:
            textual = {"type": "TextualBody", "value": highlight.comment}
            bodies.insert(0, textual)
        textual |= changed
        value["body"] = bodies[0] if len(bodies) == 1 else bodies
        value["modified"] = _time(highlight.updated_at_ms)
        own |= {"updatedAt": highlight.updated_at_ms} if "updatedAt" in own else {}
    if own:
        value[OWN] = own
    return value


def _head(item: Highlight | Note, own: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = {"id": _urn(item.id), "type": "Annotation", "created": _time(item.created_at_ms)}
    if item.updated_at_ms != item.created_at_ms:
        value["modified"] = _time(item.updated_at_ms)
    for name, ms in (("createdAt", item.created_at_ms), ("updatedAt", item.updated_at_ms)):
        if ms not in _TIME_RANGE:
            own[name] = ms
    if item.created_by:
        identity = uuid.uuid5(NAMESPACE, f"person {item.created_by}")
        value["creator"] = {"id": f"urn:uuid:{identity}", "type": "Person", "name": item.created_by}
    return value


def _target(anchor: Anchor, work: Mapping[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the target, and put the whole anchor into `own` if the target alone would not give it back."""
    target = write_target(anchor)
    own.pop("anchor", None)
    if read_target(target, work) != anchor:
        own["anchor"] = anchor.to_json()
    return target


def _body(text: str, tags: Sequence[str]) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "TextualBody", "value": text, "format": "text/plain"}
    return value | ({"tags": list(tags)} if tags else {})


def _look(color: str, style: str) -> dict[str, Any]:
    return {"color": _color(color), "highlight": STYLES.get(style, "solid")}


def _color(color: str) -> str:
    return color if color in COLORS else NEAREST.get(color, "yellow")


def _about(work: Mapping[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    identifiers = [each for each in as_list(work.get("identifiers")) if isinstance(each, str)]
    identifiers = identifiers or [str(work[name]) for name in ("id", "hash") if work.get(name)]
    if identifiers:
        value["dc:identifier"] = identifiers
    for name, ours in (("dc:title", "title"), ("dc:format", "format"), ("dc:publisher", "publisher")):
        if isinstance(work.get(ours), str):
            value[name] = work[ours]
    if authors := as_list(work.get("authors", work.get("author"))):
        value["dc:creator"] = authors
    if isinstance(work.get("date"), str):
        value["dc:date"] = work["date"]
    return value


def _time(ms: int) -> str:
    return iso_from_ms(ms if ms in _TIME_RANGE else 0)


def _urn(item_id: str) -> str:
    """Return an id as a URL; `crdtSync` has it as it is."""
    try:
        return f"urn:uuid:{uuid.UUID(item_id)}"
    except ValueError:
        return f"urn:uuid:{uuid.uuid5(NAMESPACE, f'item {item_id}')}"

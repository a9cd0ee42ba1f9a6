"""What a foreign file said of an item: a layer of its own under the fields, so that an import never resets a person.

Two devices that import one file while apart write the same values. Were these fields, one device's import could win
over what a person on the other had changed since: of two concurrent values of a key the Yjs client ids decide, and the
older of the two may be the later one. So an import writes no field. What it says stands in the item's immutable value,
and once the file says something else, whole, in `<id>/imported`; a field that a person has set hides what it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crdt_sync.document import schema
from crdt_sync.document.anchors import Anchor

__all__ = ["MAX_RECORD_BYTES", "Imported", "said", "tags_said", "whole"]

MAX_RECORD_BYTES = 16 * 1024
"""A foreign record of more bytes, as JSON, is not kept: a document is whole on every device and never forgets."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file of `format` said of an item when it last said anything new. `id` is the one that it has there.

    `record_json` is the foreign record as it stood there, as one text of JSON, which a document carries more lightly
    than many values; None where there is none to keep. `anchor` is there if the file came to say another than the one
    that the item was made with.
    """

    format: str
    id: str | None = None
    color: str = ""
    style: str = ""
    comment: str = ""
    title: str = ""
    tags: tuple[str, ...] = ()
    updated_at_ms: int | None = None
    trashed: bool = False
    record_json: str | None = None
    anchor: Anchor | None = None
    words: str = ""
    """Of a note: 16 hexadecimal digits of the SHA-256 of its text, which stands in `<id>/body` until it is edited."""

    @property
    def record(self) -> Mapping[str, Any] | None:
        """The foreign record, or None if there is none that can be read."""
        try:
            value = None if self.record_json is None else json.loads(self.record_json)
        except (ValueError, RecursionError):  # somebody else wrote it
            return None
        return value if isinstance(value, dict) else None

    def text(self, name: str) -> str:
        """Return what it says of the field of this name in the document."""
        texts = {
            schema.COLOR: self.color,
            schema.STYLE: self.style,
            schema.COMMENT: self.comment,
            schema.TITLE: self.title,
        }
        return texts.get(name, "")

    def to_json(self) -> dict[str, Any]:
        """Return the value that stands in the document."""
        value: dict[str, Any] = {"format": self.format}
        for name, given in (
            ("id", self.id),
            ("color", self.color),
            ("style", self.style),
            ("comment", self.comment),
            ("title", self.title),
            ("words", self.words),
            ("tags", list(self.tags)),
        ):
            if given:
                value[name] = given
        if self.updated_at_ms is not None:
            value["updatedAt"] = self.updated_at_ms
        if self.trashed:
            value["trashed"] = True
        if self.record_json is not None:
            value["record"] = self.record_json
        if self.anchor is not None:
            value["anchor"] = self.anchor.to_json()
        return value

    @classmethod
    def from_json(cls, value: Any) -> Imported | None:
        """Read what stands in a document, leniently; what is none is None."""
        if not isinstance(value, Mapping) or not isinstance(value.get("format"), str):
            return None
        texts = {name: value.get(name) for name in ("color", "style", "comment", "title", "words")}
        tags, at, record, anchor = (value.get(name) for name in ("tags", "updatedAt", "record", "anchor"))
        return cls(
            format=value["format"],
            id=value["id"] if isinstance(value.get("id"), str) else None,
            **{name: text for name, text in texts.items() if isinstance(text, str)},
            tags=_tags(tags),
            updated_at_ms=at if isinstance(at, int) and not isinstance(at, bool) else None,
            trashed=value.get("trashed") is True,
            record_json=record if isinstance(record, str) else None,
            anchor=Anchor.from_json(anchor) if isinstance(anchor, Mapping) else None,
        )


def said(made: Any, later: Any) -> Imported | None:
    """Return what a file says of an item: `later`, what stands in `<id>/imported`, or else what `made` has."""
    if later is None and isinstance(made, Mapping):
        later = made.get(schema.IMPORTED)
    return None if later is None else Imported.from_json(whole(later))


def tags_said(made: Any, later: Any) -> tuple[str, ...]:
    """Return the tags that a file gives an item, without reading the rest of what it says."""
    value = later
    if later is None and isinstance(made, Mapping):
        value = made.get(schema.IMPORTED)
    if not isinstance(value, Mapping) or not isinstance(value.get("format"), str):
        return ()
    return _tags(value.get("tags"))


def _tags(value: Any) -> tuple[str, ...]:
    return tuple(tag for tag in value if isinstance(tag, str) and tag) if isinstance(value, list) else ()


def whole(value: Any) -> Any:
    """Yjs numbers come back as floats; give integers back as they were."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return value

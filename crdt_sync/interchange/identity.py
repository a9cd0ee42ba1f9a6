"""The ids of imported items: they follow from what is imported, so that two devices which import apart make one item.

An id that a record has in its own format is taken for its identity there. Without one it is the work, the place and
the quote: two highlights on one page stay two.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable

from crdt_sync.document.anchors import Anchor
from crdt_sync.interchange.records import Record

__all__ = ["NAMESPACE", "Identities", "is_item_id"]

NAMESPACE = uuid.UUID("8f0f7a52-43f0-5a6c-9d0c-9c1b7c8b0a61")
"""The namespace of the ids of imported items (RFC 9562, UUIDv5). It never changes, or an import would make twins."""


class Identities:
    """Gives the records of one file their ids. `known` says whether the library has an item of an id."""

    def __init__(self, format_name: str, known: Callable[[str], bool]) -> None:
        self._format = format_name
        self._known = known
        self._seen: Counter[str] = Counter()

    def of(self, record: Record) -> str:
        """Return the id of a record: the one that it had in a library, or one that follows from it.

        Records of one file that are the same in all that makes an identity are told apart by their order.
        """
        if record.item_id is not None:
            return self._ours(record.item_id)
        key = json.dumps(self._key(record), ensure_ascii=True, sort_keys=True)
        number = self._seen[key]
        self._seen[key] += 1
        return str(uuid.uuid5(NAMESPACE, key if not number else f"{key}{number}"))

    def _key(self, record: Record) -> list[object]:
        anchor = record.anchor
        if record.foreign_id is not None:
            return [self._format, "" if anchor is None else anchor.work_id, record.foreign_id]
        if anchor is None:
            return ["note", self._format, record.title, record.comment]
        return [record.kind, anchor.work_id, *_place(anchor), anchor.quote.exact if anchor.quote else ""]

    def _ours(self, item_id: str) -> str:
        """Return the library's own spelling: an id of hexadecimal digits comes back from a URN with hyphens."""
        plain = item_id.replace("-", "")
        return plain if not self._known(item_id) and len(plain) == 32 and self._known(plain) else item_id


def is_item_id(text: object) -> bool:
    """Say whether a text may be an item's id."""
    return isinstance(text, str) and 0 < len(text) <= 200 and "/" not in text and len(text.encode()) <= 200


def _place(anchor: Anchor) -> list[object]:
    """Return what says where in the work it is; a heading or a progression changes with the reader's software."""
    position = None if anchor.position is None else [anchor.position.start, anchor.position.end]
    return [anchor.source or "", position, list(anchor.opaque)]

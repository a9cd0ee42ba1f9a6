"""What a library holds, as values: frozen, and a copy of what the document said at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from crdt_sync.document.anchors import Anchor, Shared

__all__ = ["HIGHLIGHT_KINDS", "Collection", "Highlight", "HighlightKind", "Note"]

HighlightKind: TypeAlias = Literal["highlight", "bookmark"]
HIGHLIGHT_KINDS: tuple[HighlightKind, ...] = ("highlight", "bookmark")


@dataclass(frozen=True, slots=True)
class Highlight:
    """A marked passage, or a bookmark. Times are milliseconds since 1970 and for display; no merge looks at them."""

    id: str
    anchor: Anchor
    color: str
    style: str
    tags: tuple[str, ...]
    comment: str
    created_at_ms: int
    created_by: str
    updated_at_ms: int
    deleted_at_ms: int | None = None
    kind: HighlightKind = "highlight"

    @property
    def is_deleted(self) -> bool:
        """True while it is in the trash."""
        return self.deleted_at_ms is not None

    @property
    def shared(self) -> Shared | None:
        """Of what this is a copy, and who shared it; None if it is no copy."""
        return self.anchor.shared


@dataclass(frozen=True, slots=True)
class Note:
    """A note, of a highlight or free. `text` is its body as plain text, a line for each paragraph."""

    id: str
    highlight_id: str | None
    title: str
    text: str
    tags: tuple[str, ...]
    created_at_ms: int
    created_by: str
    updated_at_ms: int
    deleted_at_ms: int | None = None

    @property
    def is_deleted(self) -> bool:
        """True while it is in the trash."""
        return self.deleted_at_ms is not None


@dataclass(frozen=True, slots=True)
class Collection:
    """Highlights and notes that a reader has put together, in an order. An item may be in several."""

    id: str
    title: str
    created_at_ms: int
    created_by: str
    updated_at_ms: int
    deleted_at_ms: int | None = None

    @property
    def is_deleted(self) -> bool:
        """True while it is in the trash."""
        return self.deleted_at_ms is not None

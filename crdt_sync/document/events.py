"""What changed in a library."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Change", "ChangeKind", "ItemKind"]


class ItemKind(Enum):
    """What an item is."""

    HIGHLIGHT = "highlight"
    NOTE = "note"
    COLLECTION = "collection"


class ChangeKind(Enum):
    """What happened to an item."""

    ADDED = "added"
    EDITED = "edited"
    TRASHED = "trashed"
    RESTORED = "restored"
    PURGED = "purged"


@dataclass(frozen=True, slots=True)
class Change:
    """One item changed. `here` is True for an edit of this process.

    `unsaved_edit` is True if another device trashed or purged what was edited on this device and had not reached the
    relay: the person who edited it should be asked whether to restore it.
    """

    item_id: str
    item: ItemKind
    kind: ChangeKind
    here: bool
    unsaved_edit: bool = False

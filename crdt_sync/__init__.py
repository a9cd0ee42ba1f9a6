"""A local-first CRDT sync engine for reading highlights and notes."""

from crdt_sync.document import Anchor, Change, ChangeKind, Highlight, ItemKind, Note, Position, Quote
from crdt_sync.errors import CrdtSyncError
from crdt_sync.feeds import Status
from crdt_sync.library import Library, open_library
from crdt_sync.sync.loop import State

__all__ = [
    "Anchor",
    "Change",
    "ChangeKind",
    "CrdtSyncError",
    "Highlight",
    "ItemKind",
    "Library",
    "Note",
    "Position",
    "Quote",
    "State",
    "Status",
    "open_library",
]

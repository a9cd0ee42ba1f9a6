"""What a library is: the names in the document, its values, edits and events, and the document itself."""

from crdt_sync.document.anchors import Anchor, Position, Quote, Shared
from crdt_sync.document.edits import (
    AddHighlight,
    AddNote,
    Adopt,
    AppendToNote,
    CopyHighlight,
    Edit,
    EditHighlight,
    EditNote,
    ImportItem,
    Purge,
    Restore,
    Trash,
)
from crdt_sync.document.events import Change, ChangeKind, ItemKind
from crdt_sync.document.imported import Imported
from crdt_sync.document.importing import ImportOutcome, Verdict
from crdt_sync.document.values import Highlight, Note

__all__ = [
    "AddHighlight",
    "AddNote",
    "Adopt",
    "Anchor",
    "AppendToNote",
    "Change",
    "ChangeKind",
    "CopyHighlight",
    "Edit",
    "EditHighlight",
    "EditNote",
    "Highlight",
    "ImportItem",
    "ImportOutcome",
    "Imported",
    "ItemKind",
    "Note",
    "Position",
    "Purge",
    "Quote",
    "Restore",
    "Shared",
    "Trash",
    "Verdict",
]

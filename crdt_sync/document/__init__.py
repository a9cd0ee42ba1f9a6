"""What a library is: the names in the document, its values, edits and events, and the document itself."""

from crdt_sync.document.anchors import Anchor, Position, Quote, Shared
from crdt_sync.document.edits import (
    AddCollection,
    AddHighlight,
    AddNote,
    AddToCollection,
    Adopt,
    AppendToNote,
    CopyHighlight,
    Edit,
    EditCollection,
    EditHighlight,
    EditNote,
    EditNoteBody,
    Purge,
    RemoveFromCollection,
    Restore,
    SetNoteBody,
    Trash,
)
from crdt_sync.document.events import Change, ChangeKind, ItemKind
from crdt_sync.document.values import Collection, Highlight, Note

__all__ = [
    "AddCollection",
    "AddHighlight",
    "AddNote",
    "AddToCollection",
    "Adopt",
    "Anchor",
    "AppendToNote",
    "Change",
    "ChangeKind",
    "Collection",
    "CopyHighlight",
    "Edit",
    "EditCollection",
    "EditHighlight",
    "EditNote",
    "EditNoteBody",
    "Highlight",
    "ItemKind",
    "Note",
    "Position",
    "Purge",
    "Quote",
    "RemoveFromCollection",
    "Restore",
    "SetNoteBody",
    "Shared",
    "Trash",
]

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
    ImportItem,
    Purge,
    Reanchor,
    RemoveFromCollection,
    Restore,
    SetNoteBody,
    Trash,
)
from crdt_sync.document.events import Change, ChangeKind, ItemKind
from crdt_sync.document.imported import Imported
from crdt_sync.document.importing import ImportOutcome
from crdt_sync.document.offsets import Offsets
from crdt_sync.document.resolution import Candidate, FoundBy, Resolution, Verdict
from crdt_sync.document.resolving import Text
from crdt_sync.document.values import Collection, Highlight, Note
from crdt_sync.document.verses import VerseRange, VerseReference, osis_source, place_key

__all__ = [
    "AddCollection",
    "AddHighlight",
    "AddNote",
    "AddToCollection",
    "Adopt",
    "Anchor",
    "AppendToNote",
    "Candidate",
    "Change",
    "ChangeKind",
    "Collection",
    "CopyHighlight",
    "Edit",
    "EditCollection",
    "EditHighlight",
    "EditNote",
    "EditNoteBody",
    "FoundBy",
    "Highlight",
    "ImportItem",
    "ImportOutcome",
    "Imported",
    "ItemKind",
    "Note",
    "Offsets",
    "Position",
    "Purge",
    "Quote",
    "Reanchor",
    "RemoveFromCollection",
    "Resolution",
    "Restore",
    "SetNoteBody",
    "Shared",
    "Text",
    "Trash",
    "Verdict",
    "VerseRange",
    "VerseReference",
    "osis_source",
    "place_key",
]

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
    Purge,
    Reanchor,
    Restore,
    Trash,
)
from crdt_sync.document.events import Change, ChangeKind, ItemKind
from crdt_sync.document.offsets import Offsets
from crdt_sync.document.resolution import Candidate, FoundBy, Resolution, Verdict
from crdt_sync.document.resolving import Text
from crdt_sync.document.values import Highlight, Note
from crdt_sync.document.verses import VerseRange, VerseReference, osis_source, place_key

__all__ = [
    "AddHighlight",
    "AddNote",
    "Adopt",
    "Anchor",
    "AppendToNote",
    "Candidate",
    "Change",
    "ChangeKind",
    "CopyHighlight",
    "Edit",
    "EditHighlight",
    "EditNote",
    "FoundBy",
    "Highlight",
    "ItemKind",
    "Note",
    "Offsets",
    "Position",
    "Purge",
    "Quote",
    "Reanchor",
    "Resolution",
    "Restore",
    "Shared",
    "Text",
    "Trash",
    "Verdict",
    "VerseRange",
    "VerseReference",
    "osis_source",
    "place_key",
]

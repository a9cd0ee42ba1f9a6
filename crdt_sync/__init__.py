"""A local-first CRDT sync engine for reading highlights and notes.

A name is imported when it is first asked for: who needs the protocol or the errors alone, as the relay does, pays for
no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from crdt_sync.errors import CrdtSyncError

if TYPE_CHECKING:
    from crdt_sync.document import (
        Anchor,
        Change,
        ChangeKind,
        Highlight,
        ItemKind,
        Note,
        Offsets,
        Position,
        Quote,
        Resolution,
        Text,
        Verdict,
        VerseRange,
    )
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
    "Offsets",
    "Position",
    "Quote",
    "Resolution",
    "State",
    "Status",
    "Text",
    "Verdict",
    "VerseRange",
    "open_library",
]

_HOMES = {
    "Anchor": "document",
    "Change": "document",
    "ChangeKind": "document",
    "Highlight": "document",
    "ItemKind": "document",
    "Library": "library",
    "Note": "document",
    "Offsets": "document",
    "Position": "document",
    "Quote": "document",
    "Resolution": "document",
    "State": "sync.loop",
    "Status": "feeds",
    "Text": "document",
    "Verdict": "document",
    "VerseRange": "document",
    "open_library": "library",
}

if not TYPE_CHECKING:  # or a type checker would believe that every name is here

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value  # so that it is asked for once
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

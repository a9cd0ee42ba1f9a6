"""What a reader of a foreign format yields, and a writer takes: the same for all formats.

A reader knows its format and nothing of libraries; what a library does with a record is the business of the importer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.imported import Imported
from crdt_sync.document.values import Highlight, HighlightKind, Note

__all__ = ["Encoded", "Entry", "FormatReader", "FormatWriter", "Item", "Record", "Skipped"]


@dataclass(frozen=True, slots=True)
class Record:
    """One highlight, bookmark or note of a foreign file.

    A highlight or bookmark has an `anchor`; what its maker wrote about it is `comment`, plain text. A note that stands
    alone has none; its words are `comment` too, and `title` may be given. `where` says where in the file it stood, for
    a person (`line 12`, `annotations[3]`). `foreign_id` is the id it has in its own format, if that has ids; `original`
    is the whole record as JSON values, so that an export to the same format gives back what we have no field for.

    `creator` is who made it, as a file names them. In a file that was written from a library, `item_id` is the id that
    the item had there, and `note_of` that of the highlight whose note it is.

    Times are milliseconds since 1970, None where the file says none. A time that the file gives without a zone is taken
    as UTC, so that two devices in two zones read one record.
    """

    anchor: Anchor | None
    where: str
    kind: HighlightKind = "highlight"
    color: str = "yellow"
    style: str = "highlight"
    tags: tuple[str, ...] = ()
    comment: str = ""
    title: str = ""
    created_at_ms: int | None = None
    updated_at_ms: int | None = None
    trashed: bool = False
    creator: str = ""
    foreign_id: str | None = None
    item_id: str | None = None
    note_of: str | None = None
    original: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that cannot come in: where it stands, and why, in words that a reader understands."""

    where: str
    reason: str


Item: TypeAlias = Record | Skipped


class FormatReader(Protocol):
    """One foreign format. Adapters hold no state: one object may read many files."""

    name: str
    """What the command line calls the format, like `kindle`."""

    def recognises(self, path: Path, head: bytes) -> bool:
        """Say whether a file is probably of this format, by its name and its first 64 KiB. It raises nothing."""
        ...

    def read(self, path: Path) -> Iterator[Item]:
        """Yield the file's records, in its order, without holding a large file in memory where the format allows.

        A bad record is a `Skipped` and the rest goes on. Raises `UnreadableFile` where the file as a whole is none of
        this format, is too large, nested too deeply, or dangerous to read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a library, to be written into a foreign file.

    `imported` is what a file said of it the last time that it was imported. Where it came from the same format,
    `imported.record` is the foreign record: what a person has not changed since stays as it was there. A highlight
    comes with its `notes`; a note comes as an entry of its own only if its highlight is not there.
    """

    item: Highlight | Note
    imported: Imported | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """A foreign file, not yet written: its bytes, how many items are in it, and which were left out, and why.

    `where` of a `Skipped` is the item's id.
    """

    data: bytes
    items: int
    skipped: tuple[Skipped, ...] = ()


class FormatWriter(Protocol):
    """Writes one foreign format. Adapters hold no state, and touch no file."""

    name: str
    """What the command line calls the format."""
    suffix: str
    """How a file of it ends, like `.json`."""

    def encode(self, entries: Sequence[Entry]) -> Encoded:
        """Return the file for these entries. It is the same for the same entries: no clock goes in."""
        ...

"""The edits of a library, as values. An edit that changes nothing writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.imported import Imported
from crdt_sync.document.rich.values import Blocks
from crdt_sync.document.values import Highlight, HighlightKind, Note

__all__ = [
    "AddCollection",
    "AddHighlight",
    "AddNote",
    "AddToCollection",
    "Adopt",
    "AppendToNote",
    "CopyHighlight",
    "Edit",
    "EditCollection",
    "EditHighlight",
    "EditNote",
    "EditNoteBody",
    "ImportItem",
    "Purge",
    "Reanchor",
    "RemoveFromCollection",
    "Restore",
    "SetNoteBody",
    "Trash",
]


@dataclass(frozen=True, slots=True)
class AddHighlight:
    """Mark a passage or set a bookmark. `id` is made if it is None; an import gives one, made from the passage."""

    anchor: Anchor
    color: str = "yellow"
    style: str = "highlight"
    tags: tuple[str, ...] = ()
    comment: str = ""
    id: str | None = None
    kind: HighlightKind = "highlight"


@dataclass(frozen=True, slots=True)
class EditHighlight:
    """Change some fields of a highlight; what is None stays."""

    id: str
    color: str | None = None
    style: str | None = None
    comment: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reanchor:
    """Say where a highlight stands now: in a text that has changed, or in another edition of it.

    The first anchor stays in the document as it was made; the newer one stands beside it and is the one that is read.
    """

    id: str
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class AddNote:
    """Write a note, of a highlight or free. `text` has a paragraph on each line, or is Markdown."""

    text: str = ""
    title: str = ""
    highlight_id: str | None = None
    tags: tuple[str, ...] = ()
    id: str | None = None
    markdown: bool = False


@dataclass(frozen=True, slots=True)
class EditNote:
    """Change a note's title or tags; what is None stays."""

    id: str
    title: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppendToNote:
    """Add paragraphs at the end of a note, one for each line of `text`."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class EditNoteBody:
    """Make a note's body what `markdown` says, by changing what differs and nothing else.

    `base` is the Markdown that was edited, as `Library.note_markdown` gave it: the edit is what leads from it to
    `markdown`, and what others wrote since then is kept. Without a base it is what the body says now. What Markdown has
    no words for stays where nothing was changed.
    """

    id: str
    markdown: str
    base: str | None = None


@dataclass(frozen=True, slots=True)
class SetNoteBody:
    """Make a note's body just these blocks, with all that is in them, by changing what differs and nothing else."""

    id: str
    body: Blocks


@dataclass(frozen=True, slots=True)
class Trash:
    """Move a highlight or note to the trash. What other devices write into it meanwhile is kept."""

    id: str


@dataclass(frozen=True, slots=True)
class Restore:
    """Take a highlight or note out of the trash."""

    id: str


@dataclass(frozen=True, slots=True)
class Purge:
    """Destroy a highlight or note. It is the one edit that can lose what another device writes at the same time."""

    id: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Write an item, with the id and times that it has, which stood outside the document. One that is there stays.

    A note's text becomes a plain field and not its body: should the body come back from elsewhere, nothing is doubled.
    """

    item: Highlight | Note

    @property
    def id(self) -> str:
        """The item's id."""
        return self.item.id


@dataclass(frozen=True, slots=True)
class CopyHighlight:
    """Write a copy of a highlight of another library, once: one that is there stays as it is, in the trash too.

    With `update` one that is there takes over the anchor, colour and style, where they differ. `anchor` says whose copy
    of what it is (`Anchor.shared`), and `id` follows from that, so that two devices which copy apart make one.
    """

    id: str
    anchor: Anchor
    color: str = "yellow"
    style: str = "highlight"
    update: bool = False


@dataclass(frozen=True, slots=True)
class ImportItem:
    """Write what a foreign file says of an item; a note has no anchor, and its words are `text`.

    It writes no field that a person sets: what the file says shows where nobody has said otherwise (`Imported`). An
    item that is there, in the trash too, is changed only where the file says something else than it did the last time;
    with `own`, the file was written from this library, and an item that no import made is left as it is. No clock goes
    in, so that two devices which import apart write the same: `created_at_ms` is the file's, 0 where it says none.
    """

    id: str
    imported: Imported
    anchor: Anchor | None = None
    text: str = ""
    highlight_id: str | None = None
    kind: HighlightKind = "highlight"
    created_at_ms: int = 0
    created_by: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class AddCollection:
    """Begin a collection, with these highlights and notes in this order."""

    title: str
    item_ids: tuple[str, ...] = ()
    id: str | None = None


@dataclass(frozen=True, slots=True)
class EditCollection:
    """Change a collection's title; what is None stays."""

    id: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class AddToCollection:
    """Put highlights and notes into a collection, in this order; those that are in it are moved.

    They come before the item `before`, or at the end. One that is at its place already is not written.
    """

    id: str
    item_ids: tuple[str, ...]
    before: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveFromCollection:
    """Take highlights and notes out of a collection. They themselves stay."""

    id: str
    item_ids: tuple[str, ...]


Edit: TypeAlias = (
    AddCollection
    | EditCollection
    | AddToCollection
    | RemoveFromCollection
    | AddHighlight
    | EditHighlight
    | Reanchor
    | AddNote
    | EditNote
    | AppendToNote
    | EditNoteBody
    | SetNoteBody
    | Trash
    | Restore
    | Purge
    | Adopt
    | CopyHighlight
    | ImportItem
)

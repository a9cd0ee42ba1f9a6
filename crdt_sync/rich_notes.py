"""Notes as Markdown and HTML, and edits of them: a part of `Library`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from crdt_sync.document import EditNoteBody
from crdt_sync.document.rich import Blocks, render_html, render_markdown
from crdt_sync.storage.store import LibraryStore
from crdt_sync.worker import Worker

__all__ = ["RichNotes"]


class RichNotes:
    """What `Library` has for the bodies of notes. Each raises `NotFound` if there is no such note."""

    _worker: Worker
    _store: LibraryStore
    edit: Callable[..., Awaitable[tuple[str, ...]]]

    async def note_body(self, note_id: str) -> Blocks:
        """Return a note's body as a tree, with all that is in it (`crdt_sync.document.rich`)."""
        return await self._worker.call(self._store.body, note_id)

    async def note_markdown(self, note_id: str) -> str:
        """Return a note's body as Markdown, to be read and edited. What Markdown has no words for is left out."""
        return render_markdown(await self.note_body(note_id))

    async def note_html(self, note_id: str) -> str:
        """Return a note's body as HTML that is safe to show, whoever wrote it."""
        return render_html(await self.note_body(note_id))

    async def edit_note(self, note_id: str, markdown: str, *, base: str | None = None) -> None:
        """Make a note's body what `markdown` says; only what differs is changed.

        `base` is the Markdown that was edited: what others wrote into the note since `note_markdown` gave it is kept.
        Raises `InvalidEdit` if there is too much of it, or Quill keeps the body.
        """
        await self.edit(EditNoteBody(note_id, markdown, base))

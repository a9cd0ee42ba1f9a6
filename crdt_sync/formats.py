"""Foreign files come in and go out: the part of `Library` that talks to other programs' formats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio.from_thread
import anyio.to_thread

from crdt_sync import foreign
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.foreign import Written
from crdt_sync.interchange import bundle, markdown
from crdt_sync.interchange.importing import Conflict, ImportReport
from crdt_sync.interchange.records import Encoded, Skipped
from crdt_sync.interchange.registry import reader_for, writer_for
from crdt_sync.storage.store import Applied, LibraryStore
from crdt_sync.storage.whole_files import check_free, write_whole
from crdt_sync.worker import Worker

__all__ = ["Conflict", "Encoded", "Formats", "ImportReport", "Skipped", "Written"]


class Formats:
    """What `Library` has for foreign formats (docs/formats.md)."""

    _worker: Worker
    _store: LibraryStore
    _applied: Callable[[Applied], Awaitable[None]]

    async def import_file(
        self,
        path: str | Path,
        format: str | None = None,  # noqa: A002  # what it is called everywhere
        *,
        dry_run: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> ImportReport:
        """Take a foreign file in, all or nothing, as one edit; return what came of it. Twice changes nothing.

        `format` is recognised if it is None. What a person has changed stays, in the trash too, and nothing is deleted
        because a file lacks it. `progress` is called now and then, on the event loop, with the number of records read.
        With `dry_run` nothing is written.

        Raises `UnreadableFile` if the file cannot be read, `InvalidEdit` if there is no such format, and what `edit`
        raises.
        """
        path = Path(path)
        reader = await anyio.to_thread.run_sync(reader_for, path, format)

        def tell(count: int) -> None:
            if progress is not None:
                anyio.from_thread.run_sync(progress, count)

        read = await anyio.to_thread.run_sync(foreign.read, reader, path, tell)
        applied, report = await self._worker.call(foreign.take, self._store, read, dry_run)
        await self._applied(applied)
        return report

    async def export_file(
        self,
        path: str | Path,
        format: str,  # noqa: A002
        *,
        work: str | None = None,
        replace: bool = False,
    ) -> Written:
        """Write the library, or one work of it, into a file of a foreign format; return what was written.

        A file that is there is written over only with `replace`; a folder of Markdown is brought up to date. What is
        in the trash goes along where the format can say so.

        Raises `InvalidEdit` if there is no such format, `StorageError` if something is there already, and `OSError`.
        """
        path = Path(path)
        if format == markdown.NAME:
            entries = await self._worker.call(foreign.entries, self._store, work)
            return await anyio.to_thread.run_sync(foreign.save_folder, entries, path)
        if not replace:
            await anyio.to_thread.run_sync(check_free, path)
        encoded = await self.encode(format, work=work)
        await anyio.to_thread.run_sync(partial(write_whole, path, encoded.data, replace=replace))
        return Written((path,), encoded.items, encoded.skipped)

    async def encode(self, format: str, *, work: str | None = None) -> Encoded:  # noqa: A002
        """Return what `export_file` would write, for a format that is one file. Raises `InvalidEdit`."""
        if format == bundle.NAME:
            contents = await self._worker.call(self._store.look, LibraryDocument.contents)
            return await anyio.to_thread.run_sync(bundle.encoded, contents, work)
        writer = writer_for(format)
        entries = await self._worker.call(foreign.entries, self._store, work)
        return await anyio.to_thread.run_sync(writer.encode, entries)

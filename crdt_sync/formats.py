"""Foreign files come in and go out: the part of `Library` that talks to other programs' formats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from dataclasses import replace as with_values
from functools import partial
from pathlib import Path

import anyio.from_thread
import anyio.to_thread

from crdt_sync.document.edits import EditHighlight
from crdt_sync.document.importing import ImportOutcome, Verdict
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.document.values import Highlight, Note
from crdt_sync.errors import StorageError
from crdt_sync.interchange import bundle, markdown
from crdt_sync.interchange.importing import Conflict, ImportReport, ReadFile, edits_of, read_file, report_of
from crdt_sync.interchange.markdown import Found, files_of, found_in, render, take_edit
from crdt_sync.interchange.records import Encoded, Entry, Skipped
from crdt_sync.interchange.registry import reader_for, writer_for
from crdt_sync.storage.store import Applied, LibraryStore
from crdt_sync.storage.whole_files import check_free, write_whole
from crdt_sync.worker import Worker

__all__ = ["Conflict", "Encoded", "Formats", "ImportReport", "Skipped", "Written"]


@dataclass(frozen=True, slots=True)
class Written:
    """What an export wrote: the files, how many items are in them, and what was left out or left as it stood, and why.

    `where` of a `Skipped` is an item's id, or the file and line of what a person has changed there.
    """

    files: tuple[Path, ...]
    items: int
    skipped: tuple[Skipped, ...] = ()


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
        if reader.name == bundle.NAME:
            return await self._import_bundle(path, dry_run)
        if reader.name == markdown.NAME:
            found = await anyio.to_thread.run_sync(lambda: list(found_in(path)))
            applied, report = await self._worker.call(self._import_markdown, found, dry_run)
            await self._applied(applied)
            return report

        def tell(count: int) -> None:
            if progress is not None:
                anyio.from_thread.run_sync(progress, count)

        read = await anyio.to_thread.run_sync(read_file, reader, path, tell)
        applied, report = await self._worker.call(self._import, read, dry_run)
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
            entries = await self._worker.call(self._entries, work)
            return await anyio.to_thread.run_sync(_save_folder, entries, path)
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
        entries = await self._worker.call(self._entries, work)
        return await anyio.to_thread.run_sync(writer.encode, entries)

    # Inside, on the worker's thread

    def _import(self, read: ReadFile, dry_run: bool) -> tuple[Applied, ImportReport]:
        edits, where, skipped, bare = edits_of(read, self._has)
        if dry_run:
            applied, outcomes = Applied(), self._store.judge_import(edits)
        else:
            applied, outcomes = self._store.import_items(edits)
        report = report_of(read, edits, where, outcomes)
        report = with_values(report, skipped=(*report.skipped, *skipped), without_original=bare, dry_run=dry_run)
        return applied, report

    async def _import_bundle(self, path: Path, dry_run: bool) -> ImportReport:
        contents = await anyio.to_thread.run_sync(bundle.load, path)

        def take() -> tuple[Applied, ImportReport]:
            new, there = self._store.look(partial(bundle.new_items, contents))
            applied = Applied() if dry_run else self._store.take_contents(contents)
            return applied, ImportReport(bundle.NAME, tuple(new), there=tuple(there), dry_run=dry_run)

        applied, report = await self._worker.call(take)
        await self._applied(applied)
        return report

    def _import_markdown(self, found: list[Found | Skipped], dry_run: bool) -> tuple[Applied, ImportReport]:
        """A person's changes in our blocks become edits; blocks of items that are not here become items."""
        kept = [each for each in found if isinstance(each, Found)]
        items = self._store.query(lambda read: {each.block.id: read.item(each.block.id) for each in kept})
        new = [each.record for each in kept if items[each.block.id] is None]
        read = ReadFile(markdown.NAME, tuple(new), tuple(each for each in found if isinstance(each, Skipped)))
        imports, where, skipped, _ = edits_of(read, self._has)
        changes: list[EditHighlight] = []
        there: list[str] = []
        for each in kept:
            if (item := items[each.block.id]) is None:
                continue
            asked = take_edit(each, item, each.work)
            if isinstance(asked, str):
                skipped.append(Skipped(each.record.where, asked))
            changes += [asked] if isinstance(asked, EditHighlight) else []
            there += [] if isinstance(asked, EditHighlight) else [item.id]
        applied = Applied() if dry_run else self._store.edit(*imports, *changes)
        report = report_of(read, imports, where, (ImportOutcome(Verdict.ADDED),) * len(imports))
        changed = tuple(each.id for each in changes)
        return applied, with_values(
            report, changed=changed, there=tuple(there), skipped=(*report.skipped, *skipped), dry_run=dry_run
        )

    def _has(self, item_id: str) -> bool:
        return self._store.query(lambda read: read.item(item_id)) is not None

    def _entries(self, work: str | None) -> list[Entry]:
        marks, notes = self._store.query(
            lambda read: (
                [*read.highlights(work=work), *read.highlights(work=work, trashed=True)],
                [*read.notes(), *read.notes(trashed=True)],
            )
        )
        return self._store.look(lambda document: entries_of(document, marks, notes, of_one_work=work is not None))


def entries_of(
    document: LibraryDocument, highlights: list[Highlight], notes: list[Note], *, of_one_work: bool
) -> list[Entry]:
    """Put highlights together with their notes and with what files said of them; free notes follow."""
    notes_of: dict[str, list[Note]] = {highlight.id: [] for highlight in highlights}
    free: list[Note] = []
    for note in sorted(notes, key=lambda note: (note.created_at_ms, note.id)):
        notes_of.get(note.highlight_id or "", free).append(note)
    with document.reading():
        entries = [Entry(each, document.imported(each.id), tuple(notes_of[each.id])) for each in highlights]
        return entries + ([] if of_one_work else [Entry(note, document.imported(note.id)) for note in free])


def _save_folder(entries: list[Entry], folder: Path) -> Written:
    """Bring a folder of Markdown up to date. A file that changes while this is done is left for the next time."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder} is a file, and Markdown goes into a folder; name another one")
    existing: dict[str, str] = {}
    skipped: list[Skipped] = []
    for name, file in files_of(folder) if folder.exists() else ():
        try:
            existing[name] = file.read_bytes().decode()
        except UnicodeDecodeError:
            skipped.append(Skipped(name, "it is not text in UTF-8, and was left as it is"))
            existing[name] = ""  # its name is taken
    rendered = render(entries, existing)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, text in rendered.files.items():
        path = folder / name
        if name in existing and path.read_bytes() != existing[name].encode():
            skipped.append(Skipped(name, "somebody has just changed it; export again"))
            continue
        write_whole(path, text.encode(), replace=name in existing)
        written.append(path)
    return Written(tuple(written), rendered.items, (*rendered.skipped, *skipped))

"""Between a library's file and foreign ones: what is read goes into the store, and what a writer needs comes out.

All of it runs on the library's own thread, but for `read` and `save_folder`, which touch foreign files alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from crdt_sync.document.contents import Contents
from crdt_sync.document.edits import EditHighlight
from crdt_sync.document.importing import ImportOutcome, Verdict
from crdt_sync.document.values import Highlight, Note
from crdt_sync.errors import StorageError
from crdt_sync.interchange import bundle, markdown
from crdt_sync.interchange.importing import ImportReport, ReadFile, edits_of, read_file, report_of
from crdt_sync.interchange.markdown import Found, files_of, found_in, render, take_edit
from crdt_sync.interchange.records import Entry, FormatReader, Skipped
from crdt_sync.storage.store import Applied, LibraryStore
from crdt_sync.storage.whole_files import write_whole

__all__ = ["Written", "entries", "read", "save_folder", "take"]

_Read: TypeAlias = ReadFile | Contents | list[Found | Skipped]


@dataclass(frozen=True, slots=True)
class Written:
    """What an export wrote: the files, how many items are in them, and what was left out or left as it stood, and why.

    `where` of a `Skipped` is an item's id, or the file and line of what a person has changed there.
    """

    files: tuple[Path, ...]
    items: int
    skipped: tuple[Skipped, ...] = ()


def read(reader: FormatReader, path: Path, progress: Callable[[int], None] | None = None) -> _Read:
    """Read a foreign file whole. Raises `UnreadableFile`."""
    if reader.name == bundle.NAME:
        return bundle.load(path)
    if reader.name == markdown.NAME:
        return list(found_in(path))
    return read_file(reader, path, progress)


def take(store: LibraryStore, found: _Read, dry_run: bool = False) -> tuple[Applied, ImportReport]:
    """Write what was read into a library, all or nothing, unless it is a `dry_run`; say what came of it."""
    if isinstance(found, Contents):
        return _take_bundle(store, found, dry_run)
    if isinstance(found, list):
        return _take_markdown(store, found, dry_run)
    edits, where, skipped, bare = edits_of(found, partial(_has, store))
    if dry_run:
        applied, outcomes = Applied(), store.judge_import(edits)
    else:
        applied, outcomes = store.import_items(edits)
    report = report_of(found, edits, where, outcomes)
    return applied, replace(report, skipped=(*report.skipped, *skipped), without_original=bare, dry_run=dry_run)


def entries(store: LibraryStore, work: str | None = None) -> list[Entry]:
    """Return what a library holds, or one work of it, in the order of the text; free notes follow."""
    highlights, notes = store.query(
        lambda read: (
            [*read.highlights(work=work), *read.highlights(work=work, trashed=True)],
            [*read.notes(), *read.notes(trashed=True)],
        )
    )
    notes_of: dict[str, list[Note]] = {highlight.id: [] for highlight in highlights}
    free: list[Note] = []
    for note in sorted(notes, key=lambda note: (note.created_at_ms, note.id)):
        notes_of.get(note.highlight_id or "", free).append(note)
    items: list[Highlight | Note] = [*highlights, *(free if work is None else ())]
    imported = store.look(lambda document: document.imported_of(item.id for item in items))
    pairs = zip(items, imported, strict=True)
    return [Entry(item, said, tuple(notes_of.get(item.id, ()))) for item, said in pairs]


def _take_bundle(store: LibraryStore, contents: Contents, dry_run: bool) -> tuple[Applied, ImportReport]:
    new, there = store.look(partial(bundle.new_items, contents))
    applied = Applied() if dry_run else store.take_contents(contents)
    return applied, ImportReport(bundle.NAME, tuple(new), there=tuple(there), dry_run=dry_run)


def _take_markdown(store: LibraryStore, found: list[Found | Skipped], dry_run: bool) -> tuple[Applied, ImportReport]:
    """A person's changes in our blocks become edits; blocks of items that are not here become items."""
    kept = [each for each in found if isinstance(each, Found)]
    items = store.query(lambda read: {each.block.id: read.item(each.block.id) for each in kept})
    new = tuple(each.record for each in kept if items[each.block.id] is None)
    file = ReadFile(markdown.NAME, new, tuple(each for each in found if isinstance(each, Skipped)))
    imports, where, skipped, _ = edits_of(file, partial(_has, store))
    changes: dict[str, EditHighlight] = {}
    there: list[str] = []
    for each in kept:
        if (item := items[each.block.id]) is None:
            continue
        asked = take_edit(each, item, each.work)
        if isinstance(asked, EditHighlight) and asked.id not in changes:
            changes[asked.id] = asked
            continue
        if asked is not None:
            reason = asked if isinstance(asked, str) else "another block of the same item was changed too"
            skipped.append(Skipped(each.record.where, reason))
        there.append(item.id)
    applied = Applied() if dry_run else store.edit(*imports, *changes.values())
    report = report_of(file, imports, where, (ImportOutcome(Verdict.ADDED),) * len(imports))
    return applied, replace(
        report,
        changed=tuple(changes),
        there=tuple(there),
        skipped=(*report.skipped, *skipped),
        dry_run=dry_run,
    )


def _has(store: LibraryStore, item_id: str) -> bool:
    return store.query(lambda read: read.item(item_id)) is not None


def save_folder(shelf: list[Entry], folder: Path) -> Written:
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
    rendered = render(shelf, existing)
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

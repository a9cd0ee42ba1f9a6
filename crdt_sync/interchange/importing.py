"""From a foreign file to edits: recognises the format, reads it whole, gives every record its id and its values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.edits import ImportItem
from crdt_sync.document.imported import MAX_RECORD_BYTES, Imported
from crdt_sync.document.importing import ImportOutcome, Verdict
from crdt_sync.errors import InvalidEdit
from crdt_sync.interchange.bounds import checked
from crdt_sync.interchange.identity import Identities
from crdt_sync.interchange.records import FormatReader, Record, Skipped

__all__ = ["Conflict", "ImportReport", "ReadFile", "edits_of", "read_file", "report_of"]

Progress = Callable[[int], None]
TELL_EVERY = 500


@dataclass(frozen=True, slots=True)
class Conflict:
    """An item that the file changed and a person had changed too: what the person said stays. `where` is in the file.

    `fields` are names of the document, `tags` and `trash`.
    """

    item_id: str
    where: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What the import of a file came to: ids of items that are new, were changed, and were there as the file has them.

    `skipped` says which records did not come in, where they stand and why. `conflicts` are the changes of the file
    that gave way to a person's. `without_original` counts records that came in and are too large to be kept as they
    stood. `dry_run` is True if nothing was written.
    """

    format: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    without_original: int = 0
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A foreign file, read whole: its records, and what could not be one."""

    format: str
    records: tuple[Record, ...]
    skipped: tuple[Skipped, ...]


def read_file(reader: FormatReader, path: Path, progress: Progress | None = None) -> ReadFile:
    """Read all records of a file; `progress` is told how many there were so far. Raises `UnreadableFile`."""
    records: list[Record] = []
    skipped: list[Skipped] = []
    for item in checked(reader.read(path), path):
        skipped.append(item) if isinstance(item, Skipped) else records.append(item)
        if progress is not None and len(records) % TELL_EVERY == 0 and isinstance(item, Record):
            progress(len(records))
    if progress is not None:
        progress(len(records))
    return ReadFile(reader.name, tuple(records), tuple(skipped))


def edits_of(read: ReadFile, known: Callable[[str], bool]) -> tuple[list[ImportItem], list[str], list[Skipped], int]:
    """Return the edits for the records, where each stood, what had to be skipped, and how many have no original.

    `known` says whether the library has an item of an id. A record that stands twice in the file is taken once.
    """
    identities = Identities(read.format, known)
    edits: dict[str, ImportItem] = {}
    where: dict[str, str] = {}
    skipped: list[Skipped] = []
    bare = 0
    for record in read.records:
        try:
            edit = _edit(identities.of(record), record, read.format)
        except (InvalidEdit, ValueError) as error:
            skipped.append(Skipped(record.where, str(error)))
            continue
        if edit.id in edits:
            skipped.append(Skipped(record.where, f"it has the id of what stands at {where[edit.id]}"))
            continue
        bare += bool(record.original) and edit.imported.record_json is None
        edits[edit.id], where[edit.id] = edit, record.where
    return list(edits.values()), list(where.values()), skipped, bare


def report_of(
    read: ReadFile, edits: list[ImportItem], where: list[str], outcomes: tuple[ImportOutcome, ...]
) -> ImportReport:
    """Put together what came of each edit."""
    by_verdict: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    conflicts = []
    for edit, place, outcome in zip(edits, where, outcomes, strict=True):
        by_verdict[outcome.verdict].append(edit.id)
        if outcome.kept:
            conflicts.append(Conflict(edit.id, place, outcome.kept))
    return ImportReport(
        read.format,
        tuple(by_verdict[Verdict.ADDED]),
        tuple(by_verdict[Verdict.CHANGED]),
        tuple(by_verdict[Verdict.THERE]),
        read.skipped,
        tuple(conflicts),
    )


def _edit(item_id: str, record: Record, format_name: str) -> ImportItem:
    anchor = None if record.anchor is None else Anchor.from_json(_plain(record.anchor.to_json()))
    return ImportItem(
        item_id,
        Imported(
            format=format_name,
            id=record.foreign_id or None,
            color=record.color if anchor else "",
            style=record.style if anchor else "",
            comment=record.comment if anchor else "",
            title="" if anchor else record.title,
            tags=tuple(dict.fromkeys(tag for tag in record.tags if tag)),
            updated_at_ms=record.updated_at_ms if record.updated_at_ms is not None else record.created_at_ms,
            trashed=record.trashed,
            record_json=_kept(record.original),
        ),
        anchor=anchor,
        text="" if anchor else record.comment,
        highlight_id=None if anchor else record.note_of,
        kind=record.kind,
        created_at_ms=record.created_at_ms or 0,
        created_by=record.creator,
        own=record.item_id is not None,
    )


def _kept(original: Mapping[str, Any]) -> str | None:
    """Return the foreign record as JSON, or None if there is none or it is too large to be kept."""
    text = json.dumps(original, ensure_ascii=False, separators=(",", ":")) if original else ""
    return text if 0 < len(text.encode()) <= MAX_RECORD_BYTES else None


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, ensure_ascii=False))

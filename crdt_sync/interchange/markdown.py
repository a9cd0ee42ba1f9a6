"""A folder of Markdown for Obsidian, one file for each work, that a person writes in too.

A second export brings our blocks up to date and leaves everything else as it is, to the letter. A block that a person
has changed is not written over; one that they took out stays out. Import takes the changed comments and tags in.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crdt_sync.document.edits import EditHighlight
from crdt_sync.document.values import Highlight, HighlightKind, Note
from crdt_sync.errors import InvalidEdit, UnreadableFile
from crdt_sync.interchange.bounds import read_head, read_text
from crdt_sync.interchange.markdown_blocks import (
    Block,
    Part,
    anchor_of,
    block_of,
    file_line,
    join,
    parse,
    read_file_line,
    words_of,
)
from crdt_sync.interchange.records import Entry, FormatReader, Item, Record, Skipped

__all__ = ["NAME", "READER", "Found", "Rendered", "files_of", "found_in", "render", "take_edit"]

NAME = "markdown"
MAX_FILES = 10_000
NOTES = "Notes"
_RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{digit}" for name in ("com", "lpt") for digit in range(1, 10))}


@dataclass(slots=True)
class Rendered:
    """The files to write, by their path in the folder, how many items they hold, and what was left as it stood."""

    files: dict[str, str] = field(default_factory=dict)
    items: int = 0
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """One block of a file that was read: where it stands, the work of its file, and the record that it makes."""

    block: Block
    work: Mapping[str, Any]
    record: Record


# Out


def render(entries: Sequence[Entry], existing: Mapping[str, str]) -> Rendered:
    """Return what has to be written so that a folder with the files `existing` shows these entries."""
    rendered = Rendered()
    ours: dict[str, str] = {}
    for name in sorted(existing):
        line = read_file_line(parse(existing[name]))
        if line is not None:
            ours.setdefault(_work_key(line[1]), name)
    taken = {name.casefold() for name in existing}
    for work, items in _by_work(entries):
        at = ours.get(_work_key(work))
        if at is None and all(item.is_deleted for item in items):
            continue
        name = at or _free_name(work, taken)
        taken.add(name.casefold())
        updated = _update(name, existing[name] if at else _new_file(work), work, items, rendered)
        if updated != existing.get(name):
            rendered.files[name] = updated
    return rendered


def _by_work(entries: Sequence[Entry]) -> Iterator[tuple[Mapping[str, Any], list[Highlight | Note]]]:
    works: dict[str, tuple[Mapping[str, Any], list[Highlight | Note]]] = {}
    for entry in entries:
        work = entry.item.anchor.work if isinstance(entry.item, Highlight) else {}
        _, items = works.setdefault(_work_key(work), (work, []))
        items += [entry.item, *entry.notes]
    yield from works.values()


def _update(
    name: str, text: str, work: Mapping[str, Any], items: Sequence[Highlight | Note], rendered: Rendered
) -> str:
    parts = parse(text)
    line = read_file_line(parts)
    assert line is not None
    at, work, known = line
    ending = "\r" if str(parts[at]).endswith("\r") else ""
    wanted = {item.id: item for item in items}
    there = {part.id for part in parts if isinstance(part, Block)}
    new: dict[str | None, list[Block]] = {}  # by the block that they follow, None for the first ones
    previous: str | None = None
    for item in items:
        if item.id in there:
            previous = item.id
        elif item.is_deleted:
            continue
        elif _short(item.id) in known:
            rendered.skipped.append(Skipped(item.id, f"its block was taken out of {name}, and stays out"))
            continue
        else:
            new.setdefault(previous, []).append(replace(block_of(item, work), ending=ending))
        rendered.items += not item.is_deleted
        (known.discard if item.is_deleted else known.add)(_short(item.id))
    updated: list[Part] = []
    for number, part in enumerate(parts):
        kept: Part | None = part
        if number == at:
            kept = file_line(work, known) + ending
        elif isinstance(part, Block) and part.id in wanted:
            item = wanted[part.id]
            kept = _renewed(part, block_of(item, work), item, f"{name}: line {part.line}", rendered)
        updated += [] if kept is None else [kept]
        follows = part.id if isinstance(part, Block) else None
        if number == at or follows is not None:
            for block in new.pop(follows, ()):
                updated += [ending, block]
    return join(updated)


def _renewed(old: Block, new: Block, item: Highlight | Note, where: str, rendered: Rendered) -> Block | None:
    """Return what comes in the place of a block: itself if a person has changed it, nothing if the item is trashed."""
    if old.is_edited and (item.is_deleted or old.inner != new.inner):
        rendered.skipped.append(
            Skipped(where, "somebody has changed this block; import the file, or undo the change, to have it renewed")
        )
        return old
    return None if item.is_deleted else replace(new, ending=old.ending)


def _new_file(work: Mapping[str, Any]) -> str:
    title = _title(work)
    known = [name for name in ("title", "author") if name in work]
    front = [f"{name}: {json.dumps(str(work[name]), ensure_ascii=False)}" for name in known]
    head = ["---", *front, "source: crdt-sync", "---", "", f"# {title}", "", file_line(work, set()), ""]
    return "\n".join(head)


def _title(work: Mapping[str, Any]) -> str:
    text = str(next((work[name] for name in ("title", "id", "hash") if work.get(name)), NOTES))
    return " ".join(text.split()) or NOTES


def _free_name(work: Mapping[str, Any], taken: set[str]) -> str:
    """Return a name that every system takes, and that stays inside the folder."""
    name = re.sub(r'[\x00-\x1f\x7f\\/:*?"<>|#^\[\]]+', " ", _title(work))
    name = " ".join(name.split())[:80].strip(" .") or NOTES
    if name.casefold().partition(".")[0] in _RESERVED:
        name = f"{name} "[:-1] + "_"
    if f"{name}.md".casefold() in taken:
        name = f"{name} {hashlib.sha256(_work_key(work).encode()).hexdigest()[:8]}"
    return f"{name}.md"


def _work_key(work: Mapping[str, Any]) -> str:
    return next((str(work[key]) for key in ("id", "hash", "title") if work.get(key)), "")


def _short(item_id: str) -> str:
    return hashlib.sha256(item_id.encode()).hexdigest()[:12]


# In


def files_of(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the Markdown files of a folder, those below it too, or the one file that `path` is, by their names."""
    if not path.is_dir():
        yield path.name, path
        return
    count = 0
    for each in sorted(path.rglob("*.md")):
        relative = each.relative_to(path)
        if any(part.startswith(".") for part in relative.parts) or not each.is_file():
            continue
        count += 1
        if count > MAX_FILES:
            raise UnreadableFile(f"{path} has more than {MAX_FILES:,} Markdown files; name a folder with less")
        yield relative.as_posix(), each


def found_in(path: Path) -> Iterator[Found | Skipped]:
    """Yield our blocks in a file or folder. Raises `UnreadableFile` if there are none of our files."""
    any_of_ours = False
    for name, file in files_of(path):
        try:
            parts = parse(read_text(file))
        except UnreadableFile as error:
            yield Skipped(name, str(error))
            continue
        line = read_file_line(parts)
        if line is None:
            continue
        any_of_ours = True
        for part in parts:
            if isinstance(part, Block):
                yield _found(part, line[1], f"{name}: line {part.line}")
    if not any_of_ours:
        raise UnreadableFile(f"{path} has no Markdown that crdt-sync wrote; other Markdown cannot be imported")


def take_edit(found: Found, item: Highlight | Note, work: Mapping[str, Any]) -> EditHighlight | str | None:
    """Return the edit that a person's change of a block asks for, None if it asks for none, or why it cannot be made.

    If the block would be written now with the hash that it has, nothing has changed in the library since it was.
    """
    block, current = found.block, block_of(item, work)
    if not block.is_edited or block.inner == current.inner:
        return None
    quote, tags, text = words_of(block)
    if isinstance(item, Note):
        return "a note is changed in the library and not here; the change was left out"
    if quote != words_of(current)[0]:
        return "a quote is what the book says and cannot be changed; undo that to have the rest taken in"
    if text == item.comment and set(tags) == set(item.tags):
        return None
    if current.hash != block.hash:
        return "it was changed here and in the library; the library's comment stays"
    add, remove = (tuple(sorted(each)) for each in ({*tags} - {*item.tags}, {*item.tags} - {*tags}))
    return EditHighlight(item.id, comment=text, add_tags=add, remove_tags=remove)


def _found(block: Block, work: Mapping[str, Any], where: str) -> Found | Skipped:
    quote, tags, text = words_of(block)
    facts = block.facts
    note = facts.get("note")
    kind: HighlightKind = "bookmark" if facts.get("kind") == "bookmark" else "highlight"
    try:
        anchor = None if isinstance(note, Mapping) else anchor_of(block, quote, work)
    except InvalidEdit as error:
        return Skipped(where, str(error))
    record = Record(
        anchor=anchor,
        where=where,
        kind=kind,
        color=_text(facts, "color", "yellow"),
        style=_text(facts, "style", "highlight"),
        tags=tags,
        comment=text,
        title=_text(note, "title") if isinstance(note, Mapping) else "",
        created_at_ms=_time(facts, "created"),
        updated_at_ms=_time(facts, "updated"),
        creator=_text(facts, "by"),
        item_id=block.id,
        note_of=(_text(note, "of") or None) if isinstance(note, Mapping) else None,
    )
    return Found(block, work, record)


def _text(facts: Mapping[str, Any], name: str, otherwise: str = "") -> str:
    value = facts.get(name)
    return value if isinstance(value, str) else otherwise


def _time(facts: Mapping[str, Any], name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


class _Reader:
    """Reads the blocks as records; what a person changed in them is the business of `take_edit`."""

    name = NAME

    def recognises(self, path: Path, head: bytes) -> bool:
        if path.is_dir():
            return any(b"<!-- crdt-sync-file {" in _head(file) for _, file in files_of(path))
        return b"<!-- crdt-sync-file {" in head

    def read(self, path: Path) -> Iterator[Item]:
        for each in found_in(path):
            yield each if isinstance(each, Skipped) else each.record


def _head(file: Path) -> bytes:
    try:
        return read_head(file)
    except UnreadableFile:
        return b""


READER: FormatReader = _Reader()

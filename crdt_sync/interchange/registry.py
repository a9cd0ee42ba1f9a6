"""All foreign formats: what they are called, what can be done with each, and which one a file is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from crdt_sync.errors import InvalidEdit, UnreadableFile
from crdt_sync.interchange.bounds import read_head
from crdt_sync.interchange.records import FormatReader, FormatWriter

__all__ = ["FORMATS", "Format", "reader_for", "writer_for"]


@dataclass(frozen=True, slots=True)
class Format:
    """A foreign format: its `name`, and `title`, what it is, for a person.

    `reads` and `writes` say where its adapters are, `module:NAME` in this package; they are imported when they are
    needed. A folder of Markdown and a bundle are not written from entries, and have no writer here.
    """

    name: str
    title: str
    reads: str | None = None
    writes: str | None = None
    exported: bool = True

    @property
    def reader(self) -> FormatReader | None:
        """What reads it, or None."""
        found: FormatReader | None = _adapter(self.reads)
        return found

    @property
    def writer(self) -> FormatWriter | None:
        """What writes it from entries, or None."""
        found: FormatWriter | None = _adapter(self.writes)
        return found


FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        Format("bundle", "a whole crdt-sync library, as JSON", "bundle:READER"),
        Format("markdown", "a folder of Markdown for Obsidian, a file for each work", "markdown:READER"),
        Format(
            "epub",
            "EPUB Annotations 1.0 (.annotations); W3C Web Annotations, Readium and Thorium are read too",
            "web_reading:READER",
            "web_writing:ZIP_WRITER",
        ),
        Format("epub-json", "the same as JSON", "web_reading:READER", "web_writing:JSON_WRITER"),
        Format("hypothesis", "annotations from the API of Hypothesis", "hypothesis:READER", "hypothesis:WRITER"),
        Format("koreader", "KOReader's metadata.*.lua, or its folder .sdr", "koreader:READER", "koreader:WRITER"),
        Format("kindle", "a Kindle's My Clippings.txt", "kindle:READER", exported=False),
        Format("kobo", "a Kobo's KoboReader.sqlite", "kobo:READER", exported=False),
        Format("readwise", "highlights from Readwise, as CSV", "readwise:READER", "readwise:WRITER"),
    )
}
"""By name, in the order in which a file is asked which one it is of."""


def reader_for(path: Path, name: str | None = None) -> FormatReader:
    """Return what reads the file: of the format called `name`, or of the one that the file seems to be of.

    Raises `InvalidEdit` if there is no such format or it cannot be imported, `UnreadableFile` if none is recognised.
    """
    if name is not None:
        reader = _named(name).reader
        if reader is None:
            raise InvalidEdit(f"{name} can be exported and not imported")
        return reader
    head = b"" if path.is_dir() else read_head(path)
    for each in FORMATS.values():
        if (reader := each.reader) is not None and reader.recognises(path, head):
            return reader
    known = ", ".join(each.name for each in FORMATS.values() if each.reader is not None)
    raise UnreadableFile(f"{path} is of no format that is known; name it with --format, if it is one of {known}")


def writer_for(name: str) -> FormatWriter:
    """Return what writes the format called `name`. Raises `InvalidEdit` if there is none, or it cannot be exported."""
    writer = _named(name).writer
    if writer is None and name == "markdown":
        raise InvalidEdit("Markdown is a folder; name one with --to")
    if writer is None:
        known = ", ".join(each.name for each in FORMATS.values() if each.exported)
        raise InvalidEdit(f"{name} can be imported and not exported; exported can be {known}")
    return writer


def _named(name: str) -> Format:
    if name not in FORMATS:
        raise InvalidEdit(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


@cache
def _adapter(at: str | None) -> Any:
    if at is None:
        return None
    module, _, name = at.partition(":")
    return getattr(import_module(f"crdt_sync.interchange.{module}"), name)

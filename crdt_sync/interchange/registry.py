"""All foreign formats: what they are called, what can be done with each, and which one a file is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from crdt_sync.errors import InvalidEdit, UnreadableFile
from crdt_sync.interchange.bounds import read_head
from crdt_sync.interchange.records import FormatReader, FormatWriter

__all__ = ["FORMATS", "Format", "reader_for", "writer_for"]


@dataclass(frozen=True, slots=True)
class Format:
    """A foreign format: its `name`, and `title`, what it is, for a person. `module` has the adapters.

    A module of a format that can be imported has a `READER`, of one that can be exported a `WRITER`.
    """

    name: str
    title: str
    module: str

    @property
    def reader(self) -> FormatReader | None:
        """What reads it, or None."""
        found: FormatReader | None = getattr(_module(self.module), "READER", None)
        return found

    @property
    def writer(self) -> FormatWriter | None:
        """What writes it, or None."""
        found: FormatWriter | None = getattr(_module(self.module), "WRITER", None)
        return found


FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        Format("epub", "W3C Web Annotations and EPUB Annotations 1.0, of Readium and Thorium too", "web_annotations"),
        Format("hypothesis", "annotations from the API of Hypothesis, as JSON", "hypothesis"),
        Format("bundle", "a whole crdt-sync library, as JSON", "bundle"),
        Format("markdown", "Markdown files for Obsidian, one for each work", "markdown"),
        Format("koreader", "sidecars of KOReader, metadata.*.lua, or the folder .sdr with one", "koreader"),
        Format("kindle", "a Kindle's My Clippings.txt", "kindle"),
        Format("kobo", "a Kobo's KoboReader.sqlite", "kobo"),
        Format("readwise", "highlights from Readwise, as CSV", "readwise"),
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
    if writer is None:
        known = ", ".join(each.name for each in FORMATS.values() if each.writer is not None)
        raise InvalidEdit(f"{name} can be imported and not exported; exported can be {known}")
    return writer


def _named(name: str) -> Format:
    if name not in FORMATS:
        raise InvalidEdit(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


@cache
def _module(name: str) -> object:
    return import_module(f"crdt_sync.interchange.{name}")

"""Finds records in the pages of a damaged SQLite file, whatever has become of the trees above them.

A record is found by its own header and read through its overflow pages; neither the page's header nor its list of cells
is needed, so a page that SQLite gives up is still read. The same goes for each page in the write-ahead log, past the
place where SQLite stops reading it. What is found may be old (a page that was freed, a frame that was taken over) or no
record at all: the caller must know its own by a checksum. Source: "Database File Format", sections 1.6, 2.1 and 4.1, of
the SQLite documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from crdt_sync.storage.database import wal_of

__all__ = ["Kind", "Pages", "Record"]

Value: TypeAlias = int | bytes | None
"""Text is returned as its bytes: it may be damaged."""

DEFAULT_PAGE_BYTES = 4096
WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
MAX_RECORD_BYTES = 1024 * 1024 * 1024

_BYTE = rb"[\x80-\xff]{1,7}[\x00-\x7f]"


class Kind:
    """What a column may hold, as a pattern of its serial type."""

    NULL = rb"\x00"
    INTEGER = rb"[\x01-\x06\x08\x09]"
    MAYBE_INTEGER = rb"[\x00-\x06\x08\x09]"
    BLOB = rb"(?:[\x0c-\x7f]|" + _BYTE + rb")"
    TEXT = BLOB
    MAYBE_TEXT = rb"(?:\x00|[\x0d-\x7f]|" + _BYTE + rb")"


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was found: its row number, 0 if that cannot be read, and the ways in which its columns read.

    There are two ways if the pages that it runs over stand both in the file and in the write-ahead log.
    """

    row: int
    readings: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class _Image:
    """A page as it stands in the file (`frame` -1) or in a frame of the write-ahead log, and where its commit ends."""

    number: int
    frame: int
    data: bytes
    commit: int


class Pages:
    """All pages of a file and its write-ahead log, held in memory."""

    def __init__(self, file: bytes, wal: bytes) -> None:
        self._sets = [_images(file, wal, size) for size in _page_sizes(file, wal)]

    @classmethod
    def of(cls, path: Path) -> Pages:
        """Read the pages of the library at `path`. Raises `OSError`."""
        return cls(*(each.read_bytes() if each.exists() else b"" for each in (path, wal_of(path))))

    def records(self, columns: Sequence[bytes]) -> Iterator[Record]:
        """Yield what looks like a record with these columns (`Kind`)."""
        body = b"".join(columns)
        pattern = re.compile(rb"(?=([\x02-\x7f])(" + body + rb"))", re.DOTALL)
        for images in self._sets:
            by_number: dict[int, list[_Image]] = {}
            for image in images:
                by_number.setdefault(image.number, []).append(image)
            for image in images:
                for found in pattern.finditer(image.data):
                    if found[1][0] == len(found[2]) + 1:
                        record = _read(image, found.start(1), found[2], by_number)
                        if record is not None:
                            yield record


def _page_sizes(file: bytes, wal: bytes) -> list[int]:
    """Return the page sizes to try: what the headers say, if it can be, and what we make."""
    said = {int.from_bytes(file[16:18], "big"), int.from_bytes(wal[8:12], "big"), DEFAULT_PAGE_BYTES}
    return sorted(size for size in said if 512 <= size <= 32768 and size & (size - 1) == 0)


def _images(file: bytes, wal: bytes, size: int) -> list[_Image]:
    images = [
        _Image(number + 1, -1, file[start : start + size], -1) for number, start in enumerate(range(0, len(file), size))
    ]
    step = FRAME_HEADER_BYTES + size
    starts = range(WAL_HEADER_BYTES, len(wal), step)
    commit = len(starts)
    frames: list[_Image] = []
    for frame, start in reversed(list(enumerate(starts))):
        if int.from_bytes(wal[start + 4 : start + 8], "big"):  # the size of the file after a commit, else 0
            commit = frame
        number = int.from_bytes(wal[start : start + 4], "big")
        frames.append(_Image(number, frame, wal[start + FRAME_HEADER_BYTES : start + step], commit))
    return images + frames[::-1]


def _read(image: _Image, start: int, types: bytes, images: dict[int, list[_Image]]) -> Record | None:
    """Read the record whose header starts at `start` of a page."""
    serials = _var_ints(types)
    header_bytes = len(types) + 1
    total = header_bytes + sum(map(_length, serials))
    size = len(image.data)
    if total > MAX_RECORD_BYTES or size < 512:
        return None
    largest = size - 35  # of a table's leaf, without reserved bytes
    local = total
    if total > largest:
        smallest = (size - 12) * 32 // 255 - 23
        local = smallest + (total - smallest) % (size - 4)
        local = local if local <= largest else smallest
    payload = image.data[start : start + local]
    if len(payload) < local:
        return None
    row = _row_before(image.data, start)
    if local == total:
        return Record(row, (_columns(payload[header_bytes:], serials),))
    first = int.from_bytes(image.data[start + local : start + local + 4], "big")
    readings = []
    for as_of in dict.fromkeys((image.commit, 2**62)):
        rest = _overflow(first, total - local, as_of, images, size)
        if rest is not None:
            readings.append(_columns(payload[header_bytes:] + rest, serials))
    return Record(row, tuple(readings)) if readings else None


def _overflow(number: int, length: int, as_of: int, images: dict[int, list[_Image]], size: int) -> bytes | None:
    """Follow a chain of overflow pages, each as it stood after the frame `as_of`."""
    parts: list[bytes] = []
    followed: set[int] = set()  # a damaged chain may bite its own tail, and a damaged length be a gigabyte
    while length > 0:
        if number in followed:
            return None
        followed.add(number)
        page = next((each for each in reversed(images.get(number, [])) if each.frame <= as_of), None)
        if page is None or len(page.data) < min(size, 4 + length):
            return None
        part = page.data[4 : 4 + length]
        parts.append(part)
        length -= len(part)
        number = int.from_bytes(page.data[:4], "big")
    return b"".join(parts)


def _var_ints(data: bytes) -> list[int]:
    values, value = [], 0
    for octet in data:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            values.append(value)
            value = 0
    return values


def _row_before(data: bytes, start: int) -> int:
    """Return the row number that stands before a record's header, 0 if there is none of up to eight bytes."""
    if not start or data[start - 1] >= 0x80:
        return 0
    first = start - 1
    while first and data[first - 1] >= 0x80 and start - first < 8:
        first -= 1
    return _var_ints(data[first:start])[0]


_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)


def _length(serial: int) -> int:
    return _INTEGER_BYTES[serial] if serial < 12 else (serial - 12) // 2


def _columns(body: bytes, serials: Sequence[int]) -> tuple[Value, ...]:
    columns: list[Value] = []
    position = 0
    for serial in serials:
        part = body[position : position + _length(serial)]
        position += len(part)
        if serial == 0:
            columns.append(None)
        elif serial >= 12:
            columns.append(part)
        else:
            columns.append(int.from_bytes(part, "big", signed=True) if serial < 8 else serial - 8)
    return tuple(columns)

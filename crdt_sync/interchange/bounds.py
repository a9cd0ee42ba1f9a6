"""The bounds of what a foreign file may hold, and the only way in which readers open one.

A foreign file is input from a stranger. Nothing of it is executed, nothing outside of it is opened, nothing grows
beyond the bounds below, and whatever is wrong with it is an `UnreadableFile` or, for one record, a `Skipped`.

A path may be a symbolic link to a file, since a user may have linked it; what it leads to must be a regular file.
Inside an archive a link is refused.
"""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, NoReturn

from crdt_sync.document.anchors import Anchor
from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange.records import Item, Record, Skipped

__all__ = [
    "MAX_BYTES",
    "MAX_MEMBERS",
    "MAX_NESTING",
    "MAX_NUMBER",
    "MAX_RECORDS",
    "MAX_RECORD_CHARACTERS",
    "MAX_STREAMED_BYTES",
    "MAX_VALUES",
    "checked",
    "decoded",
    "encoding_of",
    "flaw",
    "lines_of",
    "opened",
    "opened_text",
    "opened_zip",
    "parsed_json",
    "read_bytes",
    "read_head",
    "read_member",
    "read_text",
]

HEAD_BYTES = 64 * 1024
MAX_BYTES = 64 * 1024 * 1024
"""Of a file, or a member of an archive once it is unpacked, that is read whole."""
MAX_STREAMED_BYTES = 1024 * 1024 * 1024
"""Of a file that is read piece by piece, and memory does not grow with it."""
MAX_NESTING = 100
"""How many tables, lists or objects may stand in each other. JSON, Lua and whatever else nests are held to it."""
MAX_VALUES = 5_000_000
"""Of a file that is read whole: an empty list takes three bytes there, and twenty times as many in memory."""
MAX_MEMBERS = 10_000
"""Of an archive."""
MAX_RECORDS = 1_000_000
"""Of a file."""
MAX_RECORD_CHARACTERS = 1_000_000
"""Of all that one record holds: its texts, its selectors, its original."""
MAX_NUMBER = 2**53 - 1
"""The largest whole number that every Yjs client holds exactly."""


@contextmanager
def opened(path: Path, *, limit: int = MAX_BYTES) -> Iterator[IO[bytes]]:
    """Open a regular file to read. A pipe, a device or a folder is refused, and waits for nobody.

    Raises `UnreadableFile`, for what the system says inside the block too.
    """
    try:
        # A pipe that nobody writes to would keep us waiting, and to open some devices does something.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UnreadableFile(f"{path} is no file but {_what(os.stat(path).st_mode)}; name a file")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableFile(f"{path} is no file any more; name a file")
            if status.st_size > limit:
                raise UnreadableFile(f"{path} has {status.st_size:,} bytes, and {limit:,} are the most that is read")
            yield file
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise UnreadableFile(f"{str(path)!r} is no name of a file") from error


def read_head(path: Path) -> bytes:
    """Return the first 64 KiB, by which formats recognise a file. Raises `UnreadableFile`."""
    with opened(path, limit=MAX_STREAMED_BYTES) as file:
        return file.read(HEAD_BYTES)


@contextmanager
def opened_text(path: Path, *, newline: str | None = None) -> Iterator[io.TextIOWrapper]:
    """Open a file of text to read piece by piece, in UTF-8 or, if it is marked so, UTF-16.

    A byte that is no text becomes a lone surrogate, by which `checked` knows the record that it stands in; the rest of
    the file comes in. Raises `UnreadableFile`, for a file that breaks off too.
    """
    with opened(path, limit=MAX_STREAMED_BYTES) as file:
        encoding = encoding_of(file.read(4))
        file.seek(0)
        errors = "surrogatepass" if encoding == "utf-16" else "surrogateescape"
        text = io.TextIOWrapper(file, encoding=encoding, errors=errors, newline=newline)
        try:
            yield text
        except UnicodeDecodeError:
            raise UnreadableFile(f"{path} breaks off within a character of UTF-16; copy it again") from None
        finally:
            text.detach()


def lines_of(text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    """Yield lines with their ends. Raises `UnreadableFile` for one that is longer than any record may be."""
    count = 0
    while line := text.readline(MAX_RECORD_CHARACTERS + 1):
        count += 1
        if len(line) > MAX_RECORD_CHARACTERS:
            raise UnreadableFile(
                f"{path} has a line of more than {MAX_RECORD_CHARACTERS:,} characters (line {count:,})"
            )
        yield line


def read_bytes(path: Path, *, limit: int = MAX_BYTES) -> bytes:
    """Return a whole file. Raises `UnreadableFile`, for one that grows past `limit` while it is read too."""
    with opened(path, limit=limit) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UnreadableFile(f"{path} has more than {limit:,} bytes, the most that is read")
    return data


def encoding_of(head: bytes) -> str:
    """Return the encoding that the first bytes tell: UTF-8 unless there is the mark of UTF-16."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def decoded(data: bytes, where: object) -> str:
    """Return text of UTF-8, or of UTF-16 with a byte order mark. Raises `UnreadableFile` for anything else."""
    encoding = encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"{where} is not text in {encoding.removesuffix('-sig').upper()} (byte {error.start:,}); "
            "save it as UTF-8 and import it again"
        ) from None


def read_text(path: Path, *, limit: int = MAX_BYTES) -> str:
    """Return a whole file of text. Raises `UnreadableFile`."""
    return decoded(read_bytes(path, limit=limit), path)


def parsed_json(data: bytes | str, where: object) -> Any:
    """Return the value of JSON (RFC 8259), nested no deeper than `MAX_NESTING`, with numbers that JSON has.

    Raises `UnreadableFile`, with the line where that is known.
    """
    text = decoded(data, where) if isinstance(data, bytes) else data
    _check_nesting(text, where)
    try:
        return json.loads(text, parse_constant=_no_constant, parse_int=_whole_number, parse_float=_number)
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"{where} is not JSON: line {error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise UnreadableFile(f"{where} holds {error}") from None


_NESTS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)


def _check_nesting(text: str, where: object) -> None:
    """Count brackets and commas outside of strings: the parser recurses for those, and makes a value for these."""
    depth = values = 0
    for match in _NESTS.finditer(text):
        first = match[0][0]
        values += first != '"'
        if values > MAX_VALUES:
            raise UnreadableFile(f"{where} holds more than {MAX_VALUES:,} values, the most that is read")
        if first in "[{":
            depth += 1
            if depth > MAX_NESTING:
                raise UnreadableFile(f"{where} is nested more than {MAX_NESTING} deep")
        elif first in "]}":
            depth -= 1


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is no number of JSON")


def _whole_number(text: str) -> int | float:
    if len(text) > 400:
        raise ValueError("a number of more than 400 digits")
    number = int(text)
    return number if abs(number) <= MAX_NUMBER else _number(text)


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"a number that is too large: {text[:40]}")
    return number


@contextmanager
def opened_zip(path: Path, *, limit: int = MAX_BYTES) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose members all have names that stay inside it. Nothing is ever unpacked onto the disk.

    Raises `UnreadableFile`; for damage that shows only inside the block too.
    """
    with opened(path, limit=limit) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                if len(members) > MAX_MEMBERS:
                    raise UnreadableFile(f"{path} has {len(members):,} members; {MAX_MEMBERS:,} are the most")
                for member in members:
                    _check_member(member, path)
                yield archive
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise UnreadableFile(f"{path} is a damaged archive, or none: {error}") from error


def _check_member(member: zipfile.ZipInfo, path: Path) -> None:
    name = member.filename.replace("\\", "/")
    if name.startswith("/") or ":" in name.split("/")[0] or ".." in name.split("/"):
        raise UnreadableFile(f"{path} has a member that would lie outside of it ({member.filename!r}); it is not safe")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UnreadableFile(f"{path} has a link as a member ({member.filename!r}); it is not safe")


def read_member(archive: zipfile.ZipFile, name: str, *, limit: int = MAX_BYTES) -> bytes:
    """Return one member, unpacked no further than `limit`, whatever its header says. Raises `UnreadableFile`."""
    try:
        with archive.open(name) as member:
            data = member.read(limit + 1)
    except KeyError:
        raise UnreadableFile(f"{archive.filename or 'the archive'} has no {name}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise UnreadableFile(f"{name} in the archive is damaged, locked or packed in a way unknown: {error}") from error
    if len(data) > limit:
        raise UnreadableFile(f"{name} in the archive unpacks to more than {limit:,} bytes, the most that is read")
    return data


def checked(items: Iterable[Item], path: Path) -> Iterator[Item]:
    """Pass records on, and skip those which no library could hold. Raises `UnreadableFile` past `MAX_RECORDS`."""
    for count, item in enumerate(items):
        if count == MAX_RECORDS:
            raise UnreadableFile(f"{path} has more than {MAX_RECORDS:,} records, the most that is read")
        if isinstance(item, Record) and (reason := flaw(item)) is not None:
            yield Skipped(item.where, reason)
        else:
            yield item


def flaw(record: Record) -> str | None:
    """Say why no library could hold this record, or None: too long, nested too deeply, or not text."""
    level: list[Any] = [getattr(record, name) for name in _RECORD_FIELDS]
    if record.anchor is not None:
        level += [getattr(record.anchor, name) for name in _ANCHOR_FIELDS]
        if (quote := record.anchor.quote) is not None:
            level += (quote.exact, quote.prefix, quote.suffix)
    texts: list[str] = []
    size = 0
    for _ in range(MAX_NESTING):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                texts.append(value)
                size += len(value)
            elif isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list | tuple):
                below += value
            elif (reason := _number_flaw(value)) is not None:
                return reason
        size += len(level)
        if size > MAX_RECORD_CHARACTERS:
            return f"it has more than {MAX_RECORD_CHARACTERS:,} characters"
        if not below:
            return _text_flaw("".join(texts))
        level = below
    return f"it is nested more than {MAX_NESTING} deep"


_RECORD_FIELDS = [each.name for each in fields(Record) if each.name != "anchor"]
_ANCHOR_FIELDS = [each.name for each in fields(Anchor) if each.name not in ("quote", "position")]


def _number_flaw(value: Any) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, float):
        return None if abs(value) < float("inf") else "it holds a number that is none"
    if isinstance(value, int):
        return None if abs(value) <= MAX_NUMBER else "it holds a number that is too large"
    return f"it holds a value of no kind that is known ({type(value).__name__})"


def _text_flaw(text: str) -> str | None:
    if "\0" in text:
        return "it holds a NUL character: the file is damaged there"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "it holds what is no text: a byte that is not UTF-8, or half a character (a lone surrogate)"
    return None


def _what(mode: int) -> str:
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    return next((name for is_kind, name in kinds.items() if is_kind(mode)), "a device")


def _unreadable(path: Path, error: OSError) -> UnreadableFile:
    match error.errno:
        case errno.ENOENT:
            return UnreadableFile(f"there is no {path}")
        case errno.EACCES | errno.EPERM:
            return UnreadableFile(f"{path} may not be read; change its permissions")
        case errno.ELOOP:
            return UnreadableFile(f"{path} is a link that leads back to itself")
        case errno.EISDIR:
            return UnreadableFile(f"{path} is a folder; name a file")
    return UnreadableFile(f"{path} cannot be read: {error.strerror or error}")

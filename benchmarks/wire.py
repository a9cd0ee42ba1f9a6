"""What goes over the wire in a benchmark: messages, and highlights that say their number. No socket, no clock."""

from __future__ import annotations

import re
import string
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from pycrdt import Doc, Map

from crdt_sync.document import Anchor
from crdt_sync.protocol.wire import Reader, write_string, write_var_uint

SYNC, AWARENESS, AUTH, SYNC_REPLY = 0, 1, 2, 4
STEP_1, STEP_2, UPDATE = 0, 1, 2
NOTHING = b"\x00\x00"
MARK = re.compile(rb"@(\d+):(\d+)@")
MADE_AT_MS = 1_790_000_000_000
FIELDS_EACH = 3
LETTERS = string.ascii_letters + string.digits + " ,"

Mark = tuple[int, int]  # writer, number
Arrived = tuple[float, bytes]  # when, message


@dataclass(frozen=True, slots=True)
class Room:
    """A room of a relay. `names_document` says that each message begins with its name, as Hocuspocus' do."""

    url: str
    name: str
    names_document: bool = False

    def message(self, *body: int | bytes) -> bytes:
        """Return a message: integers as they are, bytes with their length before them."""
        out = bytearray()
        if self.names_document:
            write_string(out, self.name)
        for part in body:
            if isinstance(part, int):
                write_var_uint(out, part)
            else:
                write_var_uint(out, len(part))
                out += part
        return bytes(out)

    def body(self, message: bytes) -> Reader:
        """Return a reader that stands at the type of a message."""
        reader = Reader(message)
        if self.names_document:
            reader.string()
        return reader

    def sync(self, message: bytes) -> tuple[int, bytes] | None:
        """Return the step of a sync message and what it carries; None for any other message."""
        reader = self.body(message)
        return (reader.var_uint(), reader.bytes()) if reader.var_uint() in (SYNC, SYNC_REPLY) else None

    def updates(self, messages: Iterable[Arrived]) -> list[bytes]:
        """Return the updates that messages bring, step 2 included."""
        syncs = [sync for _, message in messages if (sync := self.sync(message))]
        return [data for step, data in syncs if step in (STEP_2, UPDATE)]

    def hello(self, state_vector: bytes = b"\x00") -> list[bytes]:
        """Return what a client says first: who it is, where that is asked, what it has, and that it brings nothing."""
        first = [self.message(AUTH, 0, b"token")] if self.names_document else []
        return [*first, self.message(SYNC, STEP_1, state_vector), self.message(SYNC, STEP_2, NOTHING)]


def whole_messages(frames: Iterable[tuple[float, bytes, bool, bool]]) -> Iterator[Arrived]:
    """Yield what arrived, whole and inflated, from frames of (when, payload, rsv1, fin)."""
    inflate = zlib.decompressobj(-15)
    parts: list[bytes] = []
    compressed = False
    for at, data, rsv1, fin in frames:
        compressed = compressed or rsv1
        parts.append(data)
        if fin:
            whole = b"".join(parts)
            yield at, inflate.decompress(whole + b"\x00\x00\xff\xff") if compressed else whole
            parts, compressed = [], False


def highlights(writer: int, count: int, *, comment_bytes: int = 0) -> list[bytes]:
    """Return the updates of `count` highlights, each as a library makes it, marked with its number.

    The client id has 53 bits, as a library's has. A comment is letters drawn by lot: compression gains little on them.
    """
    random = Random(writer)
    doc: Doc[Any] = Doc(client_id=random.getrandbits(53))
    made, fields = doc.get("highlights", type=Map), doc.get("fields", type=Map)
    updates: list[bytes] = []
    subscription = doc.observe(lambda event: updates.append(event.update))
    for number in range(count):
        item_id = f"{writer:08x}{number:08x}{0:016x}"
        quote = f"In the beginning @{writer}:{number}@ God created the heaven and the earth."
        with doc.transaction():
            made[item_id] = {
                "anchor": Anchor.verse("Gen.1.1", work="Bible.KJV", quote=quote).to_json(),
                "createdAt": MADE_AT_MS + number,
                "createdBy": "",
            }
            fields[f"{item_id}/color"] = "yellow"
            fields[f"{item_id}/style"] = "highlight"
            fields[f"{item_id}/updatedAt"] = MADE_AT_MS + number
            if comment_bytes:
                fields[f"{item_id}/comment"] = "".join(random.choices(LETTERS, k=comment_bytes))
    doc.unobserve(subscription)
    return updates


MARKS: dict[bytes, frozenset[Mark]] = {}  # the same bytes go to many clients


def marks_in(message: bytes) -> frozenset[Mark]:
    """Return the numbers of the highlights in a message."""
    found = MARKS.get(message)
    if found is None:
        found = MARKS[message] = frozenset((int(writer), int(number)) for writer, number in MARK.findall(message))
    return found


def first_arrivals(messages: Iterable[Arrived]) -> dict[Mark, float]:
    """Return when each highlight arrived first."""
    arrived: dict[Mark, float] = {}
    for at, message in messages:
        for mark in marks_in(message):
            arrived.setdefault(mark, at)
    return arrived


def highlights_held(updates: Iterable[bytes], *, fields_each: int = FIELDS_EACH) -> int:
    """Apply the updates; return how many highlights there are. Raises `AssertionError` if one is not whole."""
    doc: Doc[Any] = Doc()
    with doc.transaction():
        for update in updates:
            doc.apply_update(update)
    count = len(doc.get("highlights", type=Map))
    assert len(doc.get("fields", type=Map)) == fields_each * count, "a highlight lacks fields"
    return count

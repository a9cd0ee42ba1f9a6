"""What relays of one store say to each other about presence, as bytes: JSON, one object.

    {"here": [["<room>", [[number, subject, [[client, clock, "<state>"], …], is over], …]], …]}    what is shown there
    {"who": ["<room>", …]}    say what is shown there
    {"alive": true}           every few seconds
    {"bye": true}             whoever is here is gone

Relays trust each other: a backplane is no place for strangers. Bytes that are none of these are an error all the same,
so that two versions that do not understand each other are noticed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from crdt_sync.protocol.messages import AwarenessEntry
from crdt_sync_server.logs import tell
from crdt_sync_server.turn import Spoken

__all__ = ["ALIVE", "BYE", "Alive", "Bye", "Here", "Who", "Words", "WordsError", "read", "write", "write_here"]


class WordsError(ValueError):
    """The bytes are none of the words."""


@dataclass(frozen=True, slots=True)
class Here:
    """What connections show, by room."""

    rooms: Mapping[str, Sequence[Spoken]]


@dataclass(frozen=True, slots=True)
class Who:
    """Say what is shown in these rooms."""

    rooms: Sequence[str]


@dataclass(frozen=True, slots=True)
class Alive:
    """The relay lives."""


@dataclass(frozen=True, slots=True)
class Bye:
    """The relay goes, and whoever is there with it."""


Words: TypeAlias = Here | Who | Alive | Bye
ALIVE, BYE = Alive(), Bye()


def write(words: Words) -> bytes:
    """Return words as bytes."""
    match words:
        case Here(rooms=rooms):
            said: object = {"here": [[room, [_written(each) for each in spoken]] for room, spoken in rooms.items()]}
        case Who(rooms=names):
            said = {"who": list(names)}
        case Alive():
            said = {"alive": True}
        case Bye():
            said = {"bye": True}
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def write_here(room: str, spoken: Sequence[Spoken], most_bytes: int) -> Iterator[bytes]:
    """Give what is shown in a room as words of up to `most_bytes` each. One presence that is longer is left out."""
    words = write(Here({room: spoken}))
    if len(words) <= most_bytes:
        yield words
    elif len(spoken) > 1:
        middle = len(spoken) // 2
        yield from write_here(room, spoken[:middle], most_bytes)
        yield from write_here(room, spoken[middle:], most_bytes)
    elif len(entries := spoken[0].entries) > 1:
        middle = len(entries) // 2
        yield from write_here(room, [replace(spoken[0], entries=entries[:middle])], most_bytes)
        yield from write_here(room, [replace(spoken[0], entries=entries[middle:])], most_bytes)
    else:
        tell("presence not told", logging.WARNING, room=room, bytes=len(words))


def read(data: bytes) -> Words:
    """Return the words that the bytes are. Raises `WordsError`."""
    try:
        match json.loads(data.decode("utf-8", "surrogatepass")):
            case {"here": list(rooms)}:
                return Here({str(room): [_read(*each) for each in spoken] for room, spoken in rooms})
            case {"who": list(names)}:
                return Who([str(name) for name in names])
            case {"alive": True}:
                return ALIVE
            case {"bye": True}:
                return BYE
    except (ValueError, TypeError, RecursionError) as error:
        raise WordsError(f"not what a relay says: {error}") from error
    raise WordsError("not what a relay of this version says")


def _written(spoken: Spoken) -> list[object]:
    entries = [[each.client_id, each.clock, each.state] for each in spoken.entries]
    return [spoken.number, spoken.subject, entries, spoken.is_over]


def _read(number: int, subject: str | None, entries: Sequence[tuple[int, int, str]], is_over: bool) -> Spoken:
    read_entries = tuple(AwarenessEntry(int(client), int(clock), str(state)) for client, clock, state in entries)
    return Spoken(int(number), None if subject is None else str(subject), read_entries, bool(is_over))

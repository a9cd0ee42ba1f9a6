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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from crdt_sync.protocol.messages import AwarenessEntry
from crdt_sync_server.turn import Spoken

__all__ = ["ALIVE", "BYE", "Alive", "Bye", "Here", "Who", "Words", "WordsError", "read", "write"]


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

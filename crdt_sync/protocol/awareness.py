"""Who is here: the awareness table of y-protocols, with time as an argument and an owner for every client id.

A client raises its clock with each state it announces, renews it every 15 s, and is outdated after 30 s. An entry
is taken if its clock is higher, or if it is `null` at the clock that is known. Source: y-protocols `awareness.js`.

The relay knows one thing more: which connection speaks for which client. Stock clients send back states that they
were told, and `null` for peers whose renewal they missed; taking those from anyone would make presence flicker. Only a
newer connection of the same subject takes a client over, with a higher clock: the older one may be half dead. And where
it knows who stands behind a connection, nobody is shown as somebody else: a state that claims another's subject is
refused (`person.py`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import AwarenessEntry
from crdt_sync.protocol.person import claims
from crdt_sync.protocol.wire import MAX_SAFE_INTEGER

__all__ = [
    "GONE",
    "MAX_BYTES_PER_OWNER",
    "MAX_CLIENTS_PER_OWNER",
    "OUTDATED_AFTER_S",
    "RENEW_AFTER_S",
    "AwarenessTable",
    "Heard",
    "LocalPresence",
]

GONE = "null"
"""The state of a client that has left."""
OUTDATED_AFTER_S = 30.0
RENEW_AFTER_S = 15.0
MAX_CLIENTS_PER_OWNER = 256
"""One connection may speak for several clients, as a browser tab does for its neighbours, but not for any number."""
MAX_BYTES_PER_OWNER = 256 * 1024
"""The states of all clients that one connection speaks for, in characters: they are kept, and told to everybody."""
MAX_GONE = 16_384
"""How many clients that have left a table remembers; beyond, the oldest are forgotten before their time."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of an awareness message: `news` is for everybody, `corrections` go back to who spoke.

    `refused` says that something was not taken because it claims to be of another subject.
    """

    news: tuple[AwarenessEntry, ...]
    corrections: tuple[AwarenessEntry, ...]
    refused: bool = False


@dataclass(slots=True)
class _Known:
    clock: int
    state: str
    owner: Hashable
    outdated_at_s: float


class AwarenessTable:
    """The presence of the clients of one room. An owner is the connection that speaks for a client."""

    __slots__ = ("_bytes", "_gone", "_known", "_owned", "_subjects")

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._owned: dict[Hashable, set[int]] = {}
        self._bytes: dict[Hashable, int] = {}  # owner → the bytes of the states that it speaks for
        self._gone: dict[int, None] = {}  # those of the known that have left, in the order in which they did
        self._subjects: dict[Hashable, tuple[int | None, str | None]] = {}  # owner → (its number, subject)

    def join(self, owner: Hashable, subject: str | None, number: int | None) -> None:
        """Say who stands behind a connection that is new. `remove` forgets it; a subject of None is nobody's.

        The newer of two connections is the one with the higher `number`, whichever joins first. One without a number
        is on another relay: which of the two is newer the client's clock alone says.
        """
        self._subjects[owner] = (number, subject)

    def entries(self) -> tuple[AwarenessEntry, ...]:
        """Return the presence of all clients that are here."""
        return tuple(
            AwarenessEntry(client, known.clock, known.state)
            for client, known in self._known.items()
            if known.state != GONE
        )

    def receive(self, entries: Iterable[AwarenessEntry], owner: Hashable, now_s: float) -> Heard:
        """Take what `owner` says and return what of it is news, renewals included.

        Entries for a client that another owner speaks for are passed over, unless `owner` is a newer connection of the
        same subject and its clock higher. A state that is older than the client's removal is corrected: one whose
        connection broke comes back with the clock it had, and `null` makes it speak again with a higher one, at once
        and not after its next renewal. A state that claims another subject than the owner's is refused, and what the
        client showed before stands until it ends by itself. Raises `RemoteProtocolError` if `owner` speaks for too many
        clients, or with too many bytes.
        """
        news: list[AwarenessEntry] = []
        corrections: list[AwarenessEntry] = []
        refused = False
        _, subject = self.who(owner)
        for entry in entries:
            known = self._known.get(entry.client_id)
            if known is not None:
                if known.owner is not None and known.owner != owner and not self._takes_over(owner, entry, known):
                    continue
                leaves = entry.state == GONE and known.state != GONE
                if entry.clock < known.clock or (entry.clock == known.clock and not leaves):
                    if known.state == GONE and entry.state != GONE:
                        corrections.append(AwarenessEntry(entry.client_id, known.clock, GONE))
                    continue
            elif entry.state == GONE:
                continue
            if subject is not None and (claimed := claims(entry.state)) is not None and claimed != subject:
                refused = True
                continue
            self._store(entry, owner, now_s)
            news.append(entry)
        return Heard(tuple(news), tuple(corrections), refused)

    def who(self, owner: Hashable) -> tuple[int | None, str | None]:
        """Return the number and the subject of a connection that has joined; (0, None) if it has not."""
        return self._subjects.get(owner, (0, None))

    def owners(self) -> tuple[Hashable, ...]:
        """Return the connections that speak for somebody."""
        return tuple(owner for owner, clients in self._owned.items() if clients)

    def entries_of(self, owner: Hashable) -> tuple[AwarenessEntry, ...]:
        """Return the presence of the clients that a connection speaks for."""
        known = ((client, self._known[client]) for client in sorted(self._owned.get(owner, ())))
        return tuple(AwarenessEntry(client, each.clock, each.state) for client, each in known)

    def remove(self, owner: Hashable, now_s: float) -> tuple[AwarenessEntry, ...]:
        """Forget whom `owner` spoke for, as its connection is gone, and return the entries that say so."""
        self._subjects.pop(owner, None)
        gone = tuple(self._leave(client, now_s) for client in tuple(self._owned.get(owner, ())))
        self._owned.pop(owner, None)
        self._bytes.pop(owner, None)
        return gone

    def expire(self, now_s: float) -> tuple[AwarenessEntry, ...]:
        """Remove the clients that have not renewed for 30 s, and return the entries that say so.

        Connections without a number that speak for nobody are forgotten: `join` them again before they speak.
        """
        outdated = [client for client, known in self._known.items() if known.outdated_at_s <= now_s]
        gone = []
        for client in outdated:
            known = self._known[client]
            if known.state == GONE:
                del self._known[client]  # whoever still repeats the old state has been told by now
                del self._gone[client]
            else:
                gone.append(self._leave(client, now_s))
        self._forget_idle_elsewhere()
        return tuple(gone)

    def _forget_idle_elsewhere(self) -> None:
        """Of a connection on another relay one is not told that it has ended, if it spoke for nobody any more."""
        for owner in [owner for owner, (number, _) in self._subjects.items() if number is None]:
            if not self._owned.get(owner):
                del self._subjects[owner]
                self._owned.pop(owner, None)
                self._bytes.pop(owner, None)

    def next_expiry_s(self) -> float | None:
        """Return when `expire` has something to do, or None."""
        return min((known.outdated_at_s for known in self._known.values()), default=None)

    def _takes_over(self, owner: Hashable, entry: AwarenessEntry, known: _Known) -> bool:
        number, subject = self.who(owner)
        number_before, subject_before = self.who(known.owner)
        same = subject is not None and subject == subject_before
        is_newer = number is None or number_before is None or number > number_before
        return same and is_newer and entry.clock > known.clock and entry.state != GONE

    def _store(self, entry: AwarenessEntry, owner: Hashable, now_s: float) -> None:
        client = entry.client_id
        before = self._known.get(client)
        if entry.state == GONE:
            self._disown(client)
            self._bury(client, entry.clock, now_s)
            return
        size = len(entry.state)
        owned, held = self._owned.setdefault(owner, set()), self._bytes.get(owner, 0)
        if client in owned:
            assert before is not None, "what is owned is known"
            held -= len(before.state)
        elif len(owned) >= MAX_CLIENTS_PER_OWNER:
            raise RemoteProtocolError("one connection announces too many clients", close_code=CloseCode.POLICY)
        if held + size > MAX_BYTES_PER_OWNER:
            raise RemoteProtocolError("one connection announces too many bytes", close_code=CloseCode.POLICY)
        self._disown(client)
        self._gone.pop(client, None)
        owned.add(client)
        self._bytes[owner] = self._bytes.get(owner, 0) + size
        self._known[client] = _Known(entry.clock, entry.state, owner, now_s + OUTDATED_AFTER_S)

    def _disown(self, client: int) -> None:
        known = self._known.get(client)
        if known is not None and known.owner is not None:
            self._owned[known.owner].discard(client)
            self._bytes[known.owner] -= len(known.state)

    def _leave(self, client: int, now_s: float) -> AwarenessEntry:
        """Keep the clock for a while, so that nobody's echo of the old state brings the client back."""
        clock = min(self._known[client].clock + 1, MAX_SAFE_INTEGER)
        self._disown(client)
        self._bury(client, clock, now_s)
        return AwarenessEntry(client, clock, GONE)

    def _bury(self, client: int, clock: int, now_s: float) -> None:
        self._known[client] = _Known(clock, GONE, None, now_s + OUTDATED_AFTER_S)
        self._gone.pop(client, None)
        self._gone[client] = None
        if len(self._gone) > MAX_GONE:
            oldest = next(iter(self._gone))
            del self._gone[oldest], self._known[oldest]


class LocalPresence:
    """The presence of this client: a state of its own, a clock that only rises, and when to renew."""

    __slots__ = ("_clock", "_renew_at_s", "_state", "client_id")

    def __init__(self, client_id: int) -> None:
        self.client_id = client_id
        self._clock = 0
        self._state = GONE
        self._renew_at_s: float | None = None

    @property
    def state(self) -> str:
        """What was set last, as JSON text; `"null"` if nothing is shown."""
        return self._state

    def set(self, state: str, now_s: float) -> AwarenessEntry:
        """Take `state` (JSON text) and return the entry to send."""
        self._state = state
        return self.announce(now_s)

    def announce(self, now_s: float) -> AwarenessEntry:
        """Return the entry to send now: after a connect, or as the renewal."""
        self._clock += 1
        self._renew_at_s = None if self._state == GONE else now_s + RENEW_AFTER_S
        return AwarenessEntry(self.client_id, self._clock, self._state)

    def leave(self) -> AwarenessEntry:
        """Return the entry that takes leave. The state is kept for the next connection."""
        self._clock += 1
        return AwarenessEntry(self.client_id, self._clock, GONE)

    def renewal_due_s(self) -> float | None:
        """Return when `announce` must be called, or None."""
        return self._renew_at_s

    def contradicts(self, entry: AwarenessEntry) -> bool:
        """Say whether `entry` is about this client and not what it said: then `announce` speaks again, louder."""
        if entry.client_id != self.client_id or entry.clock < self._clock:
            return False
        said = entry.clock == self._clock and entry.state == self._state
        self._clock = entry.clock
        return not said and self._state != GONE

"""What one connection, one address and all together may take, and what is said when a bound is reached.

Every refusal that a bound causes goes through `logs.reached`, under the name of its `Limit`: one log line each, and one
count. Nothing here sleeps or asks for the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from enum import Enum

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.errors import ConfigurationError, RelayError

__all__ = ["Admission", "Budget", "Burst", "Limit", "LimitReached", "Limits", "TokenBucket"]


MOST = 2**53
"""The largest number of a bound: times and rates count in floats."""


class Limit(Enum):
    """Why a connection was refused or ended: the close code (None where nothing can be said), and the log's words."""

    NOT_THE_PROTOCOL = (CloseCode.NOT_THE_PROTOCOL, "not the protocol")
    MESSAGE = (CloseCode.TOO_BIG, "message too big")
    DOCUMENT = (CloseCode.TOO_BIG, "document full")
    SUBJECT = (CloseCode.TOO_BIG, "storage full")
    PRESENCE_BYTES = (CloseCode.TOO_BIG, "presence too big")
    PRESENCE_CLIENTS = (CloseCode.POLICY, "presence of too many")
    QUARANTINED = (CloseCode.NOT_THE_PROTOCOL, "update quarantined")
    READ_ONLY = (CloseCode.FORBIDDEN, "read-only connection")
    STRIKES = (CloseCode.POLICY, "too many mistakes")
    QUESTIONS = (CloseCode.POLICY, "too many questions")
    BARRIERS = (CloseCode.POLICY, "too many barriers behind a gap")
    ANSWERS = (CloseCode.POLICY, "answers not read")
    UNREAD = (None, "nothing is read")
    LINGERING = (None, "close not taken")
    HALF_OPEN = (None, "too many half-open sockets")
    HANDSHAKE = (None, "handshake too slow")
    HEADERS = (None, "headers too big")
    AUTHENTICATION = (CloseCode.OVERLOADED, "authentication too slow")
    FAILURES = (CloseCode.POLICY, "too many bad tokens from this address")
    CONNECTIONS = (CloseCode.OVERLOADED, "too many connections")
    CONNECTIONS_PER_ADDRESS = (CloseCode.OVERLOADED, "too many connections of this address")
    WAITING_BYTES = (CloseCode.OVERLOADED, "too much waits for the rest of its message")
    POLL_SESSIONS = (CloseCode.OVERLOADED, "too many poll sessions")
    POLLS = (CloseCode.POLICY, "too many polls")
    REQUESTS = (CloseCode.POLICY, "too many requests")
    CHANGES = (CloseCode.POLICY, "too many changes")
    ROOMS = (CloseCode.OVERLOADED, "too many rooms")
    ROOMS_PER_ADDRESS = (CloseCode.OVERLOADED, "too many rooms of this address")
    ROOM_BYTES = (CloseCode.OVERLOADED, "rooms hold too much")

    def __init__(self, code: CloseCode | None, words: str) -> None:
        self.code = code
        self.words = words

    @classmethod
    def of(cls, protocol_code: int) -> Limit:
        """Return the limit of a `RemoteProtocolError` with this close code."""
        by_code = {CloseCode.TOO_BIG: cls.MESSAGE, CloseCode.POLICY: cls.PRESENCE_CLIENTS}
        return by_code.get(CloseCode(protocol_code), cls.NOT_THE_PROTOCOL)


class LimitReached(RelayError):
    """A bound is reached; `limit` says which, and the message says it to the peer."""

    def __init__(self, limit: Limit, message: str, *, retry_after_s: int | None = None) -> None:
        """`retry_after_s` is how long it takes until the bound lets through again, where that is known."""
        super().__init__(message)
        self.limit = limit
        self.retry_after_s = retry_after_s
        self.close_code = limit.code or CloseCode.POLICY


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds, each an operator's `--limit name=value`. `per_s` fills what `burst` holds.

    Presence counts in client states: stock clients send back all that they are told, so a full room has many of them.
    """

    max_presence_bytes: int = 64 * 1024
    max_rooms: int = 10_000
    max_rooms_per_address: int = 1024
    max_room_bytes: int = 1024 * 1024 * 1024
    max_connections: int = 16_384
    max_connections_per_address: int = 1024
    max_half_open: int = 2048
    max_half_open_per_address: int = 256
    max_header_bytes: int = 16 * 1024
    max_waiting_bytes: int = 256 * 1024 * 1024
    handshake_s: int = 10
    authenticate_s: int = 10
    unread_s: int = 60
    updates_per_s: int = 500
    updates_burst: int = 2000
    bytes_per_s: int = 8 * 1024 * 1024
    bytes_burst: int = 64 * 1024 * 1024
    presence_per_s: int = 2000
    presence_burst: int = 20_000
    questions_per_minute: int = 60
    questions_burst: int = 60
    failures_per_minute: int = 10
    failures_burst: int = 20
    changes_per_minute: int = 60
    changes_burst: int = 300
    strikes: int = 10

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 1 <= getattr(self, field.name) <= MOST:
                raise ConfigurationError(f"--limit {field.name.replace('_', '-')} takes 1 to {MOST}")

    def changed(self, settings: Iterable[str]) -> Limits:
        """Return these limits with what `settings` say, each `name=value`. Raises `ConfigurationError`."""
        known = {field.name for field in fields(self)}
        values: dict[str, int] = {}
        for setting in settings:
            name, _, value = setting.partition("=")
            name = name.strip().replace("-", "_")
            if name not in known:
                names = ", ".join(sorted(each.replace("_", "-") for each in known))
                raise ConfigurationError(f"--limit knows no {name.replace('_', '-')!r}; there are {names}")
            if not value.strip().isdecimal() or len(value) > 100:
                raise ConfigurationError(f"--limit {setting!r} is no name=value with a whole number")
            values[name] = int(value)
        return replace(self, **values)


class TokenBucket:
    """A rate with a burst. Time is an argument, in seconds, and does not run backwards."""

    __slots__ = ("_burst", "_level", "_per_s", "_seen_s")

    def __init__(self, *, per_s: float, burst: float, now_s: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._level = burst
        self._seen_s = now_s

    def pay(self, amount: float, now_s: float) -> float:
        """Take `amount`, on credit if need be; return how many seconds it takes until the debt is paid.

        One thing may be larger than the burst: it is let through, and what follows waits.
        """
        self._fill(now_s)
        self._level -= amount
        return max(0.0, -self._level / self._per_s)

    def take(self, amount: float, now_s: float) -> bool:
        """Take `amount` if it is there, and say whether it was."""
        self._fill(now_s)
        if amount > self._level:
            return False
        self._level -= amount
        return True

    def _fill(self, now_s: float) -> None:
        if now_s > self._seen_s:
            self._level = min(self._burst, self._level + (now_s - self._seen_s) * self._per_s)
            self._seen_s = now_s


class Admission:
    """How many are here, in all and of each address."""

    def __init__(self, *, most: int, most_per_address: int, in_all: Limit, of_address: Limit) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._in_all = in_all
        self._of_address = of_address
        self._count = 0
        self._per_address: Counter[str | None] = Counter()

    def enter(self, address: str | None) -> None:
        """Count one more. You must call `leave` for it. Raises `LimitReached`, and has counted nothing then."""
        if self._per_address[address] >= self._most_per_address:
            raise self.refusal()
        if self._count >= self._most:
            raise LimitReached(self._in_all, f"{self._in_all.words}; try again later")
        self.add(address)

    def of(self, address: str | None) -> int:
        """Return how many of an address are here."""
        return self._per_address[address]

    def refusal(self) -> LimitReached:
        """Return what one too many of an address is told."""
        return LimitReached(self._of_address, f"{self._of_address.words}; try again later")

    def add(self, address: str | None) -> None:
        """Count one that is here already, whatever the bounds."""
        self._count += 1
        self._per_address[address] += 1

    def leave(self, address: str | None) -> None:
        """Count one less."""
        self._count -= 1
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]

    @contextmanager
    def entered(self, address: str | None) -> Iterator[None]:
        """Count one for as long as the block lasts. Raises `LimitReached`."""
        self.enter(address)
        try:
            yield
        finally:
            self.leave(address)


class Burst:
    """Lets one address be over its bound for a moment.

    After a restart a thousand clients behind one proxy connect in the same millisecond, and have had no time to speak.
    """

    GRACE_S = 1.0

    def __init__(self, admission: Admission, *, most_per_address: int) -> None:
        """`admission` counts, and has the bound of a burst; `most_per_address` is that of what lasts."""
        self._admission = admission
        self._most_per_address = most_per_address
        self._over_since_s: dict[str | None, float] = {}

    def enter(self, address: str | None, now_s: float) -> None:
        """Count one more. You must call `leave` for it. Raises `LimitReached`, and has counted nothing then."""
        if self._admission.of(address) >= self._most_per_address:
            since_s = self._over_since_s.setdefault(address, now_s)
            if now_s - since_s > self.GRACE_S:
                raise self._admission.refusal()
        self._admission.enter(address)

    def add(self, address: str | None) -> None:
        """Count one that is here already, whatever the bounds."""
        self._admission.add(address)

    def leave(self, address: str | None) -> None:
        """Count one less."""
        self._admission.leave(address)
        if self._over_since_s and self._admission.of(address) < self._most_per_address:
            self._over_since_s.pop(address, None)


class Budget:
    """Bytes that all connections share. One address gets half of them at most, so none takes them from the others."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._per_address: Counter[str | None] = Counter()

    def take(self, address: str | None, size_bytes: int) -> bool:
        """Take `size_bytes`, or give back if negative; say whether they were there."""
        if size_bytes > 0 and (
            self._bytes + size_bytes > self._most_bytes
            or self._per_address[address] + size_bytes > self._most_bytes // 2
        ):
            return False
        self._bytes += size_bytes
        self._per_address[address] += size_bytes
        if not self._per_address[address]:
            del self._per_address[address]
        return True

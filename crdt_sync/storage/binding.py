"""The relay, room and account that a library's file belongs to."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from crdt_sync.errors import BoundElsewhere

__all__ = ["Binding", "Partner", "bind", "bound_to", "check", "elsewhere", "unbind"]


@dataclass(frozen=True, slots=True)
class Binding:
    """The relay, room and account that a file belongs to."""

    relay: str
    room: str
    subject: str | None

    def __str__(self) -> str:
        """Return it in words."""
        account = f" as {self.subject}" if self.subject is not None else ""
        return f"room {self.room!r} of {self.relay}{account}"


def bound_to(connection: sqlite3.Connection) -> Binding | None:
    """Return what the file belongs to; None until its first completed sync."""
    relay, room, subject = connection.execute("SELECT relay, room, subject FROM state").fetchone()
    return None if relay is None else Binding(relay, room, subject)


def elsewhere(bound: Binding, wanted: Binding) -> BoundElsewhere:
    """Return the error of a library that belongs to `bound` and was to meet `wanted`."""
    return BoundElsewhere(
        f"this library belongs to {bound} and was to be synced with {wanted}; two libraries that have merged "
        "cannot be parted. Use another file, or make a new one; `crdt-sync sign-out` lets this one go"
    )


def check(connection: sqlite3.Connection, wanted: Binding) -> None:
    """Raise `BoundElsewhere` if the file belongs to something else."""
    bound = bound_to(connection)
    if bound is not None and bound != wanted:
        raise elsewhere(bound, wanted)


def bind(connection: sqlite3.Connection, wanted: Binding) -> None:
    """Bind the file if it is not bound yet. Raises `BoundElsewhere`. The caller holds the transaction."""
    check(connection, wanted)
    connection.execute(
        "UPDATE state SET relay = ?, room = ?, subject = ? WHERE relay IS NULL",
        (wanted.relay, wanted.room, wanted.subject),
    )


def unbind(connection: sqlite3.Connection) -> None:
    """Let the file belong to nobody. The caller holds the transaction."""
    connection.execute("UPDATE state SET relay = NULL, room = NULL, subject = NULL")


class Partner:
    """What a file is being synced with by this process, if anything. The caller holds the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._wanted: Binding | None = None
        self.is_bound = False
        """Whether the file has been seen to belong to it."""

    def meet(self, wanted: Binding) -> None:
        """Sync with `wanted` from now on. Raises `BoundElsewhere` if the file belongs to something else."""
        check(self._connection, wanted)
        self._wanted = wanted
        self.is_bound = bound_to(self._connection) is not None

    def check(self) -> None:
        """Raise `BoundElsewhere` if the file was signed out meanwhile: it, or its next relay, would merge with this."""
        if self._wanted is None:
            return
        check(self._connection, self._wanted)
        if self.is_bound and bound_to(self._connection) is None:
            raise BoundElsewhere("this library was signed out; open it again to sync it")

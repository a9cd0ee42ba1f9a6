"""Members in the relay's file.

    rosters          a record of each room that was ever shared: a group's name and maker, and when it was deleted
    members          who has a role where; of a subject's own rooms it is not here, its name says it
    invitations      those that may still be used, and by whom they were (`invitation_uses`)
    audit            what was changed, by whom and about whom; nothing takes a line out
    keys             what signs invitations

A roster is read whole and written as the difference, in one transaction of the one writer.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from crdt_sync_server.errors import StoreError
from crdt_sync_server.invitations import KEY_BYTES
from crdt_sync_server.ports import Role
from crdt_sync_server.rooms import owns
from crdt_sync_server.roster import Change, Decision, Entry, Invitation, Member, Membership, Roster
from crdt_sync_server.stores.sqlite_file import transaction
from crdt_sync_server.stores.sqlite_reading import Readers
from crdt_sync_server.stores.sqlite_writing import Writer

__all__ = ["TABLES", "SqliteMembers", "keep_members"]

TABLES = ("rosters", "members", "invitations", "invitation_uses", "audit", "keys")
"""What belongs to members in the file."""

ROLE = "SELECT role FROM members WHERE room = ? AND subject = ?"
ROSTER = "SELECT name, made_by, made_ms, deleted_ms FROM rosters WHERE room = ?"
MEMBERS = "SELECT subject, role, since_ms, name FROM members WHERE room = ? ORDER BY subject"
INVITATIONS = """
SELECT id, role, made_by, made_ms, expires_ms, uses_left FROM invitations WHERE room = ? ORDER BY made_ms, id
"""
USES = """
SELECT invitation, subject FROM invitation_uses WHERE invitation IN (SELECT id FROM invitations WHERE room = ?)
"""
MEMBERSHIPS = """
SELECT room, subject, role, since_ms, rosters.name, rosters.deleted_ms IS NOT NULL
FROM members JOIN rosters USING (room)
"""
AUDIT = """
SELECT number, at_ms, who, what, room, about, detail FROM audit
WHERE (?1 IS NULL OR room = ?1) AND (?2 IS NULL OR who = ?2 OR about = ?2) AND (?3 IS NULL OR number < ?3)
ORDER BY number DESC LIMIT ?4
"""
PUT_ROSTER = "INSERT OR REPLACE INTO rosters (room, name, made_by, made_ms, deleted_ms) VALUES (?, ?, ?, ?, ?)"
PUT_MEMBER = "INSERT OR REPLACE INTO members (room, subject, role, since_ms, name) VALUES (?, ?, ?, ?, ?)"
PUT_INVITATION = """
INSERT OR REPLACE INTO invitations (id, room, role, made_by, made_ms, expires_ms, uses_left)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
PUT_USE = "INSERT OR IGNORE INTO invitation_uses (invitation, subject) VALUES (?, ?)"
PUT_ENTRY = "INSERT INTO audit (at_ms, who, what, room, about, detail) VALUES (?, ?, ?, ?, ?, ?)"

Value = TypeVar("Value")


class SqliteMembers:
    """`keepers.Members` on the threads of a `SqliteStore`, which opens and closes the file."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers
        self._key: bytes | None = None

    async def role(self, room: str, subject: str) -> Role | None:
        """Return what a subject may do in a room."""
        if owns(subject, room):
            return Role.OWNER
        found = await self._readers.read(lambda connection: connection.execute(ROLE, (room, subject)).fetchone())
        return None if found is None else _role(found[0], room)

    async def roster(self, room: str) -> Roster:
        """Return all that is known of a room's members."""

        def read(connection: sqlite3.Connection) -> Roster:
            connection.execute("BEGIN")  # all tables as of one moment; the reader ends it
            return _load(connection, room)

        return await self._readers.read(read)

    async def memberships(self, subject: str | None = None) -> Sequence[Membership]:
        """Return the memberships of a subject by room, or all by room and subject."""
        which = ("ORDER BY room, subject", ()) if subject is None else ("WHERE subject = ? ORDER BY room", (subject,))

        def read(connection: sqlite3.Connection) -> list[Membership]:
            return [
                Membership(room, each, _role(role, room), since_ms, name, bool(is_deleted))
                for room, each, role, since_ms, name, is_deleted in connection.execute(MEMBERSHIPS + which[0], which[1])
            ]

        return await self._readers.read(read)

    async def change(self, room: str, decide: Callable[[Roster], Decision[Value]]) -> Change[Value]:
        """Let `decide` say what follows from the roster of `room`, and store that with its audit in one transaction."""

        def run(connection: sqlite3.Connection) -> Change[Value]:
            with transaction(connection):
                before = _load(connection, room)
                decision = decide(before)
                if decision.roster is not before:
                    _save(connection, before, decision.roster)
                for entry in decision.entries:
                    row = (entry.at_ms, entry.who, entry.what, entry.room, entry.about, entry.detail)
                    connection.execute(PUT_ENTRY, row)
            return Change(before, decision.roster, decision.value)

        return await self._writer.call(run)

    async def audit(
        self, *, room: str | None = None, subject: str | None = None, before: int | None = None, most: int = 100
    ) -> Sequence[tuple[int, Entry]]:
        """Return the newest entries with their numbers, the newest first."""
        which = (room, subject, before, most)
        rows = await self._readers.read(lambda connection: connection.execute(AUDIT, which).fetchall())
        return [(number, Entry(*rest)) for number, *rest in rows]

    async def key(self) -> bytes:
        """Return the key that signs invitations; it is made when it is first asked for."""

        def run(connection: sqlite3.Connection) -> bytes:
            with transaction(connection):
                made = secrets.token_bytes(KEY_BYTES)
                connection.execute("INSERT OR IGNORE INTO keys (name, secret) VALUES ('invitations', ?)", (made,))
                (key,) = connection.execute("SELECT secret FROM keys WHERE name = 'invitations'").fetchone()
            return bytes(key)

        if self._key is None:
            self._key = await self._writer.call(run)
        return self._key


def keep_members(copy: sqlite3.Connection, old: sqlite3.Connection) -> None:
    """Put into `copy`, within its transaction, who is in the rooms that `old` knows, and its audit.

    A backup lets nobody in again: who may do what stays as it was before the documents went back.
    """
    for (room,) in old.execute("SELECT room FROM rosters").fetchall():
        _save(copy, _load(copy, room), _load(old, room))
    lines = old.execute("SELECT number, at_ms, who, what, room, about, detail FROM audit").fetchall()
    copy.executemany("INSERT OR IGNORE INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)", lines)


def _load(connection: sqlite3.Connection, room: str) -> Roster:
    head = connection.execute(ROSTER, (room,)).fetchone()
    if head is None:
        return Roster(room)
    used_by: dict[str, set[str]] = {}
    for invitation, subject in connection.execute(USES, (room,)):
        used_by.setdefault(invitation, set()).add(subject)
    members = {
        subject: Member(subject, _role(role, room), since_ms, name)
        for subject, role, since_ms, name in connection.execute(MEMBERS, (room,))
    }
    invitations = {
        key: Invitation(key, _role(role, room), made_by, made_ms, expires_ms, left, frozenset(used_by.get(key, ())))
        for key, role, made_by, made_ms, expires_ms, left in connection.execute(INVITATIONS, (room,))
    }
    name, made_by, made_ms, deleted_ms = head
    return Roster(room, name, made_by, made_ms, deleted_ms, members, invitations)


def _save(connection: sqlite3.Connection, before: Roster, after: Roster) -> None:
    """Write what differs."""
    room = after.room
    connection.execute(PUT_ROSTER, (room, after.name, after.made_by, after.made_ms, after.deleted_ms))
    for subject in before.members.keys() - after.members.keys():
        connection.execute("DELETE FROM members WHERE room = ? AND subject = ?", (room, subject))
    for subject, member in after.members.items():
        if before.members.get(subject) != member:
            connection.execute(PUT_MEMBER, (room, subject, member.role, member.since_ms, member.name))
    for key in before.invitations.keys() - after.invitations.keys():
        connection.execute("DELETE FROM invitation_uses WHERE invitation = ?", (key,))
        connection.execute("DELETE FROM invitations WHERE id = ?", (key,))
    for key, each in after.invitations.items():
        if before.invitations.get(key) != each:
            row = (key, room, each.role, each.made_by, each.made_ms, each.expires_ms, each.uses_left)
            connection.execute(PUT_INVITATION, row)
            connection.executemany(PUT_USE, [(key, subject) for subject in each.used_by])


def _role(name: str, room: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise StoreError(f"a member of {room!r} has the role {name!r}, which this version does not know") from None

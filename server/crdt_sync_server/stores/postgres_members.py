"""Members in PostgreSQL: the tables of `sqlite_members`, in the same shape.

A change holds the lock of its room's roster, which needs no row of it: of two relays that decide at once, the second
decides on what the first has written. A roster is read whole in one statement, so it is as of one moment.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from crdt_sync_server.errors import StoreError
from crdt_sync_server.invitations import KEY_BYTES
from crdt_sync_server.ports import NoticeKind, Role
from crdt_sync_server.rooms import owns
from crdt_sync_server.roster import Change, Decision, Entry, Invitation, Member, Membership, Roster
from crdt_sync_server.stores.postgres_connecting import Row
from crdt_sync_server.stores.postgres_link import Link, Session
from crdt_sync_server.stores.postgres_notices import announce

__all__ = ["PostgresMembers"]

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))"
ROLE = "SELECT role FROM members WHERE room = %s AND subject = %s"
ROSTER = """
SELECT name, made_by, made_ms, deleted_ms, (
    SELECT coalesce(jsonb_agg(jsonb_build_array(subject, role, since_ms, name) ORDER BY subject), '[]')
    FROM members WHERE room = %(room)s
), (
    SELECT coalesce(jsonb_agg(jsonb_build_array(id, role, made_by, made_ms, expires_ms, uses_left, (
        SELECT coalesce(jsonb_agg(subject), '[]') FROM invitation_uses WHERE invitation = id
    )) ORDER BY made_ms, id), '[]')
    FROM invitations WHERE room = %(room)s
)
FROM rosters WHERE room = %(room)s
"""
MEMBERSHIPS = """
SELECT room, subject, role, since_ms, rosters.name, rosters.deleted_ms IS NOT NULL
FROM members JOIN rosters USING (room)
"""
AUDIT = """
SELECT number, at_ms, who, what, room, about, detail FROM audit
WHERE (%(room)s::text IS NULL OR room = %(room)s)
    AND (%(subject)s::text IS NULL OR who = %(subject)s OR about = %(subject)s)
    AND (%(before)s::bigint IS NULL OR number < %(before)s)
ORDER BY number DESC LIMIT %(most)s
"""
PUT_ROSTER = """
INSERT INTO rosters (room, name, made_by, made_ms, deleted_ms) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (room) DO UPDATE SET name = excluded.name, made_by = excluded.made_by, made_ms = excluded.made_ms,
    deleted_ms = excluded.deleted_ms
"""
PUT_MEMBER = """
INSERT INTO members (room, subject, role, since_ms, name) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (room, subject) DO UPDATE SET role = excluded.role, since_ms = excluded.since_ms, name = excluded.name
"""
PUT_INVITATION = """
INSERT INTO invitations (id, room, role, made_by, made_ms, expires_ms, uses_left) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET role = excluded.role, made_by = excluded.made_by, made_ms = excluded.made_ms,
    expires_ms = excluded.expires_ms, uses_left = excluded.uses_left
"""
PUT_USE = "INSERT INTO invitation_uses (invitation, subject) VALUES (%s, %s) ON CONFLICT DO NOTHING"
PUT_ENTRY = "INSERT INTO audit (at_ms, who, what, room, about, detail) VALUES (%s, %s, %s, %s, %s, %s)"
PUT_KEY = "INSERT INTO keys (name, secret) VALUES ('invitations', %s) ON CONFLICT DO NOTHING"
KEY = "SELECT secret FROM keys WHERE name = 'invitations'"

Value = TypeVar("Value")


class PostgresMembers:
    """`keepers.Members` on the connections of a `PostgresStore`, which opens and closes them."""

    def __init__(self, link: Link, node: str) -> None:
        self._link = link
        self._node = node
        self._key: bytes | None = None

    async def role(self, room: str, subject: str) -> Role | None:
        """Return what a subject may do in a room."""
        if owns(subject, room):
            return Role.OWNER
        found = await self._link.read(ROLE, (room, subject))
        return _role(found[0][0], room) if found else None

    async def roster(self, room: str) -> Roster:
        """Return all that is known of a room's members."""
        return _roster(room, await self._link.read(ROSTER, {"room": room}))

    async def memberships(self, subject: str | None = None) -> Sequence[Membership]:
        """Return the memberships of a subject by room, or all by room and subject."""
        if subject is None:
            found = await self._link.read(f"{MEMBERSHIPS} ORDER BY room, subject")
        else:
            found = await self._link.read(f"{MEMBERSHIPS} WHERE subject = %s ORDER BY room", (subject,))
        return [Membership(room, each, _role(role, room), *rest) for room, each, role, *rest in found]

    async def change(self, room: str, decide: Callable[[Roster], Decision[Value]]) -> Change[Value]:
        """Let `decide` say what follows from the roster of `room`, and store that with its audit in one transaction."""
        async with self._link.transaction() as session:
            await session.execute(LOCK, (room,))
            before = _roster(room, await session.execute(ROSTER, {"room": room}))
            decision = decide(before)
            if decision.entries:
                entries = [(e.at_ms, e.who, e.what, e.room, e.about, e.detail) for e in decision.entries]
                await session.many(PUT_ENTRY, entries)
            if decision.roster is not before:
                await _save(session, before, decision.roster)
                await announce(session, self._node, NoticeKind.ROLES, [room])
        return Change(before, decision.roster, decision.value)

    async def audit(
        self, *, room: str | None = None, subject: str | None = None, before: int | None = None, most: int = 100
    ) -> Sequence[tuple[int, Entry]]:
        """Return the newest entries with their numbers, the newest first."""
        which = {"room": room, "subject": subject, "before": before, "most": most}
        return [(number, Entry(*rest)) for number, *rest in await self._link.read(AUDIT, which)]

    async def key(self) -> bytes:
        """Return the key that signs invitations; it is made when it is first asked for."""
        if self._key is None:
            await self._link.run(PUT_KEY, (secrets.token_bytes(KEY_BYTES),))
            ((self._key,),) = await self._link.read(KEY)
        assert self._key is not None
        return self._key


async def _save(session: Session, before: Roster, after: Roster) -> None:
    """Write what differs."""
    room = after.room
    await session.execute(PUT_ROSTER, (room, after.name, after.made_by, after.made_ms, after.deleted_ms))
    if gone := list(before.members.keys() - after.members.keys()):
        await session.execute("DELETE FROM members WHERE room = %s AND subject = ANY(%s)", (room, gone))
    members = [each for key, each in after.members.items() if before.members.get(key) != each]
    await session.many(PUT_MEMBER, [(room, each.subject, each.role, each.since_ms, each.name) for each in members])
    if gone := list(before.invitations.keys() - after.invitations.keys()):
        await session.execute("DELETE FROM invitation_uses WHERE invitation = ANY(%s)", (gone,))
        await session.execute("DELETE FROM invitations WHERE id = ANY(%s)", (gone,))
    invitations = [each for key, each in after.invitations.items() if before.invitations.get(key) != each]
    rows: list[tuple[Any, ...]] = [
        (each.id, room, each.role, each.made_by, each.made_ms, each.expires_ms, each.uses_left) for each in invitations
    ]
    await session.many(PUT_INVITATION, rows)
    await session.many(PUT_USE, [(each.id, subject) for each in invitations for subject in sorted(each.used_by)])


def _roster(room: str, found: Sequence[Row]) -> Roster:
    if not found:
        return Roster(room)
    name, made_by, made_ms, deleted_ms, of_members, of_invitations = found[0]
    members = {
        subject: Member(subject, _role(role, room), since_ms, called) for subject, role, since_ms, called in of_members
    }
    invitations = {
        key: Invitation(key, _role(role, room), made_by, made_ms, expires_ms, left, frozenset(used_by))
        for key, role, made_by, made_ms, expires_ms, left, used_by in of_invitations
    }
    return Roster(room, name, made_by, made_ms, deleted_ms, members, invitations)


def _role(name: str, room: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise StoreError(f"a member of {room!r} has the role {name!r}, which this version does not know") from None

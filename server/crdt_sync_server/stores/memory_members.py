"""Members that are forgotten with the process: for tests, and for relays whose store forgets too."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

from crdt_sync_server.invitations import KEY_BYTES
from crdt_sync_server.ports import Role
from crdt_sync_server.roster import Change, Decision, Entry, Membership, Roster

__all__ = ["MemoryMembers"]

Value = TypeVar("Value")


class MemoryMembers:
    """`keepers.Members` in dictionaries."""

    def __init__(self) -> None:
        self._rosters: dict[str, Roster] = {}
        self._audit: list[Entry] = []
        self._key = secrets.token_bytes(KEY_BYTES)

    async def role(self, room: str, subject: str) -> Role | None:
        """Return what a subject may do in a room."""
        return (await self.roster(room)).role(subject)

    async def roster(self, room: str) -> Roster:
        """Return all that is known of a room's members."""
        return self._rosters.get(room, Roster(room))

    async def memberships(self, subject: str | None = None) -> Sequence[Membership]:
        """Return the memberships of a subject by room, or all by room and subject."""
        return [
            Membership(room, each.subject, each.role, each.since_ms, roster.name, roster.deleted_ms is not None)
            for room, roster in sorted(self._rosters.items())
            for _, each in sorted(roster.members.items())
            if subject in (None, each.subject)
        ]

    async def change(self, room: str, decide: Callable[[Roster], Decision[Value]]) -> Change[Value]:
        """Let `decide` say what follows from the roster of `room`, and keep that with its audit."""
        before = await self.roster(room)
        decision = decide(before)
        if decision.roster is not before:
            self._rosters[room] = decision.roster
        self._audit += decision.entries
        return Change(before, decision.roster, decision.value)

    async def audit(
        self, *, room: str | None = None, subject: str | None = None, before: int | None = None, most: int = 100
    ) -> Sequence[tuple[int, Entry]]:
        """Return the newest entries with their numbers, the newest first."""
        found = [
            (number, entry)
            for number, entry in enumerate(self._audit, start=1)
            if room in (None, entry.room)
            and (subject is None or subject in (entry.who, entry.about))
            and (before is None or number < before)
        ]
        return found[::-1][:most]

    async def key(self) -> bytes:
        """Return the key that signs invitations."""
        return self._key

"""Changes of who is in a room: decided by `membership`, stored by `Members`, in effect on who is there at once.

A change is never cut between its commit and its effect, whoever stops waiting for it. One that fails may be stored all
the same: then the store is asked, and what it says takes effect.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import anyio

from crdt_sync_server import invitations, membership
from crdt_sync_server.errors import NoSuchRoom, RoomDeleted, SharingError, StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.keepers import Members
from crdt_sync_server.ports import Role
from crdt_sync_server.rooms import RoomNameError, is_group, new_group, own_room
from crdt_sync_server.roster import Actor, Change, Decision, Invitation, Member, Membership, Roster

__all__ = ["MAX_GROUPS", "Sharing"]

MAX_GROUPS = 1000
"""How many living groups a subject may own."""
ANSWER_WITHIN_S = 5.0
"""How long the store may take to say what became of a change that failed."""

Value = TypeVar("Value")


class Sharing:
    """The members of the rooms of a running host. `wall_ms` is the clock of rosters, in milliseconds since 1970."""

    def __init__(
        self, host: Host, members: Members, *, wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._host = host
        self._members = members
        self._wall_ms = wall_ms

    async def rooms(self, subject: str) -> list[Membership]:
        """Return the living rooms of a subject by name: its own that are stored, and those that it is a member of."""
        found = [each for each in await self._members.memberships(subject) if not each.is_deleted]
        try:
            own = await self._host.store.under(own_room(subject))
        except RoomNameError:  # a subject that no room can be called after
            own = ()
        found += [Membership(each.name, subject, Role.OWNER, 0) for each in own if each.deleted_ms is None]
        return sorted(found, key=lambda each: each.room)

    async def living(self, room: str) -> Roster:
        """Return the roster of a room. Raises `RoomDeleted`."""
        roster, records = await self._members.roster(room), await self._host.store.rooms(room)
        if roster.deleted_ms is not None or (records and records[0].deleted_ms is not None):
            raise RoomDeleted("the document was deleted")
        return roster

    async def found(self, actor: Actor, name: str) -> Membership:
        """Make a group. Raises `SharingError`."""
        owned = [
            each
            for each in await self._members.memberships(actor.subject)
            if each.role is Role.OWNER and is_group(each.room) and not each.is_deleted
        ]
        if len(owned) >= MAX_GROUPS:
            raise SharingError(f"one owns at most {MAX_GROUPS} groups; delete some, or let others own them")
        room, now_ms = new_group(), self._wall_ms()
        change = await self._change(room, lambda roster: membership.found(roster, actor, name, now_ms))
        return _membership(change.after, change.value)

    async def rename(self, room: str, actor: Actor, name: str) -> Roster:
        """Give a group another name. Raises `SharingError`, `NoSuchRoom`, `Forbidden`."""
        now_ms = self._wall_ms()
        return (await self._change(room, lambda roster: membership.rename(roster, actor, name, now_ms))).after

    async def set_role(self, room: str, actor: Actor, subject: str, role: Role) -> Member:
        """Give a member another role. Raises `SharingError`, `NoSuchRoom`, `Forbidden`."""
        now_ms = self._wall_ms()
        change = await self._change(room, lambda roster: membership.set_role(roster, actor, subject, role, now_ms))
        return change.value

    async def remove(self, room: str, actor: Actor, subject: str) -> None:
        """Take a member out, or let it leave. Raises `SharingError`, `NoSuchRoom`, `Forbidden`."""
        now_ms = self._wall_ms()
        await self._change(room, lambda roster: membership.remove(roster, actor, subject, now_ms))

    async def invite(
        self, room: str, actor: Actor, role: Role, lifetime_s: int, uses: int | None
    ) -> tuple[Invitation, str]:
        """Make an invitation, and return it with its token. Raises `SharingError`, `NoSuchRoom`, `Forbidden`."""
        now_ms, new = self._wall_ms(), invitations.new_id()
        key = await self._members.key()

        def decide(roster: Roster) -> Decision[Invitation]:
            return membership.invite(roster, actor, new, role, lifetime_s, uses, now_ms)

        made = (await self._change(room, decide)).value
        return made, invitations.write(invitations.Claim(room, made.id, made.expires_ms), key)

    async def open_invitations(self, room: str) -> list[Invitation]:
        """Return those that can still be accepted, the oldest first."""
        now_ms = self._wall_ms()
        every = (await self._members.roster(room)).invitations.values()
        return [each for each in every if now_ms < each.expires_ms and each.uses_left != 0]

    async def revoke(self, room: str, actor: Actor, invitation: str) -> None:
        """End an invitation. Raises `SharingError`, `NoSuchRoom`, `Forbidden`."""
        now_ms = self._wall_ms()
        await self._change(room, lambda roster: membership.revoke(roster, actor, invitation, now_ms))

    async def accept(self, actor: Actor, token: str) -> Membership:
        """Make who asks a member of the room that a token is for. Raises `NoSuchInvitation`, `SharingError`."""
        now_ms = self._wall_ms()
        claim = invitations.read(token, await self._members.key(), now_ms)
        if claim is None:
            raise membership.unusable()
        change = await self._change(claim.room, lambda roster: membership.accept(roster, actor, claim.id, now_ms))
        return _membership(change.after, change.value)

    async def delete(self, room: str, actor: Actor) -> None:
        """Erase a room for good: its document first, so that what is told to be gone is. Raises `RelayError`.

        If the relay dies in between, the document is gone and its roster stays until this is asked again.
        """
        now_ms = self._wall_ms()
        roster = await self._members.roster(room)
        membership.delete(roster, actor, now_ms)  # or who may not would learn too late
        if roster == Roster(room) and not await self._host.store.rooms(room):
            raise NoSuchRoom("nothing is stored under this name")
        with anyio.CancelScope(shield=True):
            await self._host.delete(room)
            await self.put_away(room, actor)

    async def put_away(self, room: str, actor: Actor) -> None:
        """Say in the roster of a room that its document is gone. Raises `StoreError`."""
        now_ms = self._wall_ms()

        def decide(roster: Roster) -> Decision[None]:
            return (
                Decision(roster, None) if roster.deleted_ms is not None else membership.put_away(roster, actor, now_ms)
            )

        await self._change(room, decide)

    async def _change(self, room: str, decide: Callable[[Roster], Decision[Value]]) -> Change[Value]:
        with anyio.CancelScope(shield=True):
            try:
                change = await self._members.change(room, decide)
            except StoreError:
                await self._ask_anew(room)
                raise
            self._host.noticed()
            before, after = change.before, change.after
            for subject in before.members.keys() | after.members.keys():
                if before.role(subject) is not after.role(subject):
                    self._host.regrade(room, subject, after.role(subject))
        return change

    async def _ask_anew(self, room: str) -> None:
        """Bring who is in the room to what the store says of it, as nobody knows what became of a change.

        If it does not say, they are closed, and come back when it can be asked.
        """
        with anyio.move_on_after(ANSWER_WITHIN_S), suppress(StoreError):
            while True:
                as_of = self._host.roles_changed
                roster = await self._members.roster(room)
                if as_of == self._host.roles_changed:  # or the answer may be of before another change
                    self._host.regrade_all(room, roster.role)
                    return
        self._host.doubt(room)


def _membership(roster: Roster, member: Member) -> Membership:
    return Membership(roster.room, member.subject, member.role, member.since_ms, roster.name)

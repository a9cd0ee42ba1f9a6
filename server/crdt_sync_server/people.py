"""What an operator may do with people: roles, one user's data, the audit. `administration` hands these requests on.

A subject in the audit stays there, also of a user who was deleted: it says what was done, and holds nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from crdt_sync_server.errors import LastOwner, NoSuchMember, RelayError, SharingError
from crdt_sync_server.host import Host
from crdt_sync_server.keepers import Members
from crdt_sync_server.ports import Role, RoomRecord
from crdt_sync_server.rooms import is_group, own_room, room_named
from crdt_sync_server.roster import OPERATOR, Membership
from crdt_sync_server.sharing import Sharing
from crdt_sync_server.threads import forget, said
from crdt_sync_server.token_desk import shown

__all__ = ["People"]

MAX_ENTRIES = 10_000
"""Of one answer about the audit."""


class People:
    """The commands about people, on a running host."""

    def __init__(
        self, host: Host, members: Members, *, wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._host = host
        self._members = members
        self._sharing = Sharing(host, members)
        self._wall_ms = wall_ms

    async def answer(self, request: Mapping[str, Any]) -> Any:
        """Do what `request` says and return the answer as JSON. Raises `RelayError`, also for what is none of these."""
        for value in request.values():  # the command line hands on bytes that are not UTF-8 as half characters
            if isinstance(value, str) and value.encode("utf-8", "replace").decode() != value:
                raise SharingError(f"{value!r} is no text, so nothing is called that")
        match request:
            case {"do": "grants", "room": str() | None as room, "subject": str() | None as subject}:
                return await self._grants(room, subject)
            case {"do": "set grant", "room": str(room), "subject": str(subject), "role": str(role)}:
                return asdict(await self._sharing.set_role(room_named(room), OPERATOR, subject, _role(role)))
            case {"do": "remove grant", "room": str(room), "subject": str(subject)}:
                await self._sharing.remove(room_named(room), OPERATOR, subject)
                return {"room": room_named(room), "subject": subject}
            case {"do": "user", "subject": str(subject)}:
                return await self._user(subject)
            case {"do": "delete user", "subject": str(subject)}:
                return await self._delete_user(subject)
            case {
                "do": "audit", "room": str() | None as room, "subject": str() | None as subject,
                "before": int() | None as before, "most": int(most),
            }:  # fmt: skip
                found = await self._members.audit(
                    room=room, subject=subject, before=before, most=max(1, min(most, MAX_ENTRIES))
                )
                return [{"number": number, **asdict(entry)} for number, entry in found]
        raise RelayError("the relay does not know this command; it may be of another version")

    async def buried(self, room: str) -> None:
        """Say in the roster of a room that the operator has deleted its document. Raises `StoreError`."""
        await self._sharing.put_away(room, OPERATOR)

    async def _grants(self, room: str | None, subject: str | None) -> list[dict[str, Any]]:
        found = await self._members.memberships(subject)
        return [_shown(each) for each in found if room in (None, each.room) and not each.is_deleted]

    async def _user(self, subject: str) -> dict[str, Any]:
        """Return all that is known of a user; the documents of its rooms are exported one by one."""
        rooms, memberships = await self._own(subject), await self._members.memberships(subject)
        entries = await self._members.audit(subject=subject, most=MAX_ENTRIES)
        if not rooms and not memberships and not entries:
            raise NoSuchMember(f"nothing is known of a subject {subject!r}")
        return {
            "subject": subject,
            "rooms": [asdict(each) for each in rooms if each.deleted_ms is None],
            "memberships": [_shown(each) for each in memberships],
            "audit": [asdict(entry) for _, entry in entries],
            "discussions": await self._said(subject),
            "devices": [asdict(each) for each in await self._host.sightings.listed(subject=subject)],
            "tokens": []
            if self._host.tokens is None
            else [shown(each) for each in await self._host.tokens.listed(subject)],
        }

    async def _said(self, subject: str) -> list[dict[str, Any]]:
        found = [(group, await said(self._host, group, subject)) for group in await self._groups(subject)]
        return [{"room": group, **words} for group, words in found if words is not None]

    async def _groups(self, subject: str) -> list[str]:
        """Return the groups that a subject is or ever was in: the audit has each way into one, and keeps it."""
        found = {each.room for each in await self._members.memberships(subject)}
        before: int | None = None
        while page := await self._members.audit(subject=subject, before=before, most=MAX_ENTRIES):
            found |= {entry.room for _, entry in page}
            before = page[-1][0]
        return sorted(room for room in found if is_group(room))

    async def _own(self, subject: str) -> list[RoomRecord]:
        return list(await self._host.store.under(own_room(subject)))

    async def _delete_user(self, subject: str) -> dict[str, Any]:
        """Erase a user's rooms and end its memberships; a group that it alone is in goes with it.

        Then it is taken out of the discussions of all groups, those that it has left before among them.
        Nothing is done if a group with others in it would be left without an owner. If the relay dies in between, ask
        again: what is done stays done.
        """
        groups, left, alone = await self._members.memberships(subject), list[str](), list[str]()
        for each in groups:
            roster = await self._members.roster(each.room)
            if each.is_deleted or not is_group(each.room):
                continue
            owners = [other for other in roster.members.values() if other.role is Role.OWNER]
            if len(roster.members) == 1:
                alone.append(each.room)
            elif each.role is Role.OWNER and len(owners) == 1:
                left.append(each.room)
        if left:
            raise LastOwner(
                f"{subject!r} is the last owner of {', '.join(left)}, where others are too; "
                "make another the owner with `grants set`, or delete the group, and ask again"
            )
        own = [each.name for each in await self._own(subject) if each.deleted_ms is None]
        for room in sorted(
            {*own, own_room(subject), *alone}
        ):  # the library itself, stored or not: a device may have it
            await self._host.delete(room)
            await self.buried(room)
        for each in groups:
            if not each.is_deleted and each.room not in alone:
                await self._sharing.remove(each.room, OPERATOR, subject)
        kept = [each.room for each in groups if each.room not in alone and not each.is_deleted]
        # it is in no group any more, so it writes nothing behind this
        everywhere = await self._groups(subject)
        talked = [group for group in everywhere if await forget(self._host, group, subject, self._wall_ms())]
        await self._host.sightings.forget(subject=subject)
        rooms = sorted({*own, *alone})
        return {"subject": subject, "rooms": rooms, "memberships": kept, "discussions": talked}


def _shown(each: Membership) -> dict[str, Any]:
    return {
        "room": each.room,
        "subject": each.subject,
        "role": each.role,
        "since_ms": each.since_ms,
        "name": each.name,
    }


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise SharingError(f"{name!r} is no role; there are {', '.join(Role)}") from None

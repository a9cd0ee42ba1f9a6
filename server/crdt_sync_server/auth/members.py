"""The rule of rooms where subjects are known: each owns its own rooms, and has in others the role that it was given."""

from __future__ import annotations

from crdt_sync_server.keepers import Members
from crdt_sync_server.ports import Identity, Role
from crdt_sync_server.rooms import group_of

__all__ = ["MembersAuthority"]


class MembersAuthority:
    """`ports.Authority` under which a name of `rooms` says who owns, and a roster who is a member."""

    def __init__(self, members: Members) -> None:
        self._members = members

    async def role(self, identity: Identity, room: str) -> Role | None:
        """Return the role, None for whoever has none or no name. Raises `StoreError`.

        The threads of a group have no members of their own: whoever has a role in the group is a reader of them.
        """
        if not identity.subject:
            return None
        group = group_of(room)
        role = await self._members.role(group or room, identity.subject)
        return role if group is None or role is None else Role.READER

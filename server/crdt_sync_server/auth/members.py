"""The rule of rooms where subjects are known: each owns its own rooms, and has in others the role that it was given."""

from __future__ import annotations

from crdt_sync_server.ports import Identity, Members, Role

__all__ = ["MembersAuthority"]


class MembersAuthority:
    """`ports.Authority` under which a name of `rooms` says who owns, and a roster who is a member."""

    def __init__(self, members: Members) -> None:
        self._members = members

    async def role(self, identity: Identity, room: str) -> Role | None:
        """Return the role, None for whoever has none or no name. Raises `StoreError`."""
        return await self._members.role(room, identity.subject) if identity.subject else None

"""The rule of rooms where subjects are known: each has its own, and nobody else's."""

from __future__ import annotations

from crdt_sync_server.ports import Identity, Role

__all__ = ["OwnRooms"]


class OwnRooms:
    """`ports.Authority` under which a subject owns the room `u/<subject>` and all under `u/<subject>/`, and no other.

    A subject with a slash in it would own rooms of another's; it owns none.
    """

    async def role(self, identity: Identity, room: str) -> Role | None:
        """Return `Role.OWNER` for the subject's own rooms, None for all others."""
        if not identity.subject or "/" in identity.subject:
            return None
        own = f"u/{identity.subject}"
        return Role.OWNER if room == own or room.startswith(f"{own}/") else None

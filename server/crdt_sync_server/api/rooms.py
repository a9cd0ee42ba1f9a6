"""One room: what it is to who asks, a group's name, and its end."""

from __future__ import annotations

from crdt_sync_server.api.account import NAMED, shown
from crdt_sync_server.api.calls import Answer, Call, as_json
from crdt_sync_server.api.routing import Route
from crdt_sync_server.ports import Role
from crdt_sync_server.roster import Membership, Roster

__all__ = ["ROUTES"]


async def about(call: Call) -> Answer:
    """Return what the room is to who asks."""
    grant = await call.grant()
    return as_json(200, _seen(await call.services.sharing.living(call.room), grant.subject, grant.role))


async def rename(call: Call) -> Answer:
    """Give a group another name."""
    actor = call.actor
    name = (await call.read())["name"]
    roster = await call.services.sharing.rename(call.room, actor, name)
    return as_json(200, _seen(roster, actor.subject, Role.OWNER))


async def delete(call: Call) -> Answer:
    """Erase the room for good. A tombstone stays, and who is in it is closed with 4404."""
    await call.services.sharing.delete(call.room, call.actor)
    return Answer(204)


def _seen(roster: Roster, subject: str | None, role: Role) -> dict[str, object]:
    member = roster.members.get(subject) if subject else None
    since_ms = 0 if member is None else member.since_ms
    return shown(Membership(roster.room, subject or "", role, since_ms, roster.name))


ROUTES = (
    Route("GET", "/rooms/{room}", about, "What a room is to who asks", {200: "Room"}),
    Route("PATCH", "/rooms/{room}", rename, "Rename a group", {200: "Room"}, NAMED, problems=(422,)),
    Route("DELETE", "/rooms/{room}", delete, "Delete a room for good", {204: None}),
)

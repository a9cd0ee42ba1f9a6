"""Who asks, the rooms of who asks, and a new group."""

from __future__ import annotations

from typing import Any

from crdt_sync_server.api.calls import Answer, Call, as_json
from crdt_sync_server.api.paging import AFTER, LIMIT, page_of
from crdt_sync_server.api.routing import Route
from crdt_sync_server.api.shapes import Fields, Text
from crdt_sync_server.membership import MAX_NAME_CHARACTERS
from crdt_sync_server.roster import Membership

__all__ = ["NAMED", "ROUTES", "shown"]

NAMED = Fields({"name": Text(MAX_NAME_CHARACTERS, words="What people call the group; it need not be the only one.")})


def shown(membership: Membership) -> dict[str, Any]:
    """Return a room as its member sees it. Of one's own rooms it is not known since when."""
    since_ms = membership.since_ms or None
    return {"room": membership.room, "name": membership.name, "role": membership.role, "since_ms": since_ms}


async def me(call: Call) -> Answer:
    """Return the subject and the name of who asks; both null in open mode."""
    return as_json(200, {"subject": call.identity.subject, "name": call.identity.name})


async def rooms(call: Call) -> Answer:
    """Return the rooms of who asks; none in open mode, where all are everybody's."""
    subject = call.identity.subject
    every = [] if subject is None else await call.services.sharing.rooms(subject)
    page, after = page_of(every, lambda each: each.room, call.query)
    return as_json(200, {"rooms": [shown(each) for each in page], "next": after})


async def found_group(call: Call) -> Answer:
    """Make a group that who asks owns."""
    actor = call.actor
    return as_json(201, shown(await call.services.sharing.found(actor, (await call.read())["name"])))


ROUTES = (
    Route("GET", "/me", me, "Who asks", {200: "Me"}),
    Route("GET", "/rooms", rooms, "The rooms of who asks", {200: "Rooms"}, query=(AFTER, LIMIT)),
    Route("POST", "/groups", found_group, "Make a group", {201: "Room"}, NAMED, problems=(422,)),
)

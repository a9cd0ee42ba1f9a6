"""Invitations: made, listed and revoked by owners, accepted by whoever has the token."""

from __future__ import annotations

from typing import Any

from crdt_sync_server.api.account import shown
from crdt_sync_server.api.calls import Answer, Call, as_json
from crdt_sync_server.api.routing import Route
from crdt_sync_server.api.shapes import Choice, Fields, Text, Whole
from crdt_sync_server.invitations import MAX_TOKEN_CHARACTERS
from crdt_sync_server.membership import MAX_LIFETIME_S, MAX_USES, MIN_LIFETIME_S
from crdt_sync_server.ports import Role
from crdt_sync_server.roster import Invitation

__all__ = ["ROUTES"]

LIFETIME_S = 7 * 24 * 3600
USES = 1


async def make(call: Call) -> Answer:
    """Make an invitation. Its token is told this once."""
    actor = call.actor
    asked = await call.read()
    lifetime_s, uses = asked.get("lifetime_s", LIFETIME_S), asked.get("uses", USES)
    made, token = await call.services.sharing.invite(call.room, actor, Role(asked["role"]), lifetime_s, uses)
    told = _shown(made)
    return as_json(201, {name: told[name] for name in ("id", "role", "expires_ms", "uses_left")} | {"token": token})


async def listed(call: Call) -> Answer:
    """Return the invitations that can still be accepted, without their tokens, to an owner."""
    call.check_subject()
    await call.grant_of(Role.OWNER)
    await call.services.sharing.living(call.room)
    found = await call.services.sharing.open_invitations(call.room)
    return as_json(200, {"invitations": [_shown(each) for each in found]})


async def revoke(call: Call) -> Answer:
    """End an invitation. Who has accepted it stays."""
    await call.services.sharing.revoke(call.room, call.actor, call.parts["id"])
    return Answer(204)


async def accept(call: Call) -> Answer:
    """Become a member of the room that the token is for."""
    actor = call.actor
    return as_json(200, shown(await call.services.sharing.accept(actor, (await call.read())["token"])))


def _shown(invitation: Invitation) -> dict[str, Any]:
    return {
        "id": invitation.id,
        "role": invitation.role,
        "made_by": invitation.made_by,
        "made_ms": invitation.made_ms,
        "expires_ms": invitation.expires_ms,
        "uses_left": invitation.uses_left,
    }


ASKED = Fields(
    {"role": Choice((Role.EDITOR, Role.READER))},
    {
        "lifetime_s": Whole(MIN_LIFETIME_S, MAX_LIFETIME_S, words="Seconds until it ends; a week if left out."),
        "uses": Whole(1, MAX_USES, may_be_null=True, words="How many may accept it; 1 if left out, null: any number."),
    },
)
TOKEN = Fields({"token": Text(MAX_TOKEN_CHARACTERS)})
ROUTES = (
    Route("GET", "/rooms/{room}/invitations", listed, "The open invitations", {200: "Invitations"}),
    Route("POST", "/rooms/{room}/invitations", make, "Invite", {201: "NewInvitation"}, ASKED, problems=(422,)),
    Route("DELETE", "/rooms/{room}/invitations/{id}", revoke, "Revoke an invitation", {204: None}),
    Route("POST", "/invitations/accept", accept, "Accept an invitation", {200: "Room"}, TOKEN, problems=(404, 422)),
)

"""The relay's own tokens of who asks: listed, made, and revoked."""

from __future__ import annotations

from typing import Any

from crdt_sync_server.api.calls import Answer, Call, as_json
from crdt_sync_server.api.paging import AFTER, LIMIT, page_of
from crdt_sync_server.api.routing import Route
from crdt_sync_server.api.shapes import Fields, Text, Whole
from crdt_sync_server.errors import Forbidden
from crdt_sync_server.token_desk import MAX_LIFETIME_S, MAX_NAME_CHARACTERS, MIN_LIFETIME_S, TokenDesk
from crdt_sync_server.tokens import AccessToken

__all__ = ["ROUTES"]


async def listed(call: Call) -> Answer:
    """Return the tokens of who asks, the oldest first, also those that hold no more. What they are is told no more."""
    found = await _desk(call).own(call.subject)
    page, after = page_of(found, _place, call.query)
    return as_json(200, {"tokens": [_shown(each) for each in page], "next": after})


async def make(call: Call) -> Answer:
    """Make a token of who asks; the token itself is told this once.

    Made with a token of the operator it ends with that one at the latest, and is revoked with it. Made with one of the
    identity provider it outlives that, if the operator lets it. One that was made so makes no other.
    """
    desk = _desk(call)
    asked = await call.read()
    token, made = await desk.make_own(call.identity, asked.get("name"), asked.get("lifetime_s"))
    return as_json(201, {**_shown(made), "token": token})


async def revoke(call: Call) -> Answer:
    """Revoke a token of who asks for good, and those made with it: what is open with them is closed with 4401."""
    await _desk(call).revoke_own(call.subject, call.parts["token"])
    return Answer(204)


def _desk(call: Call) -> TokenDesk:
    if call.services.tokens is None:
        raise Forbidden("this relay takes no tokens of its own: start it with --auth static or --auth jwt")
    return call.services.tokens


def _place(token: AccessToken) -> str:
    return f"{token.made_ms:015d}-{token.id}"


def _shown(token: AccessToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "made_ms": token.made_ms,
        "made_with": token.made_with,
        "expires_ms": token.expires_ms,
        "revoked_ms": token.revoked_ms,
        "used_ms": token.used_ms,
    }


ASKED = Fields(
    {},
    {
        "name": Text(MAX_NAME_CHARACTERS, words="What it is for, to tell it from others."),
        "lifetime_s": Whole(
            MIN_LIFETIME_S, MAX_LIFETIME_S, words="Seconds until it ends; 30 days, or as long as it may, if left out."
        ),
    },
)
ROUTES = (
    Route("GET", "/tokens", listed, "The tokens of who asks", {200: "Tokens"}, query=(AFTER, LIMIT)),
    Route("POST", "/tokens", make, "Make a token", {201: "NewToken"}, ASKED, problems=(422,)),
    Route("DELETE", "/tokens/{token}", revoke, "Revoke a token", {204: None}, problems=(404,)),
)

"""Who is in a room, their roles, and how one leaves or is removed."""

from __future__ import annotations

from typing import Any

from crdt_sync_server.api.calls import Answer, Call, as_json
from crdt_sync_server.api.paging import AFTER, LIMIT, page_of
from crdt_sync_server.api.routing import Route
from crdt_sync_server.api.shapes import Choice, Fields
from crdt_sync_server.errors import SharingError
from crdt_sync_server.ports import Role
from crdt_sync_server.rooms import is_personal, payer
from crdt_sync_server.roster import Member

__all__ = ["ROUTES"]

ME = "me"
"""What stands for the subject who asks."""


async def listed(call: Call) -> Answer:
    """Return the members by subject. Whoever is one may know the others."""
    subject = call.subject
    await call.grant()
    found = dict((await call.services.sharing.living(call.room)).members)
    owner = payer(call.room, subject)
    if owner is not None and is_personal(call.room):
        found[owner] = Member(owner, Role.OWNER, 0)
    page, after = page_of([found[each] for each in sorted(found)], lambda each: each.subject, call.query)
    return as_json(200, {"members": [_shown(each) for each in page], "next": after})


async def set_role(call: Call) -> Answer:
    """Give a member another role, which holds at once for what is open."""
    actor = call.actor
    role = Role((await call.read())["role"])
    subject = await _subject(call)
    return as_json(200, _shown(await call.services.sharing.set_role(call.room, actor, subject, role)))


async def remove(call: Call) -> Answer:
    """Take a member out, or leave. What is open of theirs is closed with 4403."""
    actor = call.actor
    await call.services.sharing.remove(call.room, actor, await _subject(call))
    return Answer(204)


async def _subject(call: Call) -> str:
    """Return whom the path names. Raises `SharingError` where `me` could be taken for another."""
    subject = call.parts["subject"]
    if subject != ME or call.subject == ME:
        return subject
    await call.grant()  # who is nothing here must not learn who is
    if ME in (await call.services.members.roster(call.room)).members:
        raise SharingError(f"a member is called {ME!r} here, so this cannot tell you apart; ask the operator")
    return call.subject


def _shown(member: Member) -> dict[str, Any]:
    return {
        "subject": member.subject,
        "role": member.role,
        "since_ms": member.since_ms or None,
        "name": member.name,
    }


ROLE = Fields({"role": Choice(tuple(Role))})
ROUTES = (
    Route("GET", "/rooms/{room}/members", listed, "Who is in a room", {200: "Members"}, query=(AFTER, LIMIT)),
    Route(
        "PATCH", "/rooms/{room}/members/{subject}", set_role, "Change a role", {200: "Member"}, ROLE,
        problems=(409, 422),
    ),
    Route(
        "DELETE", "/rooms/{room}/members/{subject}", remove, "Remove a member, or leave as `me`", {204: None},
        problems=(409, 422),
    ),
)  # fmt: skip

"""One action on the threads of a group. The threads themselves are a room that its members follow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import anyio

from crdt_sync.protocol.messages import SyncUpdate
from crdt_sync_server.actions import MAX_TEXT_BYTES, Action, Do
from crdt_sync_server.api.calls import Answer, Call, as_json
from crdt_sync_server.api.errand import MAX_SLOWED_S
from crdt_sync_server.api.routing import Route
from crdt_sync_server.api.shapes import Choice, Fields, Text
from crdt_sync_server.limits import Limit, LimitReached
from crdt_sync_server.threads import act

__all__ = ["ROUTES"]

ID = Text(64, words="Made by who asks, at random: 16 to 64 letters, digits, - and _.")
OF_ANOTHER = Text(64, words="The id of one that is there.")
ACTION = Fields(
    {"id": ID, "do": Choice(tuple(Do))},
    {
        "highlight": Text(200, words="To open: what the thread is about."),
        "thread": OF_ANOTHER,
        "parent": OF_ANOTHER,
        "post": OF_ANOTHER,
        "text": Text(MAX_TEXT_BYTES, words="To open, reply and edit: at most 16 KiB in UTF-8."),
        "reaction": Text(32, words="An emoji or a word, at most 32 bytes in UTF-8."),
    },
)
DONE: Mapping[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "do": {"type": "string"}},
    "required": ["id", "do"],
}


async def discuss(call: Call) -> Answer:
    """Do one action on the threads of a group, once: the same action again is answered as the first time.

    The answer comes once it is durable. A thread has the id of its first post, and a post that of the action that made
    it.
    """
    actor, grant = call.actor, await call.grant()
    body = await call.read()
    action = Action(**{**body, "do": Do(body["do"])})
    text = (action.text or "").encode()
    conduct = call.services.conducts.of(grant, call.request.client)  # an action counts as an update of its size
    _, wait_s = conduct.judge([SyncUpdate(text)], len(text), call.services.host.now())
    if wait_s > MAX_SLOWED_S:
        raise LimitReached(Limit.REQUESTS, "more has come than your rate allows; come back later")
    await anyio.sleep(max(wait_s, 0))
    now_ms = time.time_ns() // 1_000_000
    await act(call.services.host, call.room, actor, call.grant, action, now_ms, call.request.client)
    return as_json(200, {"id": action.id, "do": action.do})


ROUTES = (
    Route(
        "POST", "/rooms/{room}/discussion", discuss, "Post, reply, react or moderate in a group", {200: DONE}, ACTION,
        problems=(422,), is_edit=True,
    ),
)  # fmt: skip

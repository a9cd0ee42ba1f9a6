"""The document of a room: read whole or what one lacks, as JSON, and edited by updates."""

from __future__ import annotations

import base64
import binascii
import json

import anyio.to_thread

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.update import decode_state_vector, encode_state_vector
from crdt_sync_server.api.calls import Answer, Call
from crdt_sync_server.api.errand import Ended, Errand
from crdt_sync_server.api.problems import Problem
from crdt_sync_server.api.routing import OCTETS, Query, Route
from crdt_sync_server.api.tags import is_known, tagged
from crdt_sync_server.contents import contents
from crdt_sync_server.http import Headers
from crdt_sync_server.ports import Role

__all__ = ["ROUTES"]

NOTHING = encode_state_vector({})
MAX_JSON_DOCUMENT_BYTES = 64 * 1024 * 1024
"""Of a document as an update. As JSON objects it takes many times that while it is made."""
LACKS = (
    "the update builds on edits that this room does not have; send what the room lacks, "
    "which is the difference of your document from `state_vector`"
)


async def read(call: Call) -> Answer:
    """Return the document, or what `state_vector` lacks of it."""
    state_vector = _state_vector(call.query["state_vector"])
    async with call.errand(await call.grant()).inside() as errand:
        if is_known(call.request, tag := _tag(call, errand)):
            return Answer(304, headers=tag)
        update = await errand.read(state_vector)
        return Answer(200, update, "application/octet-stream", tag)


async def read_json(call: Call) -> Answer:
    """Return the document as JSON of its roots."""
    async with call.errand(await call.grant()).inside() as errand:
        if is_known(call.request, tag := _tag(call, errand)):
            return Answer(304, headers=tag)
        async with call.services.reading:  # from here on: those that wait must not hold the document meanwhile
            update = await errand.read(NOTHING)
            if len(update) > MAX_JSON_DOCUMENT_BYTES:
                raise Problem(413, "too-big", f"documents above {MAX_JSON_DOCUMENT_BYTES} bytes are not shown as JSON")
            return Answer(200, await anyio.to_thread.run_sync(_as_json, update), headers=tag)


async def apply(call: Call) -> Answer:
    """Apply an update; the answer comes when it is durable, and it is sent to all who are in the room.

    It has no tag: the version that follows may hold what others wrote, and who posted has not read that.
    """
    grant = await call.grant_of(Role.OWNER, Role.EDITOR)  # before a body is read
    update = await call.read()
    async with call.errand(grant).inside() as errand:
        try:
            await errand.write(update)
        except Ended as error:
            if error.close_code is CloseCode.TRY_AGAIN and error.room_vector is not None:
                raise Problem(409, "lacks-content", LACKS, state_vector=_text(error.room_vector)) from None
            raise
        return Answer(204)


def _tag(call: Call, errand: Errand) -> Headers:
    """Return the version of what was read as a weak tag: the same edits may be written in another order of bytes."""
    return tagged(f"{call.services.epoch}.{errand.version}")


def _state_vector(text: str) -> bytes:
    """Return the state vector of a query, that of an empty document if there is none. Raises `Problem` (400)."""
    if not text:
        return NOTHING
    try:
        if not text.isascii() or set(text) & set("+/="):
            raise ValueError
        state_vector = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        decode_state_vector(state_vector)
    except (binascii.Error, ValueError, RemoteProtocolError):
        raise Problem(400, "query", "state_vector is a Yjs state vector in base64url without padding") from None
    return state_vector


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _as_json(update: bytes) -> bytes:
    return json.dumps(contents(update)).encode()


STATE_VECTOR = Query("state_vector", "What is there already: a Yjs state vector in base64url, without padding.")
ROUTES = (
    Route(
        "GET", "/rooms/{room}/document", read, "The document as a Yjs update", {200: "Update", 304: None},
        query=(STATE_VECTOR,),
    ),
    Route(
        "POST", "/rooms/{room}/document", apply, "Apply an update", {204: None}, OCTETS, problems=(409, 413),
        is_edit=True,
    ),
    Route(
        "GET", "/rooms/{room}/document.json", read_json, "The document as JSON", {200: "Document", 304: None},
        problems=(413,),
    ),
)  # fmt: skip

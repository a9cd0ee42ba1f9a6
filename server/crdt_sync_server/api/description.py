"""The OpenAPI 3.1 document, made from the routes, so that it can list nothing that is not there."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from crdt_sync_server.api.calls import Answer, Call
from crdt_sync_server.api.problems import CODES
from crdt_sync_server.api.routing import API_PREFIX, Octets, Query, Route
from crdt_sync_server.devices import TRANSPORTS
from crdt_sync_server.ports import Role
from crdt_sync_server.rooms import MAX_ROOM_NAME_BYTES

__all__ = ["SCHEMAS", "described", "document_of"]

OCTET_STREAM = "application/octet-stream"


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


TEXT = {"type": "string"}
TEXT_OR_NULL = {"type": ["string", "null"]}
MS = {"type": "integer", "description": "Milliseconds since 1970."}
MS_OR_NULL = {"type": ["integer", "null"], "description": "Milliseconds since 1970; null where it is not known."}
COUNT_OR_NULL = {"type": ["integer", "null"], "description": "How many may still accept it; null: any number."}
ROLE = {"type": "string", "enum": [str(each) for each in Role]}
NEXT = {"type": ["string", "null"], "description": "The `after` of the next page; null on the last."}
INVITATION: dict[str, Mapping[str, Any]] = {"id": TEXT, "role": ROLE, "expires_ms": MS, "uses_left": COUNT_OR_NULL}
TOKEN: dict[str, Mapping[str, Any]] = {
    "id": TEXT,
    "name": TEXT_OR_NULL,
    "made_ms": MS,
    "made_with": {
        "type": ["string", "null"],
        "description": "The id of the token that it was made with; `provider` for one of the identity provider, null: "
        "the operator made it.",
    },
    "expires_ms": {"type": ["integer", "null"], "description": "Milliseconds since 1970; null: it has no end."},
    "revoked_ms": {"type": ["integer", "null"], "description": "Milliseconds since 1970; null: it was not revoked."},
    "used_ms": {"type": ["integer", "null"], "description": "When somebody last came with it, a minute late at most."},
}

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "Me": _object(subject=TEXT_OR_NULL, name=TEXT_OR_NULL),
    "Room": _object(room=TEXT, name=TEXT_OR_NULL, role=ROLE, since_ms=MS_OR_NULL),
    "Rooms": _object(rooms=_list("Room"), next=NEXT),
    "Member": _object(subject=TEXT, role=ROLE, since_ms=MS_OR_NULL, name=TEXT_OR_NULL),
    "Members": _object(members=_list("Member"), next=NEXT),
    "Invitation": _object(**INVITATION, made_by=TEXT_OR_NULL, made_ms=MS),
    "Invitations": _object(invitations=_list("Invitation")),
    "NewInvitation": _object(**INVITATION, token=TEXT),
    "Token": _object(**TOKEN),
    "Tokens": _object(tokens=_list("Token"), next=NEXT),
    "NewToken": _object(**TOKEN, token=TEXT),
    "Device": _object(
        subject=TEXT,
        device={"type": ["string", "null"], "description": "What the client or its token calls itself."},
        transport={"type": "string", "enum": list(TRANSPORTS)},
        first_ms=MS,
        last_ms={"type": ["integer", "null"], "description": "Milliseconds since 1970; null: it is connected now."},
        times={"type": "integer", "description": "How often it came; over the API, how many requests."},
    ),
    "Devices": _object(devices=_list("Device"), next=NEXT),
    "Document": {"type": "object", "description": "Root name → value; roots that hold nothing are left out."},
    "Problem": {
        "type": "object",
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": list(CODES)},
            "detail": {"type": "string", "description": "What is wrong, and what to do."},
            "state_vector": {"type": "string", "description": "With lacks-content: the room's, in base64url."},
        },
        "required": ["type", "title", "status", "code", "detail"],
    },
}
PARTS: Mapping[str, Mapping[str, Any]] = {
    "room": {
        "description": "The room's name, percent-encoded as one part: its slashes are %2F.",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_ROOM_NAME_BYTES},
    },
    "subject": {
        "description": "The subject of a member, percent-encoded; `me` is who asks.",
        "schema": {"type": "string", "minLength": 1},
    },
    "token": {"description": "The id of a token.", "schema": {"type": "string", "pattern": "^[0-9a-f]{12}$"}},
    "id": {"description": "The id of an invitation.", "schema": {"type": "string", "minLength": 1}},
}
TAGGED = {"ETag": {"description": "The version of what was read.", "schema": {"type": "string"}}}


def described(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Return the routes, and the one that describes them all and itself."""

    async def describe(call: Call) -> Answer:
        """Return this document."""
        return Answer(200, written())

    @cache
    def written() -> bytes:
        return json.dumps(document_of(every)).encode()

    itself = Route("GET", "/openapi.json", describe, "This description", {200: {"type": "object"}}, is_open=True)
    every = (*routes, itself)
    return every


def document_of(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the OpenAPI document of routes, as JSON has it."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "crdt-sync relay",
            "version": version("crdt-sync"),
            "description": "Rooms, their documents and their members, beside the sync protocol itself.",
        },
        "servers": [{"url": API_PREFIX}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "None in open mode."}},
            "schemas": SCHEMAS,
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    names = [part[1:-1] for part in route.template.split("/") if part.startswith("{")]
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{route.template.replace('/', '_').replace('{', '').replace('}', '')}",
        "summary": route.summary,
        "description": inspect.getdoc(route.handler) or "",
        "parameters": [*map(_part, names), *map(_parameter, route.query)],
        "responses": {
            **{str(status): _answer(route, status) for status in route.answers},
            **{str(status): _problem() for status in _problems(route)},
        },
    }
    if isinstance(route.body, Octets):
        operation["requestBody"] = {"required": True, "content": {OCTET_STREAM: {}}}
    elif route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": route.body.schema()}}}
    if route.is_open:
        operation["security"] = []
    return operation


def _part(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, **PARTS[name]}


def _parameter(query: Query) -> dict[str, Any]:
    return {"name": query.name, "in": "query", "description": query.words, "schema": query.schema}


def _answer(route: Route, status: int) -> dict[str, Any]:
    found = route.answers[status]
    answer: dict[str, Any] = {"description": "Done." if found is None else "The answer."}
    if status == 304:
        answer["description"] = "It has not changed since the version in If-None-Match."
    if found == "Update":
        answer["content"] = {OCTET_STREAM: {}}
    elif found is not None:
        schema = {"$ref": f"#/components/schemas/{found}"} if isinstance(found, str) else found
        answer["content"] = {"application/json": {"schema": schema}}
    if 304 in route.answers:
        answer["headers"] = TAGGED
    return answer


def _problems(route: Route) -> list[int]:
    """Return the statuses of the problems that a route may have, its own and those of its kind."""
    found = {400, 403, 429, 503, *route.problems}
    if not route.is_open:
        found |= {401}
    if "{room}" in route.template:
        found |= {404, 410}
    if route.body is not None:
        found |= {408, 413, 415}
    if route.method != "GET":
        found |= {412}
    return sorted(found - set(route.answers))


def _problem() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": "A problem.", "content": {"application/problem+json": {"schema": schema}}}

"""What a handler gets, and what it gives."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from crdt_sync_server.api.errand import Conducts, Errand
from crdt_sync_server.errors import Forbidden, NoSuchRoom
from crdt_sync_server.gate import Gate
from crdt_sync_server.host import Host
from crdt_sync_server.http import Headers
from crdt_sync_server.keepers import Members
from crdt_sync_server.ports import ConnectRequest, Grant, Identity, Role
from crdt_sync_server.roster import Actor
from crdt_sync_server.sharing import Sharing
from crdt_sync_server.token_desk import TokenDesk

__all__ = ["Answer", "Call", "Services", "as_json"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer. `headers` come beside those that all answers have."""

    status: int
    data: bytes = b""
    content_type: str = "application/json"
    headers: Headers = ()


def as_json(status: int, value: Mapping[str, Any]) -> Answer:
    """Return a JSON answer."""
    return Answer(status, json.dumps(value).encode())


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with. `max_body_bytes` bounds an update."""

    host: Host
    gate: Gate
    members: Members
    sharing: Sharing
    max_body_bytes: int
    conducts: Conducts
    tokens: TokenDesk | None = None
    """None where nobody comes in with a token of the relay's own."""
    reading: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(2))
    """How many documents are turned into JSON at a time: each takes many times its size for a while."""
    epoch: str = field(default_factory=lambda: secrets.token_urlsafe(6))
    """Of this process: a store that is put back counts its positions again, so no tag outlives a restart."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that has an identity and fits its route.

    `parts` are those of the path, the room in canonical form; `query` has every parameter of the route. `read` gives
    the body, once; who may not bring one must be told before that.
    """

    services: Services
    request: ConnectRequest
    identity: Identity
    parts: Mapping[str, str]
    query: Mapping[str, str]
    read: Callable[[], Awaitable[Any]]

    @property
    def room(self) -> str:
        """The room that the path names."""
        return self.parts["room"]

    @property
    def subject(self) -> str:
        """Who asks. Raises `Forbidden` in open mode."""
        self.check_subject()
        return self.identity.subject or ""

    def check_subject(self) -> None:
        """Raise `Forbidden` in open mode."""
        if self.identity.subject is None:
            raise Forbidden("groups and members need a relay that asks who comes: start it with --auth jwt")

    @property
    def actor(self) -> Actor:
        """Who asks, as decisions have it. Raises `Forbidden` in open mode."""
        name = self.identity.name
        kept = None if name is None else name.encode("utf-8", "replace").decode()  # a token may hold half characters
        return Actor(self.subject, kept)

    async def grant(self) -> Grant:
        """Return what who asks may do in the room. Raises `NoSuchRoom` for nothing, be there such a room or not."""
        try:
            return await self.services.gate.grant(self.identity, self.room)
        except Forbidden:
            raise NoSuchRoom("there is no such room, or it is not open to you") from None

    def errand(self, grant: Grant) -> Errand:
        """Return a peer of the room for this request. Raises `Stopping`, `LimitReached`."""
        host, client = self.services.host, self.request.client
        room, conduct = host.room(self.room, client), self.services.conducts.of(grant, client)
        return Errand(room, conduct, now=host.now, limits=host.limits, grant=grant, client=client)

    async def grant_of(self, *roles: Role) -> Grant:
        """Return the grant of one of these roles. Raises `NoSuchRoom`, and `Forbidden` for another role."""
        grant = await self.grant()
        if grant.role not in roles:
            raise Forbidden(f"your role in this room is {grant.role}; this takes {' or '.join(roles)}")
        return grant

"""What is kept beside the rooms: who is in them, tokens, devices and webhooks. Small protocols, as those of `ports`.

An adapter of each lies in `stores/`, its contract in the module `conformance_…` of its name. No driver's own exception
may cross.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from crdt_sync_server.devices import Device
from crdt_sync_server.ports import Role
from crdt_sync_server.roster import Change, Decision, Entry, Membership, Roster
from crdt_sync_server.tokens import AccessToken
from crdt_sync_server.webhooks import Webhook

__all__ = ["Devices", "Members", "Tokens", "Webhooks"]

Value = TypeVar("Value")


class Members(Protocol):
    """Who is in which room, the invitations, and the audit. Every method raises `StoreError`.

    The values are in `roster`, the rules in `membership`. A room that nobody shares has an empty roster.
    """

    async def role(self, room: str, subject: str) -> Role | None:
        """Return what a subject may do in a room."""

    async def roster(self, room: str) -> Roster:
        """Return all that is known of a room's members."""

    async def memberships(self, subject: str | None = None) -> Sequence[Membership]:
        """Return the memberships of a subject by room, or all by room and subject; its own rooms are none."""

    async def change(self, room: str, decide: Callable[[Roster], Decision[Value]]) -> Change[Value]:
        """Let `decide` say what follows from the roster of `room`; store that and its audit, at once or not at all.

        Nothing changes between what `decide` is given and what it returns. It must not wait or do anything else; what
        it raises of ours comes out, and nothing is changed then. After a `StoreError` it may be stored or not; the
        caller asks.
        """

    async def audit(
        self, *, room: str | None = None, subject: str | None = None, before: int | None = None, most: int = 100
    ) -> Sequence[tuple[int, Entry]]:
        """Return the newest entries with their numbers, the newest first: of a room, by or about a subject, or all.

        Only those below the number `before`, if one is given, and at most `most`.
        """

    async def key(self) -> bytes:
        """Return the key that signs invitations: random bytes, the same for the life of the store."""


class Tokens(Protocol):
    """The tokens that the relay itself has made. Every method raises `StoreError`; the values are in `tokens`."""

    async def add(self, token: AccessToken) -> bool:
        """Keep a new token, and return True once that is durable.

        False, and nothing is kept, if the one that it was made with was revoked. What its subject made over HTTP and
        has ended by itself is forgotten with it.
        """

    async def find(self, digest: bytes) -> AccessToken | None:
        """Return the token with this SHA-256, whether it still holds or not."""

    async def listed(self, subject: str | None = None) -> Sequence[AccessToken]:
        """Return all tokens, or those of a subject, the oldest first, also those that hold no more."""

    async def revoke(self, token_id: str, at_ms: int) -> Sequence[AccessToken]:
        """Revoke a token, and those that were made with it, for good, at once or not at all; return them all.

        Nothing is returned if there is none. A second time changes nothing. After a `StoreError` they may be revoked
        or not; the caller asks.
        """

    async def used(self, at_ms: Mapping[str, int]) -> None:
        """Note for tokens, by their ids, when they were last used; those that are not there are passed over."""


class Devices(Protocol):
    """The devices that were seen in rooms. Every method raises `StoreError`; the values are in `devices`."""

    async def seen(self, devices: Sequence[Device]) -> None:
        """Keep what was seen, of each device once: its first time is the earliest, its last the latest, times add up.

        At most `devices.MAX_OF_SUBJECT` stay of a subject in a room and `MAX_OF_ROOM` of a room, those seen last. A
        store that knows which rooms there are keeps none of others.
        """

    async def listed(self, *, room: str | None = None, subject: str | None = None) -> Sequence[Device]:
        """Return the devices of a room, of a subject, of both, or all, by room, subject, name and transport."""

    async def forget(self, *, room: str | None = None, subject: str | None = None) -> None:
        """Forget the devices of a room, and those of a subject."""


class Webhooks(Protocol):
    """The webhooks that an operator has asked for. Every method raises `StoreError`; the values are in `webhooks`."""

    async def add(self, hook: Webhook) -> None:
        """Keep a new webhook, and return once that is durable."""

    async def listed(self) -> Sequence[Webhook]:
        """Return all webhooks, the oldest first."""

    async def remove(self, hook_id: str) -> Webhook | None:
        """Forget a webhook and its secret, and return it; None if there is none."""

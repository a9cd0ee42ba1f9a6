"""A fresh token over a connection that is open (message 103): whose it is, and until when the connection may go on.

    of the same subject   the end moves, and the answer says for how long that is (104)
    of another subject    closed with 4403: whoever holds that has to connect as such
    not a good one        closed with 4401
    cannot be told now    nothing changes: the old one holds until its end

An empty one only asks. The role stays as it is: it changes by `Host.regrade` alone.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import TokenHolds, encode
from crdt_sync_server.errors import Forbidden, Refused, RelayError
from crdt_sync_server.limits import Limit, LimitReached
from crdt_sync_server.logs import tell
from crdt_sync_server.outbox import Outbox
from crdt_sync_server.ports import Grant, Identity

if TYPE_CHECKING:
    from crdt_sync_server.hosted_room import HostedRoom

__all__ = ["Renew", "Renewal"]

MOST_S = 2**31 - 1

Renew: TypeAlias = Callable[[str], Awaitable[Identity]]


class Renewed(Protocol):
    """What a renewal needs of a peer."""

    grant: Grant
    outbox: Outbox

    def dismiss(self, code: CloseCode, reason: str, limit: Limit | None = None) -> None:
        """Take nothing more, and close with the reason."""


class Renewal:
    """Looks at the fresh tokens of one connection, one at a time; of several that wait the last counts."""

    __slots__ = ("_is_asking", "_peer", "_renew", "_room", "_waiting")

    def __init__(self, peer: Renewed, room: HostedRoom, renew: Renew) -> None:
        self._peer = peer
        self._room = room
        self._renew = renew
        self._waiting: str | None = None
        self._is_asking = False

    def take(self, token: str) -> None:
        """Take a token that has come, or a question how long the present one holds."""
        if not token:
            self._say_end()
            return
        self._waiting = token
        if not self._is_asking:
            self._is_asking = True
            self._room.beside(self._ask)

    async def _ask(self) -> None:
        try:
            while self._waiting is not None:
                token, self._waiting = self._waiting, None
                await self._ask_about(token)
        finally:
            self._is_asking = False

    async def _ask_about(self, token: str) -> None:
        try:
            identity = await self._renew(token)
            self._move_end(identity)
        except Refused as error:
            self._peer.dismiss(CloseCode(error.close_code), str(error))
        except RelayError as error:
            if isinstance(error, LimitReached) and error.limit is Limit.FAILURES:
                self._peer.dismiss(CloseCode(error.close_code), str(error), error.limit)
            else:
                tell("not renewed", logging.WARNING, room=self._room.name, reason=str(error))
        except Exception:  # a bug of an authenticator must not take the relay down
            tell("failed", logging.CRITICAL, room=self._room.name)
            self._peer.dismiss(CloseCode.INTERNAL_ERROR, "the token could not be looked at")

    def _move_end(self, identity: Identity) -> None:
        before = self._peer.grant
        if identity.subject != before.subject:
            raise Forbidden("the fresh token is of another subject; connect again as that")
        grant = replace(before, expires_at_s=identity.expires_at_s, name=identity.name, token_id=identity.token_id)
        self._room.check(grant)
        self._peer.grant = grant
        self._say_end()

    def _say_end(self) -> None:
        end_s = self._peer.grant.expires_at_s
        if end_s is not None:
            left_s = min(max(end_s - self._room.wall(), 0), MOST_S)
            self._peer.outbox.frame(encode(TokenHolds(int(left_s))))

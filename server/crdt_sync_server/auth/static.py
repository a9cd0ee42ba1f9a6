"""Who a token of the relay's own says that one is: where there is no identity provider, or none can be asked."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from crdt_sync_server.bearer import token_of
from crdt_sync_server.errors import Unauthenticated
from crdt_sync_server.keepers import Tokens
from crdt_sync_server.ports import Authenticator, ConnectRequest, Identity
from crdt_sync_server.tokens import digest_of, is_ours

__all__ = ["StaticAuthenticator"]


class StaticAuthenticator:
    """`ports.Authenticator` that takes the tokens of a store; all others go to `otherwise`, or are refused.

    `wall` is the clock of tokens, in seconds since 1970; `used` is told the id of each good one.
    """

    def __init__(
        self,
        tokens: Tokens,
        *,
        otherwise: Authenticator | None = None,
        wall: Callable[[], float] = time.time,
        used: Callable[[str], None] = lambda token_id: None,
    ) -> None:
        self._tokens = tokens
        self._otherwise = otherwise
        self._wall = wall
        self._used = used

    async def authenticate(self, request: ConnectRequest) -> Identity:
        """Return who the token was made for. Raises `Unauthenticated`, `StoreError`, and what `otherwise` raises."""
        token = token_of(request)
        if not is_ours(token) and self._otherwise is not None:
            return await self._otherwise.authenticate(request)
        digest = digest_of(token)
        found = await self._tokens.find(digest)
        if found is None or not hmac.compare_digest(found.digest, digest):
            raise Unauthenticated("the token is not one of this relay")
        if found.revoked_ms is not None:
            raise Unauthenticated("the token was revoked; ask the operator of the relay for a new one")
        expires_at_s = None if found.expires_ms is None else found.expires_ms / 1000
        if expires_at_s is not None and expires_at_s <= self._wall():
            raise Unauthenticated("the token has expired; ask the operator of the relay for a new one")
        self._used(found.id)
        return Identity(found.subject, expires_at_s, token_id=found.id, device=found.name)

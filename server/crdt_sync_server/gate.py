"""The one way in: who asks, and what they may do in the room that they ask for.

An authenticator says who, an authority says what. Nothing of a room is loaded or sent before both have spoken.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio

from crdt_sync_server.bearer import has_token
from crdt_sync_server.devices import device_of
from crdt_sync_server.errors import Forbidden, RelayError, Unauthenticated
from crdt_sync_server.failures import Failures
from crdt_sync_server.limits import Limit, LimitReached
from crdt_sync_server.origins import Origins
from crdt_sync_server.ports import Authenticator, Authority, ConnectRequest, Grant, Identity, Role

__all__ = ["Gate", "without_token"]

_ORIGIN_HEADERS = ("origin", "host")
_SECRET_HEADERS = ("authorization", "cookie", "sec-websocket-protocol")


class Gate:
    """An authenticator and an authority; each may take `within_s` seconds for an answer.

    `origins` says which pages may ask at all; None leaves that to the authenticator. `roles_changed` counts the changes
    of roles: a grant says as of which it was given. `failures` counts bad tokens by address; a missing one is none.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        authority: Authority,
        *,
        within_s: float,
        origins: Origins | None = None,
        roles_changed: Callable[[], int] = int,
        failures: Failures | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authenticator = authenticator
        self._authority = authority
        self._within_s = within_s
        self._origins = origins
        self._roles_changed = roles_changed
        self._failures = failures
        self._now = now

    async def identify(self, request: ConnectRequest) -> Identity:
        """Return who asks. Raises `Unauthenticated`, `Forbidden`, `LimitReached` if it takes long or failed often."""
        if self._origins is not None:
            self._origins.check(request)
        with anyio.move_on_after(self._within_s):
            try:
                return await self._authenticator.authenticate(request)
            except Unauthenticated:
                if self._failures is not None and has_token(request):
                    self._failures.count(request.client, self._now())
                raise
        raise LimitReached(Limit.AUTHENTICATION, f"{Limit.AUTHENTICATION.words}; try again later")

    def renewal(self, request: ConnectRequest) -> Callable[[str], Awaitable[Identity]]:
        """Return what says of whom a fresh token is that comes over the connection of `request`, as `identify` would.

        Of the request it keeps little: there may be one for each of ten thousand connections.
        """
        kept = tuple((name, value) for name, value in request.headers if name in _ORIGIN_HEADERS)
        bare = replace(request, headers=kept, query="")

        async def identify(token: str) -> Identity:
            return await self.identify(replace(bare, headers=(*kept, ("authorization", f"Bearer {token}"))))

        return identify

    async def allowed_origin(self, request: ConnectRequest) -> str | None:
        """Return the origin of the page that asks over HTTP, or None if there is none or something is against it.

        It is asked without a token, as a preflight carries none: only `Forbidden` speaks against the origin then.
        """
        origin = request.header("origin")
        if origin is None:
            return None
        try:
            await self.identify(without_token(request))
        except Unauthenticated:
            pass
        except RelayError:
            return None
        return origin

    async def admit(self, request: ConnectRequest) -> Grant:
        """Return what the room of `request` is entered with. Raises what `identify` raises."""
        identity = await self.identify(request)
        said = device_of(request)
        return await self.grant(identity if said is None else replace(identity, device=said), request.room)

    async def grant(self, identity: Identity, room: str) -> Grant:
        """Return what `identity` may do in `room`. Raises `Forbidden` for nothing, `LimitReached` as `identify`."""
        as_of = self._roles_changed()
        with anyio.move_on_after(self._within_s):
            role = await self._authority.role(identity, room)
            if role is None:
                raise Forbidden("this room is not open to you; ask its owner, or sign in with another account")
            return Grant(
                identity.subject,
                role is Role.READER,
                role,
                identity.expires_at_s,
                identity.name,
                as_of,
                identity.token_id,
                identity.device,
            )
        raise LimitReached(Limit.AUTHENTICATION, f"{Limit.AUTHENTICATION.words}; try again later")


def without_token(request: ConnectRequest) -> ConnectRequest:
    """Return the request without what may hold a token, as the preflight of a page comes."""
    kept = tuple((name, value) for name, value in request.headers if name not in _SECRET_HEADERS)
    return replace(request, headers=kept, query="")

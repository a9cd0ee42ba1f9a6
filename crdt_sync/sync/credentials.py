"""The token of one library: where it comes from, which one was shown, and when the next is due.

Tokens are never looked into: a relay says for how long one holds, and that one is bad.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio

from crdt_sync.errors import ConnectionLost, CrdtSyncError

__all__ = ["Credentials", "Renewal", "Token", "ask_for_token", "renew_after_s"]

Token: TypeAlias = str | Callable[[], str | Awaitable[str | None] | None] | None
"""A token, or a callable (async or not) that is asked for one at each attempt to connect, and before one expires."""

MARGIN_S = 60.0
"""How long before its end a token that holds for long is renewed; a shorter one after three quarters of its time."""
AGAIN_AFTER_S = 5.0
"""A callable that has nothing new is not asked sooner than this."""


def renew_after_s(left_s: float) -> float:
    """Return when to ask for a new token if the present one holds for `left_s` seconds more."""
    return max(left_s - MARGIN_S, left_s * 0.75, AGAIN_AFTER_S)


async def ask_for_token(token: Token) -> str | None:
    """Return a token, or None where none is used. Raises `ConnectionLost` if the application cannot give one now."""
    if not callable(token):
        return token
    try:
        answer = token()
        return await answer if inspect.isawaitable(answer) else answer
    except CrdtSyncError:
        raise
    except Exception as error:  # the application's own code: report it and try again later
        raise ConnectionLost(f"no token could be had: {error}") from error


class Credentials:
    """Asks for tokens, one at a time: the attempts to connect and what renews in between take turns."""

    def __init__(self, token: Token) -> None:
        self._source = token
        self.shown: str | None = None
        """The last that a relay was shown. Whoever shows one sets it."""
        self.is_renewing = False
        """Whether a fresh one was handed over on this connection, and the relay has not yet said how long it holds."""

    @property
    def is_callable(self) -> bool:
        """Whether another token can be had without the application opening the library again."""
        return callable(self._source)

    async def ask(self) -> str | None:
        """Return a token, or None if there is none. Raises `ConnectionLost` if the application's callable fails."""
        return await ask_for_token(self._source)

    async def fresh(self) -> str | None:
        """Return a token that the relay has not been shown, or None: the callable has nothing new, or fails."""
        try:
            token = await self.ask()
        except CrdtSyncError:  # the connection goes on while it may; the next attempt says what is wrong
            return None
        return token if token != self.shown else None


class Renewal:
    """Has a fresh token ready before the present one of a connection ends. `on_ready` is called when there is one."""

    def __init__(self, credentials: Credentials, now: Callable[[], float], on_ready: Callable[[], None]) -> None:
        self._credentials = credentials
        self._now = now
        self._on_ready = on_ready
        self._ends_s = 0.0
        self._told = anyio.Event()  # when the present one ends
        self.fresh: str | None = None
        """What is ready and not taken."""

    def is_due(self, within_s: float) -> None:
        """Learn from the relay for how long the present token holds."""
        self._credentials.is_renewing = False
        self._ends_s = self._now() + within_s
        self._told.set()

    def take(self) -> str | None:
        """Return the token that is ready, which must be shown now, or None."""
        token, self.fresh = self.fresh, None
        if token is not None:
            self._credentials.shown, self._credentials.is_renewing = token, True
        return token

    async def run(self) -> None:
        """Ask in time, beside all else, and again while the answer is the one that ends. It runs until cancelled."""
        while True:
            await self._told.wait()
            await anyio.sleep(renew_after_s(self._ends_s - self._now()))
            fresh = await self._credentials.fresh()
            if fresh is not None:
                self._told = anyio.Event()
                self.fresh = fresh
                self._on_ready()

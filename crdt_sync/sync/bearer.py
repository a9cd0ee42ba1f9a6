"""The bearer token (RFC 6750) of HTTP requests that are made at the same time.

A relay counts refused tokens by address and then tells its bringer to slow down. So a token that was refused is not
shown again; one that is new is shown by one request, and the others wait for its answer; and with one that has worked
only so many requests are under way that its end is no burst of refusals.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from crdt_sync.errors import ConnectionLost
from crdt_sync.sync.credentials import Token, ask_for_token

__all__ = ["Bearer"]

MAX_AT_ONCE = 8

Answer = TypeVar("Answer")


class _Asked(Generic[Answer]):
    """What the application gave: a token, or why there is none."""

    def __init__(self, token: str | None, failure: ConnectionLost | None = None) -> None:
        self.token = token
        self.failure = failure
        self.refusal: Answer | None = None
        self.first: anyio.Event | None = None  # set when the first request with it has ended

    @property
    def is_bad(self) -> bool:
        return self.failure is not None or self.refusal is not None

    def outcome(self) -> Answer:
        """Return how a relay refused it, or raise why there is none."""
        if self.failure is not None:
            raise self.failure
        assert self.refusal is not None
        return self.refusal


class Bearer(Generic[Answer]):
    """Makes requests with a token. `is_refusal` says whether an answer is that the token is not good."""

    def __init__(self, token: Token, is_refusal: Callable[[Answer], bool]) -> None:
        self._source = token
        self._is_refusal = is_refusal
        self._asked: _Asked[Answer] | None = None
        self._refused: _Asked[Answer] | None = None  # the last that was
        self._renewals = 0
        self._asking = anyio.Lock()
        self._places = anyio.CapacityLimiter(MAX_AT_ONCE)

    async def send(self, request: Callable[[str | None], Awaitable[Answer]]) -> Answer:
        """Return what `request(token)` returns. After a refusal a callable is asked for another token, once for all.

        If that one is refused too, or is the same, the refusal is returned. Raises what `request` raises, and
        `ConnectionLost` if the application cannot give a token now.
        """
        renewals = self._renewals
        async with self._places:
            while True:
                asked = await self._current(renewals)
                if asked.is_bad:
                    return asked.outcome()
                if asked.first is None:
                    answer = await self._go_ahead(asked, request)
                else:
                    await asked.first.wait()
                    if asked.is_bad:
                        continue
                    answer = await self._request(asked, request)
                if not self._is_refusal(answer):
                    return answer

    async def _go_ahead(self, asked: _Asked[Answer], request: Callable[[str | None], Awaitable[Answer]]) -> Answer:
        """Make the first request with a token. However it ends, if not in a refusal, the others go too."""
        asked.first = anyio.Event()
        try:
            return await self._request(asked, request)
        finally:
            asked.first.set()

    async def _request(self, asked: _Asked[Answer], request: Callable[[str | None], Awaitable[Answer]]) -> Answer:
        answer = await request(asked.token)
        if self._is_refusal(answer):
            asked.refusal = answer
            self._refused = asked
        return answer

    async def _current(self, renewals: int) -> _Asked[Answer]:
        """Return the token to show: another one if that is bad and no other was asked for since `renewals`."""
        async with self._asking:
            asked = self._asked
            if asked is None or (asked.is_bad and self._renewals == renewals):
                is_first, asked = asked is None, await self._ask()
                self._asked = asked
                self._renewals += not is_first or asked.is_bad  # who waits is told the same; who comes later asks again
            return asked

    async def _ask(self) -> _Asked[Answer]:
        try:
            token = await ask_for_token(self._source)
        except ConnectionLost as error:
            return _Asked(None, error)
        return self._refused if self._refused is not None and token == self._refused.token else _Asked(token)

"""WebSockets through httpx, so that proxies, certificates and `trust_env` work as they do for HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import wsproto.events
import wsproto.utilities
from httpx_ws import (
    AsyncWebSocketSession,
    HTTPXWSException,
    WebSocketDisconnect,
    WebSocketUpgradeError,
    aconnect_ws,
)

from crdt_sync.errors import ConnectionLost, Trouble
from crdt_sync.groups import telling_error
from crdt_sync.protocol.messages import MAX_MESSAGE_BYTES
from crdt_sync.sync.network_errors import trouble_of, words_of
from crdt_sync.sync.transport import Transport, room_url

__all__ = ["WebSocketConnect"]

CONNECT_WITHIN_S = 10.0
_LOST = (
    HTTPXWSException,
    httpx.HTTPError,
    OSError,
    wsproto.utilities.ProtocolError,  # sending after the other end has closed
    anyio.ClosedResourceError,
    anyio.EndOfStream,
)
"""What httpx-ws and what lies below it raise when a connection is gone."""
_CODES = {401: 4401, 403: 4403, 413: 4413}
"""What a refusal before the upgrade means, as a close code, unless something on the way has said it."""


class WebSocketConnect:
    """`Connect` to one room of one relay."""

    def __init__(self, relay: str, room: str, client: httpx.AsyncClient) -> None:
        self._url = room_url(relay, room)
        self._client = client

    @asynccontextmanager
    async def __call__(self, token: str | None) -> AsyncIterator[Transport]:
        """Open a WebSocket with `token` in the Authorization header."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            session: AsyncWebSocketSession
            async with aconnect_ws(
                self._url,
                self._client,
                headers=headers,
                max_message_size_bytes=MAX_MESSAGE_BYTES,
                keepalive_ping_interval_seconds=None,
            ) as session:
                yield _WebSocket(session)
        except BaseExceptionGroup as group:  # httpx-ws wraps the caller's own errors too
            error = telling_error(group)
            raise _lost(error) if isinstance(error, _LOST) else error from group
        except _LOST as error:
            raise _lost(error) from error


class _WebSocket:
    name = "websocket"

    def __init__(self, session: AsyncWebSocketSession) -> None:
        self._session = session
        self._ended: ConnectionLost | None = None

    async def send(self, frame: bytes) -> None:
        try:
            await self._session.send_bytes(frame)
        except _LOST as error:
            raise _lost(error) from error

    def renew(self, token: str) -> None:
        """Do nothing: the token was shown when this was opened, and a fresh one goes as a message."""

    async def receive(self) -> bytes:
        """Assemble one message; the bound is ours, as the library's own has let larger ones through."""
        if self._ended is not None:  # httpx-ws tells it once, and then waits for ever
            raise self._ended
        parts = bytearray()
        while True:
            try:
                event = await self._session.receive()
            except _LOST as error:
                self._ended = _lost(error)
                raise self._ended from error
            if not isinstance(event, wsproto.events.BytesMessage):
                raise ConnectionLost("the relay sent text; is this a sync relay?", code=4400)
            parts += event.data
            if len(parts) > MAX_MESSAGE_BYTES:
                raise ConnectionLost(f"the relay sent a message above {MAX_MESSAGE_BYTES} bytes", code=4413)
            if event.message_finished:
                return bytes(parts)


def _lost(error: Exception) -> ConnectionLost:
    match error:
        case WebSocketDisconnect(code=code, reason=reason):
            return ConnectionLost(reason or f"the relay closed the connection ({code})", code=code)
        case WebSocketUpgradeError(response=response):
            status = response.status_code
            return ConnectionLost(
                f"something answered {status} instead of opening a WebSocket",
                code=_CODES.get(status),
                trouble=None if status == 401 else Trouble.INTERCEPTED,
            )
    return ConnectionLost(words_of(error), trouble=trouble_of(error))

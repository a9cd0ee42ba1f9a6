"""The HTTP face: is the process alive, and can it take edits?"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from crdt_sync_server.errors import StoreError
from crdt_sync_server.ports import Store

__all__ = ["HttpFace", "respond", "respond_json"]


Send: TypeAlias = Callable[[Any], Awaitable[None]]
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]


async def respond(send: Send, status: int, content_type: str, data: bytes, headers: Headers = ()) -> None:
    """Send a whole response, which no one may keep or change; a HEAD request gets no body from the server."""
    head = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store, no-transform"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": data})


async def respond_json(send: Send, status: int, body: Mapping[str, Any], headers: Headers = ()) -> None:
    """Send a whole JSON response."""
    await respond(send, status, "application/json", json.dumps(body).encode(), headers)


class HttpFace:
    """A plain ASGI application for `GET /healthz` and `GET /readyz`."""

    def __init__(self, store: Store, is_stopping: Callable[[], bool]) -> None:
        self._store = store
        self._is_stopping = is_stopping

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        status, body = await self._answer(scope["method"], scope["path"])
        headers = ((b"allow", b"GET, HEAD"),) if status == 405 else ()
        await respond_json(send, status, body, headers)

    async def _answer(self, method: str, path: str) -> tuple[int, dict[str, str]]:
        if path not in ("/healthz", "/readyz"):
            here = "connect a WebSocket to /<room>, poll /sync/<room>, or ask /healthz and /readyz"
            return 404, {"error": f"this is a sync relay: {here}"}
        if method not in ("GET", "HEAD"):
            return 405, {"error": "use GET"}
        if path == "/healthz":
            return 200, {"status": "alive"}
        if self._is_stopping():
            return 503, {"status": "stopping"}
        try:
            await self._store.check()
        except StoreError as error:
            return 503, {"status": "not ready", "error": str(error)}
        return 200, {"status": "ready"}

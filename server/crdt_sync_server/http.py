"""The HTTP face: is the process alive, and can it take edits?"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from crdt_sync_server.errors import StoreError
from crdt_sync_server.ports import Store

__all__ = ["HttpFace"]


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
        data = json.dumps(body).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(data)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else data})

    async def _answer(self, method: str, path: str) -> tuple[int, dict[str, str]]:
        if path not in ("/healthz", "/readyz"):
            return 404, {"error": "this is a sync relay: connect a WebSocket to /<room>, or ask /healthz and /readyz"}
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

"""An ASGI application on a real socket, for as long as a block lasts."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from hypercorn.asyncio import serve
from hypercorn.config import Config

__all__ = ["served"]


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """Run `app` under hypercorn on this asyncio loop; yield the port, on which it listens already."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])
    stop = anyio.Event()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 1
    config.errorlog = config.accesslog = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: serve(app, config, shutdown_trigger=stop.wait))  # type: ignore[arg-type]
        yield port
        stop.set()

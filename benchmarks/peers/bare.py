"""Bare hypercorn on uvloop: the same bytes for the same requests, and nothing done for them. No token is looked at.

`answers.json` in its data folder has, for each method and path with its query, the status, the content type and the
file of the body.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from sys import argv
from typing import Any

import hypercorn.asyncio
import uvloop
from hypercorn.config import Config


def app_of(data: Path) -> Callable[..., Awaitable[None]]:
    """Return the ASGI application."""
    listed = json.loads((data / "answers.json").read_text("utf-8"))
    answers = {key: (status, kind, (data / body).read_bytes()) for key, (status, kind, body) in listed.items()}

    async def app(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body", False):
            pass
        query = scope["query_string"].decode()
        path = scope["raw_path"].decode().partition("?")[0]
        status, kind, body = answers[f"{scope['method']} {path}" + (f"?{query}" if query else "")]
        headers = [(b"content-type", kind.encode())]
        if status != 204:
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(argv[argv.index("--port") + 1])), backlog=1024)
    port = listener.getsockname()[1]
    settings = Config()
    settings.bind = [f"fd://{listener.detach()}"]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"ws://127.0.0.1:{port}", flush=True)
    app = app_of(Path(argv[argv.index("--data") + 1]))
    await hypercorn.asyncio.serve(app, settings, shutdown_trigger=stop.wait)  # type: ignore[arg-type]


if __name__ == "__main__":
    uvloop.run(main())

"""pycrdt-websocket under hypercorn, as a peer of our engine. Takes the relay's options and ignores them."""

import asyncio
import socket

import hypercorn.asyncio
from hypercorn.config import Config
from pycrdt.websocket import ASGIServer, WebsocketServer


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 0.1
    server = WebsocketServer()
    async with server:
        print(f"ws://127.0.0.1:{port}", flush=True)
        await hypercorn.asyncio.serve(ASGIServer(server), config)


asyncio.run(main())

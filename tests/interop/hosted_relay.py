"""Our relay inside pycrdt-websocket's ASGIServer under hypercorn. Takes the relay's options."""

import asyncio
import signal
import socket
from pathlib import Path
from sys import argv

import hypercorn.asyncio
from hypercorn.config import Config as HypercornConfig
from pycrdt.websocket import ASGIServer

from crdt_sync_server.config import Config
from crdt_sync_server.wiring import channel_server


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(argv[argv.index("--port") + 1])))
    port = listener.getsockname()[1]
    settings = HypercornConfig()
    settings.bind = [f"fd://{listener.detach()}"]
    settings.graceful_timeout = 0.1
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with channel_server(Config(port=0, data=Path(argv[argv.index("--data") + 1]))) as relay:
        print(f"ws://127.0.0.1:{port}", flush=True)
        serving = hypercorn.asyncio.serve(ASGIServer(relay), settings, shutdown_trigger=stop.wait)
        await asyncio.create_task(serving)  # a task of its own, as hypercorn cancels the one it stops in


asyncio.run(main())

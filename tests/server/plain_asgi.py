"""The relay as a plain ASGI application, under hypercorn as it comes: no socket in the scope. Takes its options."""

import asyncio
import signal
import socket
from pathlib import Path
from sys import argv

import hypercorn.asyncio
from hypercorn.config import Config as HypercornConfig

from crdt_sync_server.config import Config
from crdt_sync_server.wiring import build
from crdt_sync_server.wiring_stores import open_store


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(argv[argv.index("--port") + 1])))
    port = listener.getsockname()[1]
    settings = HypercornConfig()
    settings.bind = [f"fd://{listener.detach()}"]
    settings.graceful_timeout = 0.1
    config = Config(port=0, data=Path(argv[argv.index("--data") + 1]))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"ws://127.0.0.1:{port}", flush=True)
    app = build(config, await open_store(config))
    await hypercorn.asyncio.serve(app, settings, shutdown_trigger=stop.wait)  # type: ignore[arg-type]


if "--uvloop" in argv:
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())

"""The relay with a clock that runs twenty times as fast, for what happens after half a minute of silence."""

import asyncio
import time
from pathlib import Path
from sys import argv

from crdt_sync_server import host
from crdt_sync_server.config import Config
from crdt_sync_server.serving import listen, serve
from crdt_sync_server.wiring import build
from crdt_sync_server.wiring_stores import open_store

SPEED = 20
host.SWEEP_EVERY_S /= SPEED


async def main() -> None:
    config = Config(port=0, data=Path(argv[argv.index("--data") + 1]))
    app = build(config, await open_store(config), now=lambda: time.monotonic() * SPEED)
    await serve(
        app,
        config,
        listen(config),
        started=lambda address: print(f"ws://127.0.0.1:{address[1]}", flush=True),
        stop=asyncio.Event(),
    )


asyncio.run(main())

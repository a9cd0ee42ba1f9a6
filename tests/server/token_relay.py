"""The relay with an authenticator that takes every token for the name of a subject. Takes `serve`'s settings."""

import asyncio
import os
from pathlib import Path
from sys import argv

from crdt_sync_server.admin_socket import serve_admin
from crdt_sync_server.errors import Unauthenticated
from crdt_sync_server.ports import ConnectRequest, Identity
from crdt_sync_server.serving import listen, serve
from crdt_sync_server.settings import load_settings
from crdt_sync_server.wiring import administration_of, build
from crdt_sync_server.wiring_stores import open_store


class Names:
    """`ports.Authenticator`: whoever says a name has it."""

    async def authenticate(self, request: ConnectRequest) -> Identity:
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        if scheme != "Bearer" or not token:
            raise Unauthenticated("say who you are")
        return Identity(subject=token)


async def main() -> None:
    flags = {"port": int(argv[argv.index("--port") + 1]), "data": Path(argv[argv.index("--data") + 1])}
    config = load_settings(flags, os.environ).config
    store = await open_store(config)
    app = build(config, store, authenticator=Names())
    async with serve_admin(config.database, administration_of(app.host, store)):
        await serve(
            app,
            config,
            listen(config),
            started=lambda address: print(f"ws://127.0.0.1:{address[1]}", flush=True),
            stop=asyncio.Event(),
        )


asyncio.run(main())

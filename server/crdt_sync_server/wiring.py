"""The composition root: the one place that names adapters."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread

from crdt_sync_server.app import RelayApp
from crdt_sync_server.auth.open import OpenAuthenticator
from crdt_sync_server.channel import ChannelServer
from crdt_sync_server.config import Config
from crdt_sync_server.host import Host
from crdt_sync_server.http import HttpFace
from crdt_sync_server.poll_sessions import PollSessions
from crdt_sync_server.polling import PollingFace
from crdt_sync_server.ports import Store
from crdt_sync_server.stores.sqlite import SqliteStore

__all__ = ["build", "channel_server", "open_store"]


async def open_store(config: Config) -> Store:
    """Return the store that the settings ask for. Raises `StoreError`."""
    return await SqliteStore.open(config.database, durability=config.durability.value)


def build(
    config: Config,
    store: Store,
    *,
    now: Callable[[], float] = time.monotonic,
    run_sync: Callable[..., Awaitable[Any]] = anyio.to_thread.run_sync,
) -> RelayApp:
    """Put a relay together; a simulation hands in its own time and what stands for threads."""
    host = Host(store, now=now, idle_s=config.idle_room_s, limits=config.limits, run_sync=run_sync)
    authenticator = OpenAuthenticator(origins=config.allow_origins, hosts=(*config.allow_hosts, config.host))
    http = HttpFace(store, lambda: host.stopping)
    sessions = PollSessions(
        max_sessions=config.max_poll_sessions,
        max_sessions_per_address=config.max_poll_sessions_per_address,
        now=now,
    )
    polling = PollingFace(
        host,
        authenticator,
        sessions,
        max_message_bytes=config.max_message_bytes,
        max_wait_s=config.poll_wait_s,
    )
    return RelayApp(host, authenticator, http, polling, sessions, max_message_bytes=config.max_message_bytes)


@asynccontextmanager
async def channel_server(config: Config) -> AsyncIterator[ChannelServer]:
    """Run a relay for pycrdt-websocket's servers for as long as the block lasts: `ASGIServer(the_relay)`.

    Raises `StoreError` if the store cannot be opened.
    """
    store = await open_store(config)
    host = Host(store, now=time.monotonic, idle_s=config.idle_room_s, limits=config.limits)
    try:
        async with host.running():
            yield ChannelServer(host, max_message_bytes=config.max_message_bytes)
            await host.stop()
    finally:
        await store.close()

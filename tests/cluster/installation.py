"""Three relays on PostgreSQL and Redis, all of them real, with a network between each two that can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg
from pycrdt import Doc, Map

from crdt_sync import Anchor, Library, open_library
from tests.postgres_server import PASSWORD, PostgresServer
from tests.redis_server import RedisServer
from tests.relay import RelayProcess
from tests.tcp_proxy import TcpProxy, tcp_proxy

SETTLES_WITHIN_S = 90.0
"""A device that was refused waits up to 16 s, one that hears nothing is 45 s in finding out."""
LOG = """
SELECT data FROM crdt_sync.segments JOIN crdt_sync.rooms USING (room, snapshot) WHERE room = %(room)s
UNION ALL SELECT data FROM crdt_sync.updates JOIN crdt_sync.rooms USING (room)
WHERE room = %(room)s AND updates.position > through
"""


@dataclass
class Node:
    """One relay, and its ways to the store and to the backplane."""

    relay: RelayProcess
    to_store: TcpProxy
    to_backplane: TcpProxy

    def failures(self) -> list[str]:
        """Return what it has logged as a bug."""
        return [line for line in self.relay.output if "CRITICAL" in line or "Traceback" in line]


@dataclass
class Installation:
    """Everything. It stays up over the tests of a module; each takes a room of its own."""

    postgres: PostgresServer
    redis: RedisServer
    database: str
    nodes: list[Node]
    backplane: str = "redis"

    def stored(self, room: str) -> set[str]:
        """Return the ids of the highlights that are in the database."""
        doc: Doc[Any] = Doc()
        with psycopg.connect(self.postgres.url(self.database)) as connection:
            for (data,) in connection.execute(LOG, {"room": room}):
                doc.apply_update(data)
        return set(doc.get("highlights", type=Map).to_py() or {})


@asynccontextmanager
async def installed(folder: Path, *, backplane: str = "redis", count: int = 3) -> AsyncIterator[Installation]:
    """Start all of it. `backplane` is `redis` or `postgres`."""
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(PostgresServer())
        redis = stack.enter_context(RedisServer(folder / "redis"))
        database = postgres.create()
        nodes: list[Node] = []
        for number in range(count):
            to_store = await stack.enter_async_context(tcp_proxy(postgres.port))
            to_backplane = await stack.enter_async_context(tcp_proxy(redis.port))
            url = f"redis://127.0.0.1:{to_backplane.port}/0" if backplane == "redis" else backplane
            environment = {
                "CRDT_SYNC_SERVER_DATABASE_URL": _url(database, to_store.port),
                "CRDT_SYNC_SERVER_BACKPLANE": url,
            }
            relay = RelayProcess(folder / f"relay{number}", "--idle-room", "5", environment=environment)
            await anyio.to_thread.run_sync(relay.start)
            stack.callback(relay.kill_if_running)
            nodes.append(Node(relay, to_store, to_backplane))
        yield Installation(postgres, redis, database, nodes, backplane)


def _url(database: str, port: int) -> str:
    return psycopg.conninfo.make_conninfo(
        host="127.0.0.1", port=port, dbname=database, user="postgres", password=PASSWORD
    )


@dataclass
class Device:
    """An engine of its own on a real file, with a way to the relays that can be turned to another of them."""

    library: Library
    way: TcpProxy
    made: list[str] = field(default_factory=list)
    """The ids of highlights whose call has returned."""
    confirmed: int = 0
    """How many of them were durable as far as the device was told."""

    async def make(self, count: int, *, confirm_every: int = 5) -> None:
        """Make so many highlights, as fast as it goes, and let some of them be confirmed in between."""
        for number in range(count):
            self.made.append(await self.library.add_highlight(Anchor.verse("Gen.1.1", work="Bible.KJV")))
            if number % confirm_every == 0:
                await anyio.lowlevel.checkpoint()
            self.note()

    def note(self) -> None:
        """Note what is confirmed by now."""
        self.confirmed = max(self.confirmed, len(self.made) - self.library.status.pending)

    @property
    def saved(self) -> set[str]:
        """Return the ids of what the relays have confirmed."""
        return set(self.made[: self.confirmed])

    def move(self, node: Node) -> None:
        """Go to another relay, as a load balancer sends it there when its connection breaks."""
        self.way.server_port = node.relay.port
        self.way.cut()


@asynccontextmanager
async def devices(installation: Installation, folder: Path, room: str, count: int = 6) -> AsyncIterator[list[Device]]:
    """Open devices in one room, in turn on each relay; each shows who it is."""
    async with AsyncExitStack() as stack:
        opened = []
        folder.mkdir(exist_ok=True)
        for number in range(count):
            node = installation.nodes[number % len(installation.nodes)]
            way = await stack.enter_async_context(tcp_proxy(node.relay.port))
            path = folder / f"{room}-{number}.sqlite3"
            library = await stack.enter_async_context(
                open_library(path, relay=f"ws://127.0.0.1:{way.port}", room=room, close_within_s=1.0)
            )
            library.presence.set({"name": f"device {number}"})
            opened.append(Device(library, way))
        for each in opened:
            assert await each.library.synced(SETTLES_WITHIN_S)
        yield opened


async def ids(device: Device) -> set[str]:
    """Return the ids of the highlights that a device has."""
    return {highlight.id for highlight in await device.library.highlights()}


async def settled(installation: Installation, room: str, opened: list[Device]) -> None:
    """Wait until all is one again: everything that was made is on every device and in the database, and who is there
    is shown to everybody. Fails if that does not come in time.
    """
    wanted = {each for device in opened for each in device.made}
    with anyio.fail_after(SETTLES_WITHIN_S):
        for device in opened:
            assert await device.library.synced(SETTLES_WITHIN_S), device.library.status
            async with device.library.changes() as feed:
                while await ids(device) != wanted:
                    await feed.take()
        for device in opened:
            others = {each.library.presence.client_id for each in opened} - {device.library.presence.client_id}
            await _shown(device, others)
    assert installation.stored(room) == wanted
    for node in installation.nodes:
        assert not node.failures()


async def _shown(device: Device, others: set[int]) -> None:
    """Wait until a device is shown just these."""
    changed = anyio.Event()
    stop = device.library.presence.listen(lambda _: changed.set())
    try:
        while set(device.library.presence.others()) != others:
            await changed.wait()
            changed = anyio.Event()
    finally:
        stop()

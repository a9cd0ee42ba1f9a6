"""A relay as a process in simulated time: the real application, host, rooms and outboxes on a disk that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any

import anyio
from anyio.abc import TaskGroup

from crdt_sync.errors import ConnectionLost
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.polling import decode_poll
from crdt_sync_server.backplanes.memory import MemoryBackplane
from crdt_sync_server.cluster import Cluster
from crdt_sync_server.config import Config
from crdt_sync_server.errors import StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.stores.memory_members import MemoryMembers
from crdt_sync_server.wiring import build
from tests.simulation.disk import ROOM, Disk, DiskStore
from tests.simulation.http import Arrival
from tests.simulation.network import Close, Wire

__all__ = ["IDLE_S", "RelayProcess"]

IDLE_S = 4.0


class RelayProcess:
    """One life of a relay. `node` is its id among several; alone it has None, and nobody to follow.

    `backplane` is what it meets the others at; without one it asks the disk.
    """

    def __init__(
        self,
        disk: Disk,
        fail: Callable[[BaseException], None],
        node: str | None = None,
        backplane: MemoryBackplane | None = None,
    ) -> None:
        self._disk = disk
        self._fail = fail
        self._store = DiskStore(disk, node or "alone", self._has_followed)
        self._backplane = backplane
        self._scope = anyio.CancelScope()
        self._wires: dict[Wire, None] = {}
        self._arrivals: dict[Arrival, None] = {}
        self._accepted: asyncio.Queue[Arrival] = asyncio.Queue()
        self._tasks: TaskGroup | None = None
        self._lifespan: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._started = False
        self._start_is_over = asyncio.Event()
        self._ended = asyncio.Event()
        self._dies_silently = False
        loop = asyncio.get_running_loop()
        config = Config(idle_room_s=IDLE_S, max_message_bytes=1024 * 1024)
        self.app = build(config, self._store, now=loop.time, run_sync=self._beside)
        self.host: Host = self.app._host
        if node is not None:
            random, members = Random(node), MemoryMembers()
            self.host.cluster = Cluster(self.host, self._store, members, backplane, random=random)

    async def run(self) -> None:
        """Live until `stop` or `kill`, or until the start fails as the disk cannot be read."""
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    self._tasks = tasks
                    tasks.start_soon(self._accept, tasks)
                    self._lifespan.put_nowait({"type": "lifespan.startup"})
                    await self.app({"type": "lifespan"}, self._lifespan.get, self._say)
                    tasks.cancel_scope.cancel()
        except BaseException as error:
            if self._started or not isinstance(_only(error), StoreError):
                self._fail(error)
                raise
        finally:
            self._tasks = None
            for arrival in list(self._arrivals):
                arrival.exchange.cut("the relay's process has ended")
            self._start_is_over.set()
            self._ended.set()

    async def started(self) -> bool:
        """Return once it listens, or has failed to."""
        await self._start_is_over.wait()
        return self._started

    async def stop(self) -> None:
        """SIGTERM: commit what has arrived, close everything with 1001."""
        self._lifespan.put_nowait({"type": "lifespan.shutdown"})
        await self._ended.wait()

    async def kill(self, *, silently: bool = False) -> None:
        """kill -9: nothing that was going on has any further effect. With its machine, it dies `silently`."""
        self._store.dead = True
        self._dies_silently = silently
        for each in (*self._wires, *(arrival.exchange for arrival in self._arrivals)):
            each.half_open() if silently else each.cut("the relay's process died")
        if silently:
            self._arrivals.clear()
        if self._backplane is not None:
            self._backplane.cut()
        for session in self.app._sessions._sessions.values():
            session.hang_up(CloseCode.GOING_AWAY, "killed")  # ends what no cancellation may: waiting for its room
        self._scope.cancel()
        await self._ended.wait()

    def beside(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Run `function` in this process, for as long as that lives."""
        if self._tasks is not None and self._started:
            self._tasks.start_soon(function, *arguments)

    def _has_followed(self) -> int:
        hosted = self.host.opened(ROOM)
        return 0 if hosted is None else hosted.position

    def serve(self, wire: Wire) -> bool:
        """Serve a connection; return whether anyone listens."""
        if self._tasks is None or not self._started:
            return False
        self._wires[wire] = None
        self._tasks.start_soon(self._serve, wire)
        return True

    def serve_request(self, arrival: Arrival) -> bool:
        """Serve a poll; return whether anyone listens."""
        if self._tasks is None or not self._started:
            return False
        self._arrivals[arrival] = None
        self._accepted.put_nowait(arrival)
        return True

    async def _accept(self, tasks: TaskGroup) -> None:
        while True:
            tasks.start_soon(self._serve_request, await self._accepted.get())  # a timer cannot start a task

    async def _serve(self, wire: Wire) -> None:
        scope = {
            "type": "websocket",
            "path": f"/{ROOM}",
            "raw_path": f"/{ROOM}".encode(),
            "headers": [(b"host", b"127.0.0.1:8765")],
            "query_string": b"",
            "client": ("127.0.0.1", 1),
            "subprotocols": [],
        }
        opening = True

        async def receive() -> dict[str, Any]:
            nonlocal opening
            if opening:
                opening = False
                return {"type": "websocket.connect"}
            item = await wire.up.get()
            if isinstance(item, Close):
                return {"type": "websocket.disconnect", "code": item.code or 1006}
            return {"type": "websocket.receive", "bytes": item, "text": None}

        async def send(event: dict[str, Any]) -> None:
            try:
                match event["type"]:
                    case "websocket.accept":
                        wire.answered.set()
                    case "websocket.send":
                        self._disk.durable.check_frame(event["bytes"])
                        self._disk.note("down", wire.device, event["bytes"])
                        await wire.down.put(event["bytes"])
                    case "websocket.close":
                        self._disk.note("close", wire.device, event["code"], event["reason"])
                        wire.down.put_now(Close(event["code"], event["reason"]))
            except ConnectionLost:
                return  # what is sent to a connection that is gone is dropped, as hypercorn does

        try:
            await self.app(scope, receive, send)
        except Exception as error:
            self._fail(error)
        finally:
            self._wires.pop(wire, None)
            with suppress(ConnectionLost):  # it may have been cut before
                wire.down.put_now(Close(1006, "the relay has ended the connection"))

    async def _serve_request(self, arrival: Arrival) -> None:
        exchange = arrival.exchange
        url = exchange.request.url
        scope = {
            "type": "http",
            "method": exchange.request.method,
            "path": url.path,
            "raw_path": url.raw_path,
            "headers": exchange.request.headers.raw,
            "query_string": url.query,
            "client": ("127.0.0.1", 1),
        }
        session = decode_poll(exchange.body).session
        events = [{"type": "http.request", "body": exchange.body, "more_body": False}]
        head: dict[str, Any] = {}

        async def receive() -> dict[str, Any]:
            if events:
                return events.pop()
            await arrival.gone.wait()
            return {"type": "http.disconnect"}

        async def send(event: dict[str, Any]) -> None:
            if event["type"] == "http.response.start":
                head.update(event)
                return
            status, data = head["status"], event["body"]
            if status == 200:
                life = self.app._sessions._sessions.get(session, session)
                piece = self._disk.streams.answer(exchange.body, data, life)
                self._disk.note("answer", exchange.device, piece.received, piece.first, data)
            else:
                self._disk.note("refusal", exchange.device, status, data.decode())
            exchange.reply(status, head["headers"], data)

        try:
            await self.app(scope, receive, send)
        except Exception as error:
            self._fail(error)
        finally:
            self._arrivals.pop(arrival, None)
            if not head and not self._dies_silently:
                exchange.cut("the relay has ended the connection")

    async def _beside(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Stand in for a thread: the same work, some time after it is asked for and some time before it is told.

        Where the disk is slow the processor is: threads that take long meet more of what happens meanwhile.
        """
        with anyio.CancelScope(shield=True):
            await anyio.sleep(self._disk.latency_s * self._disk.random.random())
            result = function(*arguments)
            await anyio.sleep(self._disk.latency_s * self._disk.random.random())
        return result

    async def _say(self, event: dict[str, str]) -> None:
        if event["type"] == "lifespan.startup.complete":
            self._started = True
            self._start_is_over.set()


def _only(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        (error,) = error.exceptions
    return error

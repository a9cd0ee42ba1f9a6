"""The relay as a process in simulated time: the real application, host, rooms and outboxes on a disk that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import anyio
from anyio.abc import TaskGroup
from pycrdt import Doc

from crdt_sync.errors import ConnectionLost
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.polling import decode_poll
from crdt_sync.testing.state import state_of
from crdt_sync_server.config import Config
from crdt_sync_server.errors import StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.ports import Stored
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.wiring import build
from tests.simulation.http import Arrival
from tests.simulation.network import Close, Wire
from tests.simulation.truth import Durable, PolledStreams

__all__ = ["Disk", "RelayProcess"]

IDLE_S = 4.0
ROOM = "ada"


class Disk:
    """What survives the relay's process, and how the next operations on it go."""

    def __init__(self, random: Random, note: Callable[..., None]) -> None:
        self.random = random
        self.note = note
        self.log = MemoryStore()
        self.durable = Durable()
        self.streams = PolledStreams(self.durable)
        self.faults: list[str] = []
        """What the next operations do: fail `before` or `after` they have taken effect."""
        self.latency_s = 0.003

    async def check_log(self) -> None:
        """Fail if what a restart would load is not all that was ever committed."""
        doc: Doc[Any] = Doc()
        for update in (await self.log.load(ROOM)).updates:
            doc.apply_update(update)
        lacking = state_of(doc.get_update()).lacks(self.durable.state)
        assert lacking is None, f"the log has lost what was durable: {lacking}"


class DiskStore:
    """`ports.Store`, as one process has it open. Nothing that a dead process had begun takes effect."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.dead = False

    async def load(self, room: str) -> Stored:
        fault = await self._begin("load")
        if fault is not None:
            raise StoreError("the disk cannot be read")
        stored = await self._disk.log.load(room)
        await self._wait()
        return stored

    async def append(self, room: str, update: bytes, owner: str | None = None) -> int:
        fault = await self._begin("append", len(update))
        if fault == "before":
            raise StoreError("the disk is full")
        position = await self._disk.log.append(room, update, owner)
        self._disk.durable.add(update)
        self._disk.note("durable", position)
        await self._wait()
        if fault == "after":
            raise StoreError("the disk has gone away")
        return position

    async def compact(self, room: str, segments: Sequence[bytes], through: int) -> None:
        fault = await self._begin("compact", through)
        if fault == "before":
            raise StoreError("the disk is full")
        await self._disk.log.compact(room, segments, through)
        await self._disk.check_log()
        await self._wait()
        if fault == "after":
            raise StoreError("the disk has gone away")

    async def check(self) -> None:
        await self._begin("check")

    async def close(self) -> None:
        return

    async def _begin(self, *what: object) -> str | None:
        self._disk.note("disk", *what)
        await self._wait()
        return self._disk.faults.pop(0) if self._disk.faults else None

    async def _wait(self) -> None:
        await anyio.sleep(self._disk.latency_s * self._disk.random.random())
        if self.dead:
            await anyio.sleep_forever()


class RelayProcess:
    """One life of the relay."""

    def __init__(self, disk: Disk, fail: Callable[[BaseException], None]) -> None:
        self._disk = disk
        self._fail = fail
        self._store = DiskStore(disk)
        self._scope = anyio.CancelScope()
        self._wires: dict[Wire, None] = {}
        self._arrivals: dict[Arrival, None] = {}
        self._accepted: asyncio.Queue[Arrival] = asyncio.Queue()
        self._tasks: TaskGroup | None = None
        self._lifespan: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._started = asyncio.Event()
        self._ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        config = Config(idle_room_s=IDLE_S, max_message_bytes=1024 * 1024)
        self.app = build(config, self._store, now=loop.time, run_sync=self._beside)
        self.host: Host = self.app._host

    async def run(self) -> None:
        """Live until `stop` or `kill`."""
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    self._tasks = tasks
                    tasks.start_soon(self._accept, tasks)
                    self._lifespan.put_nowait({"type": "lifespan.startup"})
                    await self.app({"type": "lifespan"}, self._lifespan.get, self._say)
                    tasks.cancel_scope.cancel()
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            self._tasks = None
            for arrival in list(self._arrivals):
                arrival.exchange.cut("the relay's process has ended")
            self._ended.set()

    async def started(self) -> None:
        """Return once it listens."""
        await self._started.wait()

    async def stop(self) -> None:
        """SIGTERM: commit what has arrived, close everything with 1001."""
        self._lifespan.put_nowait({"type": "lifespan.shutdown"})
        await self._ended.wait()

    async def kill(self) -> None:
        """kill -9: nothing that was going on has any further effect."""
        self._store.dead = True
        for wire in list(self._wires):
            wire.cut("the relay's process died")
        for arrival in list(self._arrivals):
            arrival.exchange.cut("the relay's process died")
        for session in self.app._sessions._sessions.values():
            session.hang_up(CloseCode.GOING_AWAY, "killed")  # ends what no cancellation may: waiting for its room
        self._scope.cancel()
        await self._ended.wait()

    def serve(self, wire: Wire) -> bool:
        """Serve a connection; return whether anyone listens."""
        if self._tasks is None or not self._started.is_set():
            return False
        self._wires[wire] = None
        self._tasks.start_soon(self._serve, wire)
        return True

    def serve_request(self, arrival: Arrival) -> bool:
        """Serve a poll; return whether anyone listens."""
        if self._tasks is None or not self._started.is_set():
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
            if not head:
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
            self._started.set()

"""Networks that are in the way: a proxy on real sockets that refuses, hangs, cuts, loses, repeats and delays."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any

START_WITHIN_S = 10


class Upgrade(Enum):
    """What happens to a request for a WebSocket."""

    PASS = "pass"
    REFUSE = "refuse"
    """It is answered with `Proxy.status` and a page."""
    STRIP = "strip"
    """It is forwarded as a plain request."""
    HANG = "hang"
    """It is never answered."""


class Fate(Enum):
    """What happens to a request."""

    PASS = "pass"
    LOSE_REQUEST = "lose request"
    """It is not forwarded, and its connection is cut."""
    LOSE_RESPONSE = "lose response"
    """It is forwarded; the connection is cut in place of a response."""
    SILENCE = "silence"
    """It is forwarded, and then its connection stays open and brings nothing."""
    CUT_RESPONSE = "cut response"
    """Half of the response comes."""
    TWICE = "twice"
    """It reaches the relay twice, the second time after the client has its response."""
    LATE = "late"
    """The connection is cut at once, and the request reaches the relay when later ones have."""


class Proxy:
    """Stands before a relay on 127.0.0.1. Use it in a `with` block; its settings may change while it runs.

    `round_trip_s` is added to each exchange, half each way; `cut_after_s` is how long a connection lives.
    """

    def __init__(
        self,
        relay_port: int,
        *,
        upgrade: Upgrade = Upgrade.PASS,
        status: int = 403,
        fate: Callable[[], Fate] = lambda: Fate.PASS,
        round_trip_s: float = 0.0,
        cut_after_s: float | None = None,
        late_s: float = 0.5,
    ) -> None:
        self.upgrade = upgrade
        self.status = status
        self.fate = fate
        self.round_trip_s = round_trip_s
        self.cut_after_s = cut_after_s
        self.late_s = late_s
        self.fates: Counter[Fate] = Counter()
        self.upgrades = 0
        self.port = 0
        self._relay_port = relay_port
        self._upgraded = threading.Condition()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[object]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def wait_for_upgrades(self, count: int) -> bool:
        """Return whether so many WebSockets have been asked for within a bounded time."""
        with self._upgraded:
            return self._upgraded.wait_for(lambda: self.upgrades >= count, timeout=20)

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(START_WITHIN_S)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_WITHIN_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._client(reader, writer))

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut_after_s is not None:
            self._loop.call_later(self.cut_after_s, writer.transport.abort)
        try:
            while await self._request(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; return whether another may follow on this connection."""
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        if any(line.lower() == b"upgrade: websocket" for line in lines):
            with self._upgraded:
                self.upgrades += 1
                self._upgraded.notify_all()
            if self.upgrade is Upgrade.REFUSE:
                page = b"<html>not here</html>"
                head = f"HTTP/1.1 {self.status} No\r\ncontent-type: text/html\r\ncontent-length: {len(page)}\r\n\r\n"
                writer.write(head.encode() + page)
                await writer.drain()
                return True
            if self.upgrade is Upgrade.HANG:
                await reader.read()
                return False
            if self.upgrade is Upgrade.PASS:
                await self._tunnel(b"\r\n".join(lines), reader, writer)
                return False
        length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
        kept = [line for line in lines if not line.lower().startswith((b"connection:", b"upgrade:"))]
        kept.insert(1, b"connection: close")
        return await self._exchange(b"\r\n".join(kept) + await reader.readexactly(length), writer)

    async def _exchange(self, request: bytes, writer: asyncio.StreamWriter) -> bool:
        fate = self.fate()
        self.fates[fate] += 1
        await asyncio.sleep(self.round_trip_s / 2)
        if fate is Fate.LOSE_REQUEST:
            return False
        if fate is Fate.LATE:
            self._spawn(self._forward(request, after_s=self.late_s))
            return False
        response = await self._forward(request)
        if fate is Fate.TWICE:
            self._spawn(self._forward(request, after_s=self.late_s))
        if fate is Fate.LOSE_RESPONSE:
            return False
        if fate is Fate.SILENCE:
            await self._stop.wait()
        await asyncio.sleep(self.round_trip_s / 2)
        writer.write(response[: len(response) // 2] if fate is Fate.CUT_RESPONSE else response)
        await writer.drain()
        if fate is Fate.CUT_RESPONSE:
            writer.write_eof()
            await asyncio.sleep(0.01)
        return False

    async def _forward(self, request: bytes, *, after_s: float = 0.0) -> bytes:
        await asyncio.sleep(after_s)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._relay_port)
        except OSError:  # as a gateway whose relay is away
            return b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.transport.abort()

    async def _tunnel(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        above, below = await asyncio.open_connection("127.0.0.1", self._relay_port)
        below.write(head)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(65536):
                    await asyncio.sleep(self.round_trip_s / 2)
                    sink.write(data)
                    await sink.drain()
            except OSError:
                pass
            finally:
                sink.transport.abort()

        try:
            await asyncio.gather(pump(reader, below), pump(above, writer))
        finally:
            below.transport.abort()

"""A network between a client and a server of whatever protocol: it can hang, lose one way, cut and delay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class TcpProxy:
    """Stands before a server on 127.0.0.1, on the loop of the test. Its settings may change while it runs.

    `hangs`: nothing goes either way and new connections are taken and not answered, as behind a firewall that drops.
    `loses_answers`: what the server says is lost, while it hears everything. `delay_s` is added each way.
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        self.hangs = False
        self.loses_answers = False
        self.delay_s = 0.0
        self.accepted = 0
        self.server_port = port
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    def hang(self) -> None:
        """Let nothing through from now on."""
        self.hangs = True
        self._flows.clear()

    def flow(self) -> None:
        """Let everything through again, also what was held up."""
        self.hangs = self.loses_answers = False
        self._flows.set()

    def cut(self) -> None:
        """End all connections with a reset."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._flows.wait()
            above, below = await asyncio.open_connection("127.0.0.1", self.server_port)
            self._open.add(below)
            try:
                await asyncio.gather(self._pump(reader, below), self._pump(above, writer, are_answers=True))
            finally:
                below.transport.abort()
                self._open.discard(below)
        except (OSError, asyncio.CancelledError):  # the stream's own callback cannot take that
            pass
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            self._tasks.discard(task)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, are_answers: bool = False
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await asyncio.sleep(self.delay_s)
                await self._flows.wait()
                if not (are_answers and self.loses_answers):
                    sink.write(data)
                    await sink.drain()
        sink.transport.abort()


@asynccontextmanager
async def tcp_proxy(port: int) -> AsyncIterator[TcpProxy]:
    """Run a proxy before the server on `port` for as long as the block lasts."""
    proxy = TcpProxy(port)
    server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        for task in list(proxy._tasks):
            task.cancel()
        await asyncio.gather(*proxy._tasks, return_exceptions=True)

"""Several processes that serve one port: a parent that holds the sockets and no data, and starts workers again.

    start      the first worker alone, then the others; if one cannot start, all is over
    a death    the worker is started again, after a wait that grows
    SIGHUP     one after the other gets a successor, and goes once that serves; if it does not serve, all stays as it is
    SIGTERM    all stop at once, as one relay does; who has not within the bound is killed
    no parent  each worker finds its line (`worker`) closed, and stops

The parent accepts nothing. What waits at the port while a worker goes is taken by another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from crdt_sync_server.errors import WorkerFailed
from crdt_sync_server.logs import tell
from crdt_sync_server.worker import READY, VARIABLE, Inheritance

__all__ = ["Workers", "doors"]

START_WITHIN_S = 120.0
"""A new version may have to bring the database up to date first."""
STOP_WITHIN_S = 25.0
"""More than a relay takes for all that it does at its end."""
AGAIN_AFTER_S = (0.2, 10.0)
"""The first wait before a worker is started again, and the longest."""
WELL_AFTER_S = 60.0
"""Who has lived so long begins with the first wait again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Child:
    process: Process
    line: asyncio.StreamWriter
    began_s: float


@contextlib.contextmanager
def doors(count: int) -> Iterator[list[socket.socket]]:
    """Yield listening Unix sockets in a folder that is this user's alone, which goes with the block."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="crdt-sync-", ignore_cleanup_errors=True))
        made = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(count)]
        for number, each in enumerate(made):
            each.bind(f"{folder}/{number}")
            each.listen(1024)
        yield made


class Workers:
    """The workers of one port. `command` starts one; `metrics` has a listening socket for each, or is empty.

    `doors` are listening Unix sockets, one for each, on which they take polls from each other.
    """

    def __init__(
        self,
        command: Sequence[str],
        listener: socket.socket,
        doors: Sequence[socket.socket],
        metrics: Sequence[socket.socket],
    ) -> None:
        self._command = command
        self._count = len(doors)
        self._listener = listener
        self._doors = doors
        self._metrics = metrics
        self._serving: dict[int, _Child] = {}
        self._alive: set[_Child] = set()
        self._starting = asyncio.Lock()
        self._stop = asyncio.Event()
        self._again = asyncio.Event()

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until SIGTERM or Ctrl-C; call `started` once all workers serve. Raises `WorkerFailed`.

        A second signal ends all at once.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._again.set)
        serving = asyncio.create_task(self._serve(started))
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (serving, stopping):
                task.cancel()
            await asyncio.wait((serving, stopping))
            await asyncio.gather(*map(self._end, self._alive))
        if not serving.cancelled():
            serving.result()

    def _told_to_stop(self, number: int) -> None:
        if self._stop.is_set():
            for child in self._alive:
                child.process.kill()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._stop.set()

    async def _serve(self, started: Callable[[], None]) -> None:
        self._serving[0] = await self._start(0)  # what it finds wrong the others need not say too
        try:
            async with asyncio.TaskGroup() as starting:
                others = {number: starting.create_task(self._start(number)) for number in range(1, self._count)}
        except* WorkerFailed as failed:
            raise failed.exceptions[0] from None
        self._serving |= {number: task.result() for number, task in others.items()}
        started()
        await asyncio.gather(self._restart_when_told(), *map(self._keep, range(self._count)))

    async def _keep(self, number: int) -> None:
        """Start a worker again whenever it ends."""
        loop = asyncio.get_running_loop()
        wait_s, longest_s = AGAIN_AFTER_S
        while True:
            child = self._serving[number]
            status = await child.process.wait()
            if self._serving[number] is not child:
                continue  # it has a successor
            self._alive.discard(child)
            child.line.close()
            if loop.time() - child.began_s >= WELL_AFTER_S:
                wait_s = AGAIN_AFTER_S[0]
            tell("worker", logging.ERROR, number=number, state="has died", status=status, again_in_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, longest_s)
            async with self._starting:
                if self._serving[number] is child:
                    with contextlib.suppress(WorkerFailed):  # it has said why
                        self._serving[number] = await self._start(number)
                        tell("worker", number=number, state="serves again")

    async def _restart_when_told(self) -> None:
        while True:
            await self._again.wait()
            self._again.clear()
            tell("restart", state="begins")
            try:
                for number in range(self._count):
                    async with self._starting:
                        successor = await self._start(number)
                        before, self._serving[number] = self._serving[number], successor
                    await self._end(before)
                    tell("worker", number=number, state="is replaced")
            except WorkerFailed as error:
                tell("restart", logging.ERROR, state="given up", reason=str(error))
            else:
                tell("restart", state="done")

    async def _start(self, number: int) -> _Child:
        """Return a worker that serves. Raises `WorkerFailed`."""
        ours, theirs = socket.socketpair()
        reader, line = await asyncio.open_connection(sock=ours)
        with theirs:
            metrics = self._metrics[number].fileno() if self._metrics else None
            inherited = Inheritance(
                number,
                self._listener.fileno(),
                theirs.fileno(),
                metrics,
                self._doors[number].fileno(),
                tuple(each.getsockname() for each in self._doors),
            )
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    env={**os.environ, VARIABLE: inherited.text()},
                    pass_fds=inherited.descriptors(),
                    process_group=0,  # a Ctrl-C is for the parent, who tells the workers
                )
            except OSError as error:
                line.close()
                raise WorkerFailed(f"worker {number} cannot be started: {error.strerror}", status=1) from error
        child = _Child(process, line, asyncio.get_running_loop().time())
        self._alive.add(child)
        said = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            said = await asyncio.wait_for(reader.readline(), START_WITHIN_S)
        if said != READY:
            raise WorkerFailed(f"worker {number} did not start", await self._end(child))
        return child

    async def _end(self, child: _Child) -> int:
        """Let a worker stop, or kill it if it does not; return its exit status."""
        child.line.close()
        try:
            return await asyncio.wait_for(child.process.wait(), STOP_WITHIN_S)
        except TimeoutError:
            tell("worker", logging.ERROR, pid=child.process.pid, state="does not stop and is killed")
            child.process.kill()
            return await child.process.wait()
        finally:
            self._alive.discard(child)

"""One thread on which a library's document and file live, and calls into it from an event loop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

import anyio
import anyio.lowlevel

__all__ = ["Worker"]

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Worker:
    """Start it with `start`, and `stop` it. Calls are done in the order in which they are made."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def call(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Run `function` on the thread and return or raise what it does.

        It is not cancelled half-way: a call that has been made is waited for, and its effect stands.
        """
        done = anyio.Event()
        native: Any = anyio.lowlevel.current_token().native_token
        wake: Callable[[Callable[[], object]], object] = getattr(native, "call_soon_threadsafe", None) or (
            native.run_sync_soon  # trio
        )
        result: list[Result] = []
        failure: list[BaseException] = []

        def job() -> None:
            try:
                result.append(function(*arguments))
            except BaseException as error:  # whatever it is, it belongs to the caller
                failure.append(error)
            try:
                wake(done.set)
            except RuntimeError:  # the loop has ended, and nobody waits any more
                return

        self._jobs.put(job)
        with anyio.CancelScope(shield=True):
            await done.wait()
        if failure:
            try:
                raise failure[0]
            finally:
                failure.clear()  # or the traceback would hold itself
        return result[0]

    async def stop(self) -> None:
        """Finish what was called, and end the thread. It starts no other: at the interpreter's exit none can start."""
        await self.call(lambda: None)
        self._jobs.put(None)
        self._thread.join()  # it has nothing left to do

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

"""An event loop on a thread of its own, in which something is kept open, and calls into it from any other thread.

Nothing waits for ever: each call ends with its result, with the error it raised, or with `LibraryClosed`, also when the
loop dies. The thread is a daemon, so a program that forgets to close can end.

A signal handler may run in the middle of all this, and close, so nothing here holds a lock; the loops' own ways to be
called from another thread do. The mail is a deque, and a socket says that there is some.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from importlib.util import find_spec
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import anyio
from anyio.abc import TaskGroup

from crdt_sync.errors import InvalidEdit, LibraryClosed, WrongThread

__all__ = ["Backend", "LoopThread", "do"]

Backend: TypeAlias = Literal["asyncio", "trio"]
Opened = TypeVar("Opened")
Result = TypeVar("Result")


class _Call(Generic[Result]):
    """One call. Whoever gives the first answer, the loop or who finds that it cannot, has given it."""

    def __init__(self, function: Callable[[], Awaitable[Result]]) -> None:
        self.function = function
        self.scope: anyio.CancelScope | None = None
        self.is_abandoned = False
        self.is_answered = False
        self._answers: queue.SimpleQueue[tuple[list[Result], BaseException | None]] = queue.SimpleQueue()

    def succeed(self, result: Result) -> None:
        """Let the caller return this."""
        self._answers.put(([result], None))

    def fail(self, error: BaseException) -> None:
        """Let the caller raise this."""
        self._answers.put(([], error))

    def result(self) -> Result:
        """Wait for the answer, and return or raise it."""
        results, error = self._answers.get()
        self.is_answered = True
        if error is not None:
            try:
                raise error
            finally:
                del error  # or the traceback would hold itself
        return results[0]


class LoopThread(Generic[Opened]):
    """`start` it, `call` into it, and `stop` and `join` it. All but the first may come from any thread."""

    def __init__(
        self, resource: AbstractAsyncContextManager[Opened], backend: Backend, what: str = "the library"
    ) -> None:
        """Take what to keep open, and how it is called in errors. Raises `InvalidEdit` if there is no such loop."""
        if backend not in anyio.get_all_backends() or (backend == "trio" and find_spec("trio") is None):
            raise InvalidEdit(f"there is no event loop {backend!r} here; take asyncio, or install trio")
        self.what = what
        self._resource = resource
        self._backend = backend
        self._thread = threading.Thread(target=self._run, name="crdt-sync-loop", daemon=True)
        self._process = os.getpid()
        self._ready: Future[Opened] = Future()
        self._mail: deque[Callable[[], object]] = deque()
        self._calls: set[_Call[Any]] = set()
        self._stopping = False
        self._ended = False
        self._exiting = False
        self._failure: BaseException | None = None
        self._at_failure: Callable[[], object] = lambda: None
        self._is_closed = False
        self._tasks: TaskGroup
        self._ear, self._bell = socket.socketpair()
        for end in (self._ear, self._bell):
            end.setblocking(False)
            weakref.finalize(self, end.close)  # not before the last thread that might ring is gone

    # For any thread

    def start(self) -> Opened:
        """Open the resource and return it. Raises what opening raises; then the thread has ended."""
        self._thread.start()
        try:
            return self._ready.result()
        except BaseException:
            self.stop()  # interrupted while it opened: it closes again by itself
            raise

    def call(self, function: Callable[[], Awaitable[Result]]) -> Result:
        """Await `function()` on the loop and return or raise what it does. Raises `LibraryClosed` or `WrongThread`.

        A wait that is interrupted, by Ctrl-C say, gives the call up: what has begun to be written is written whole.
        """
        try:
            return self._call(function)
        except LibraryClosed:
            if self._exiting and threading.current_thread().daemon:
                threading.Event().wait()  # the interpreter is about to end daemon threads; an error would be noise
            raise

    def post(self, function: Callable[[], object]) -> None:
        """Have `function` run on the loop, if that still runs; wait for nothing."""
        if self.is_foreign():
            return
        self._mail.append(function)
        with suppress(OSError):  # the bell has rung often enough, or the interpreter has closed it
            self._bell.send(b"!")

    def stop(self, last: Callable[[], object] = lambda: None) -> None:
        """Take no more calls, end those that wait, run `last` on the loop, and close the resource; wait for nothing."""
        self._mail.append(last)
        self._stopping = True
        self.post(lambda: None)

    def join(self, timeout_s: float) -> bool:
        """Wait until the resource is closed; return whether that was so in time. Then every call has ended."""
        self.check_caller()
        self._thread.join(max(timeout_s, 0))
        if ended := not self._thread.is_alive():
            return ended
        self._end_calls(f"{self.what} was closed while this was being done; it may have been done all the same")
        return ended

    def exit(self) -> None:
        """Say that the interpreter ends: only daemon threads can still be in calls, and they need no answer."""
        self._exiting = True

    def failure(self) -> BaseException | None:
        """Return the error with which the loop ended, or None."""
        return self._failure

    def at_failure(self, function: Callable[[], object]) -> None:
        """Have `function` called, on the loop's thread, when the loop has died of an error. You must say so first."""
        self._at_failure = function

    def check_caller(self) -> None:
        """Raise `WrongThread` on the loop's own thread, and `LibraryClosed` in a forked process, which has no loop."""
        if self.is_foreign():
            raise LibraryClosed(f"this process was forked from the one that opened {self.what}; open it again here")
        if threading.current_thread() is self._thread:
            raise WrongThread(
                f"this is {self.what}'s own thread and would wait for itself; a token callable must not call it"
            )

    def is_foreign(self) -> bool:
        """Return whether this is a process that was forked from the loop's own."""
        return os.getpid() != self._process

    # For what runs on the loop

    async def spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Run `function` beside the calls until the end; return once it has said that it is started."""
        await self._tasks.start(function, *arguments)

    # Inside

    def _call(self, function: Callable[[], Awaitable[Result]]) -> Result:
        self.check_caller()
        self._check_open()
        call = _Call(function)
        try:
            self._calls.add(call)
            self.post(partial(self._begin, call))
            if self._ended:  # meanwhile, and the calls were ended perhaps before this one was among them
                self._end_calls(self._why_ended())
            return call.result()
        finally:
            if not call.is_answered:  # interrupted
                self.post(partial(self._abandon, call))

    def _check_open(self) -> None:
        if self._failure is not None:
            raise LibraryClosed(f"{self.what} has stopped: {self._failure}; open it again") from self._failure
        if self._stopping:
            raise LibraryClosed(f"{self.what} is closed; open it again")

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            anyio.run(self._main, backend=self._backend)
        except BaseException as error:  # it belongs to whoever calls, or opens
            failure = error
        if not self._is_closed:  # else the loop alone did not end well: at exit it cannot join its threads
            self._failure = failure
        self._stopping = self._ended = True
        if not self._ready.done():
            self._ready.set_exception(failure or LibraryClosed(f"{self.what} was closed while it opened"))
        self._end_calls(self._why_ended())
        if self._failure is not None:
            self._at_failure()

    async def _main(self) -> None:
        async with self._resource as opened, anyio.create_task_group() as self._tasks:
            self._ready.set_result(opened)
            while not self._stopping:
                await anyio.wait_readable(self._ear)
                self._ear.recv(4096)
                self._take_mail()
            self._take_mail()
            self._tasks.cancel_scope.cancel()
        self._is_closed = True

    def _take_mail(self) -> None:
        """Do what other threads have posted, in order."""
        while self._mail:
            self._mail.popleft()()

    def _begin(self, call: _Call[Any]) -> None:
        self._tasks.start_soon(self._answer, call)

    def _abandon(self, call: _Call[Any]) -> None:
        """Nobody waits any more: stop where that can be done."""
        call.is_abandoned = True
        self._calls.discard(call)
        if call.scope is not None:
            call.scope.cancel()

    async def _answer(self, call: _Call[Any]) -> None:
        try:
            with anyio.CancelScope() as call.scope:
                if not call.is_abandoned:
                    call.succeed(await call.function())
        except anyio.get_cancelled_exc_class():
            if self._stopping:
                call.fail(LibraryClosed(f"{self.what} was closed before this was done"))
                self._calls.discard(call)
            raise  # a loop that dies tells why when it has, in `_run`
        except BaseException as error:
            call.fail(error)
        self._calls.discard(call)

    def _why_ended(self) -> str:
        if self._failure is None:
            return f"{self.what} was closed before this was done"
        return f"{self.what} has stopped: {self._failure}; this may have been done all the same"

    def _end_calls(self, message: str) -> None:
        while self._calls:
            with suppress(KeyError):  # another thread ends them too
                error = LibraryClosed(message)
                error.__cause__ = self._failure
                self._calls.pop().fail(error)


def do(loop: LoopThread[Any], function: Callable[[], Result]) -> Result:
    """Call what waits for nothing, on the loop."""

    async def call() -> Result:
        return function()

    return loop.call(call)

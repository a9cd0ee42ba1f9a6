"""An event loop on a thread of its own, in which something is kept open, and calls into it from any other thread.

Nothing waits for ever: each call ends with its result, with the error it raised, or with `LibraryClosed`, also when the
loop dies. The thread is a daemon, so a program that forgets to close can end.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from crdt_sync.errors import LibraryClosed, WrongThread
from crdt_sync.wake import waker

__all__ = ["LoopThread"]

Opened = TypeVar("Opened")
Result = TypeVar("Result")


class _Call(Generic[Result]):
    """One call. The loop settles `outcome`, or whoever finds that the loop cannot."""

    def __init__(self, function: Callable[[], Awaitable[Result]]) -> None:
        self.function = function
        self.outcome: Future[Result] = Future()
        self.scope: anyio.CancelScope | None = None
        self.is_abandoned = False
        self._settling = threading.RLock()

    def succeed(self, result: Result) -> None:
        """Give the caller the result, unless it has its answer already."""
        with self._settling:
            if not self.outcome.done():
                self.outcome.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Have the caller raise `error`, unless it has its answer already."""
        with self._settling:
            if not self.outcome.done():
                self.outcome.set_exception(error)

    def abandon(self) -> None:
        """Nobody waits any more: stop where that can be done. Call it on the loop."""
        self.is_abandoned = True
        if self.scope is not None:
            self.scope.cancel()


class LoopThread(Generic[Opened]):
    """`start` it, `call` into it, and `stop` and `join` it. All but the first may come from any thread."""

    def __init__(self, resource: AbstractAsyncContextManager[Opened], backend: str) -> None:
        self._resource = resource
        self._backend = backend
        self._thread = threading.Thread(target=self._run, name="crdt-sync-loop", daemon=True)
        self._process = os.getpid()
        self._ready: Future[Opened] = Future()
        self._lock = threading.RLock()  # guards what follows; a signal handler may call while it is held
        self._mail: deque[Callable[[], object]] = deque()
        self._calls: set[_Call[Any]] = set()
        self._wake: Callable[[Callable[[], object]], None] | None = None
        self._stopping = False
        self._exiting = False
        self._failure: BaseException | None = None
        # The loop's own
        self._work: anyio.Event
        self._tasks: TaskGroup

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
        if not self.is_foreign():
            with self._lock:
                self._post(function)

    def stop(self, last: Callable[[], object] = lambda: None) -> None:
        """Take no more calls, end those that wait, run `last` on the loop, and close the resource; wait for nothing."""
        with self._lock:
            self._post(last)
            self._stopping = True
            self._post(lambda: None)

    def join(self, timeout_s: float) -> bool:
        """Wait until the resource is closed; return whether that was so in time. Then every call has ended."""
        self.check_caller()
        self._thread.join(max(timeout_s, 0))
        if ended := not self._thread.is_alive():
            return ended
        self._end_calls("the library was closed while this was being done; it may have been done all the same")
        return ended

    def exit(self) -> None:
        """Say that the interpreter ends: only daemon threads can still be in calls, and they need no answer."""
        self._exiting = True

    def failure(self) -> BaseException | None:
        """Return the error with which the loop ended, or None."""
        return self._failure

    def check_caller(self) -> None:
        """Raise `WrongThread` on the loop's own thread, and `LibraryClosed` in a forked process, which has no loop."""
        if self.is_foreign():
            raise LibraryClosed("this process was forked from the one that opened the library; open it again here")
        if threading.current_thread() is self._thread:
            raise WrongThread(
                "this is the library's own thread and would wait for itself; a token callable must not call the library"
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
        call = _Call(function)
        with self._lock:
            self._check_open()
            self._calls.add(call)
            self._post(partial(self._begin, call))
        try:
            return call.outcome.result()
        except BaseException:
            if not call.outcome.done():
                self.post(call.abandon)
            raise
        finally:
            del call  # or a traceback would hold it, and it the traceback

    def _check_open(self) -> None:
        if self._failure is not None:
            raise LibraryClosed(f"the library has stopped: {self._failure}; open it again") from self._failure
        if self._stopping:
            raise LibraryClosed("the library is closed; open it again")

    def _post(self, function: Callable[[], object]) -> None:
        self._mail.append(function)
        if self._wake is not None:
            self._wake(lambda: self._work.set())

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            anyio.run(self._main, backend=self._backend)
        except BaseException as error:  # it belongs to whoever calls, or opens
            failure = error
        with self._lock:
            self._failure, self._stopping = failure, True
        if not self._ready.done():
            self._ready.set_exception(failure or LibraryClosed("the library was closed while it opened"))
        self._end_calls(
            "the library was closed before this was done"
            if failure is None
            else f"the library has stopped: {failure}; this may have been done all the same"
        )

    async def _main(self) -> None:
        self._work = anyio.Event()
        with self._lock:
            self._wake = waker()
        async with self._resource as opened, anyio.create_task_group() as self._tasks:
            self._ready.set_result(opened)
            while not self._stopping:
                self._work = anyio.Event()
                if not self._take_mail():
                    await self._work.wait()
            self._take_mail()
            self._tasks.cancel_scope.cancel()

    def _take_mail(self) -> bool:
        """Do what other threads have posted, in order; return whether there was anything."""
        with self._lock:
            mail, self._mail = self._mail, deque()
        for function in mail:
            function()
        return bool(mail)

    def _begin(self, call: _Call[Any]) -> None:
        self._tasks.start_soon(self._answer, call)

    async def _answer(self, call: _Call[Any]) -> None:
        try:
            with anyio.CancelScope() as call.scope:
                if not call.is_abandoned:
                    call.succeed(await call.function())
        except anyio.get_cancelled_exc_class():
            if self._stopping:  # a loop that dies tells why when it has, in `_run`
                call.fail(LibraryClosed("the library was closed before this was done"))
            raise
        except BaseException as error:
            call.fail(error)
        finally:
            if call.outcome.done() or call.is_abandoned:
                with self._lock:
                    self._calls.discard(call)

    def _end_calls(self, message: str) -> None:
        with self._lock:
            calls, self._calls = self._calls, set()
        for call in calls:
            error = LibraryClosed(message)
            error.__cause__ = self._failure
            call.fail(error)

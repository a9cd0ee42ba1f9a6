"""A library that dies of an error of its own says so to who listens: once, last, and where the program wants it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from crdt_sync import State, Status, blocking
from crdt_sync.errors import LibraryClosed, WrongThread
from tests.blocking.waiting import until


class Dying:
    """A library whose `token` makes the mistake that stops it, once it is told to."""

    def __init__(self, path: Path, backend: Any, deliver: Callable[[Callable[[], None]], None]) -> None:
        self._now = threading.Event()
        self.library = blocking.open_library(
            path, relay="ws://127.0.0.1:9", room="r", token=self._token, backend=backend, deliver=deliver
        )

    async def _token(self) -> str:
        await anyio.to_thread.run_sync(self._now.wait, 20)
        self.library.counts()
        raise AssertionError("it would wait for itself")

    def die(self) -> None:
        """Return once it has."""
        self._now.set()
        until(lambda: self.library.status.state is State.STOPPED, "the end")

    def close(self) -> None:
        with pytest.raises(LibraryClosed, match="had stopped") as caught:
            self.library.close()
        assert isinstance(caught.value.__cause__, WrongThread)


def test_the_last_status_comes_once_on_the_thread_that_drains(tmp_path: Path, backend: Any) -> None:
    queue = blocking.CallbackQueue()
    told: list[Status] = []
    threads: set[threading.Thread] = set()

    def listen(status: Status) -> None:
        threads.add(threading.current_thread())
        told.append(status)

    dying = Dying(tmp_path / "a", backend, queue.put)
    dying.library.on_status(listen)
    while not told:
        assert queue.wait(20)
        queue.drain()
    dying.die()
    while told[-1].state is not State.STOPPED:
        assert queue.wait(20)
        queue.drain()
    assert told[-1] == dying.library.status
    assert "own thread" in str(told[-1].last_error)
    assert threads == {threading.current_thread()}
    dying.close()
    queue.drain()
    assert [status.state for status in told].count(State.STOPPED) == 1


def test_the_last_status_waits_until_the_one_before_has_been_taken(tmp_path: Path, backend: Any) -> None:
    """A listener has one callback under way at most, also at the end: threads could turn two round."""
    waiting: list[Callable[[], None]] = []
    told: list[State] = []
    dying = Dying(tmp_path / "a", backend, waiting.append)
    dying.library.on_status(lambda status: told.append(status.state))
    until(lambda: waiting)
    dying.die()
    assert len(waiting) == 1
    waiting.pop()()
    until(lambda: waiting)
    waiting.pop()()
    assert told == [State.CONNECTING, State.STOPPED]
    dying.close()
    assert not waiting


@pytest.mark.parametrize("ended_by", ["unsubscribing", "closing"])
def test_who_has_left_is_told_nothing(tmp_path: Path, backend: Any, ended_by: str) -> None:
    waiting: list[Callable[[], None]] = []
    told: list[Status] = []
    dying = Dying(tmp_path / "a", backend, waiting.append)
    unsubscribe = dying.library.on_status(told.append)
    stays: list[Status] = []
    dying.library.on_status(stays.append)
    until(lambda: len(waiting) == 2)
    if ended_by == "unsubscribing":
        unsubscribe()
    dying.die()
    if ended_by == "closing":
        dying.close()
    for _ in range(2):
        waiting.pop(0)()
    if ended_by == "unsubscribing":
        until(lambda: waiting)
        waiting.pop()()
        assert [status.state for status in stays] == [State.CONNECTING, State.STOPPED]
        dying.close()
    assert not told
    assert not waiting


def test_a_callback_that_is_told_may_close(tmp_path: Path, backend: Any) -> None:
    """As a window does that shows the error and gives up."""
    raised: list[BaseException] = []
    done = threading.Event()

    def listen(status: Status) -> None:
        if status.state is State.STOPPED:
            try:
                dying.library.close()
            except LibraryClosed as error:
                raised.append(error)
            done.set()

    dying = Dying(tmp_path / "a", backend, lambda callback: callback())
    dying.library.on_status(listen)
    dying.die()
    assert done.wait(20)
    assert "had stopped" in str(raised[0])


def test_a_library_that_is_closed_tells_no_end(tmp_path: Path, backend: Any) -> None:
    """Who closes knows, and no callback runs after that."""
    queue = blocking.CallbackQueue()
    told: list[Status] = []
    library = blocking.open_library(tmp_path / "a", backend=backend, deliver=queue.put)
    library.on_status(told.append)
    assert queue.wait(20)
    queue.drain()
    library.close()
    assert not queue.wait(0.1)
    assert [status.state for status in told] == [State.OFFLINE]

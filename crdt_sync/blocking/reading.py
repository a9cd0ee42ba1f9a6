"""`library.reading`, method for method, for programs that have no event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from crdt_sync import reading as asynchronous
from crdt_sync.blocking.loop_thread import LoopThread
from crdt_sync.library import Library

__all__ = ["Reading"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _twin(
    method: Callable[Concatenate[asynchronous.Reading, Parameters], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Reading, Parameters], Result]:
    """Return the method that calls `method` on the loop and waits for it."""

    @wraps(method)
    def call(self: Reading, /, *arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        return self._loop.call(partial(method, self._library.reading, *arguments, **named))

    return call


class Reading:
    """Where each device reads, as `library.reading`. No call here ever moves anybody: `suggestion` is to be asked."""

    def __init__(self, loop: LoopThread[Library], library: Library) -> None:
        self._loop = loop
        self._library = library

    set_position = _twin(asynchronous.Reading.set_position)
    positions = _twin(asynchronous.Reading.positions)
    suggestion = _twin(asynchronous.Reading.suggestion)
    decline = _twin(asynchronous.Reading.decline)
    devices = _twin(asynchronous.Reading.devices)
    name_device = _twin(asynchronous.Reading.name_device)
    forget_devices = _twin(asynchronous.Reading.forget_devices)
    write = _twin(asynchronous.Reading.write)

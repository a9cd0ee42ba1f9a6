"""Methods that call those of an asynchronous object on its loop, and wait."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from crdt_sync.blocking.loop_thread import LoopThread

__all__ = ["twin"]

Opened = TypeVar("Opened")
Held = TypeVar("Held", covariant=True)
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class OnLoop(Protocol[Held]):
    """What has an asynchronous object, and the loop that it lives on."""

    _loop: LoopThread[Any]

    @property
    def _opened(self) -> Held: ...


def twin(
    method: Callable[Concatenate[Opened, Parameters], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[OnLoop[Opened], Parameters], Result]:
    """Return the method that calls `method` on the loop and waits for it."""

    @wraps(method)
    def call(self: OnLoop[Opened], /, *arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        return self._loop.call(partial(method, self._opened, *arguments, **named))

    return call

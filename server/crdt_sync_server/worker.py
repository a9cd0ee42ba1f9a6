"""One of several processes that serve a port together: what it has from its parent (`workers`), and tells it.

Between the two is a line, a pair of sockets. The worker says `ready` on it once it serves. It stops when the line ends:
because the parent closes it, or because there is no parent any more, however that came to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, MutableMapping
from dataclasses import asdict, dataclass

__all__ = ["READY", "VARIABLE", "Inheritance", "Worker"]

VARIABLE = "CRDT_SYNC_WORKER"
"""The environment variable that makes a worker of a process. It is nobody's but the parent's to set."""
READY = b"ready\n"


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a worker gets: its number, from 0, and the descriptors of its sockets; `metrics` may be None.

    `doors` are the paths of the Unix sockets on which the workers take polls from each other, `door` is its own.
    """

    number: int
    listener: int
    line: int
    metrics: int | None
    door: int
    doors: tuple[str, ...]

    def text(self) -> str:
        """Return it as the value of the variable."""
        return json.dumps(asdict(self))

    def descriptors(self) -> list[int]:
        """Return what the process must inherit."""
        return [each for each in (self.listener, self.line, self.metrics, self.door) if each is not None]


class Worker:
    """This process as a worker."""

    def __init__(self, inherited: Inheritance) -> None:
        self.number = inherited.number
        self.listener = socket.socket(fileno=inherited.listener)
        self.metrics = None if inherited.metrics is None else socket.socket(fileno=inherited.metrics)
        self.door = socket.socket(fileno=inherited.door)
        self.doors = inherited.doors
        self._line = socket.socket(fileno=inherited.line)
        self._line.setblocking(False)

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Worker | None:
        """Return this process as a worker, None if it is none. The variable is taken out: it is for one process."""
        text = environment.pop(VARIABLE, None)
        return None if text is None else cls(Inheritance(**json.loads(text)))

    def when_to_stop(self, stop: Callable[[], None]) -> None:
        """Call `stop`, on the running loop, once the line ends."""
        loop = asyncio.get_running_loop()

        def look() -> None:
            with contextlib.suppress(ConnectionResetError):  # an end, too
                if self._line.recv(1):
                    return
            loop.remove_reader(self._line)
            stop()

        loop.add_reader(self._line, look)

    def ready(self) -> None:
        """Tell the parent that this worker serves. If it has gone, or wants no worker any more, the line has ended."""
        with contextlib.suppress(OSError):
            self._line.send(READY)

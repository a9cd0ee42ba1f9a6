"""The one thread that writes the relay's file: the appends that wait are committed together, then one job is done.

While a commit runs, more appends arrive, and go into the next one. So a relay under load pays for few commits, and an
idle one waits for one commit alone. A long work comes as many short jobs, each with its own transaction, and appends go
before each of them: nobody waits for more than one. When no job waits, waste is swept, a piece at a time.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from crdt_sync_server.errors import RelayError, RoomDeleted, StoreError
from crdt_sync_server.logs import tell
from crdt_sync_server.stores import sqlite_rows as rows
from crdt_sync_server.stores.sqlite_file import transaction, translate
from crdt_sync_server.stores.sqlite_threads import Answers, Call

__all__ = ["Writer"]

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class _Append:
    room: str
    update: bytes
    owner: str | None
    done: asyncio.Future[int]


class Writer:
    """The writer's thread, from `start` to `close`."""

    def __init__(self, path: Path, answers: Answers) -> None:
        self.spared: set[int] = set()
        """The numbers of what is in `waste` because it is still being written. Jobs alone may change it."""
        self._path = path
        self._answers = answers
        self._jobs: queue.SimpleQueue[_Append | Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._has_waste = True  # of the process before, perhaps

    def start(self, connection: sqlite3.Connection, lock: sqlite3.Connection) -> None:
        """Take jobs from now on; both connections are closed in the end."""
        arguments = (connection, lock)
        self._thread = threading.Thread(target=self._serve, args=arguments, name="crdt-sync-store", daemon=True)
        self._thread.start()

    async def append(self, room: str, update: bytes, owner: str | None) -> int:
        """Store `update` and return its position, once it is durable."""
        done: asyncio.Future[int] = self._answers.expect()
        self._put(_Append(room, update, owner, done))
        return await done

    async def call(self, run: Callable[[sqlite3.Connection], Done]) -> Done:
        """Return what `run` returns. Raises what it raises of ours, and `StoreError` for everything else."""
        return await self.post(run)

    def post(self, run: Callable[[sqlite3.Connection], Done]) -> asyncio.Future[Done]:
        """Let `run` be done after all that was asked before; who does not care need not wait."""
        done: asyncio.Future[Done] = self._answers.expect()
        self._put(Call(run, done))
        return done

    async def close(self) -> None:
        """Commit what waits, and close the file."""
        if self._thread is not None:
            thread, self._thread = self._thread, None
            self._jobs.put(None)
            await anyio.to_thread.run_sync(thread.join)

    def sweep(self, connection: sqlite3.Connection) -> bool:
        """Erase a piece of the waste; return False if there was none. For jobs."""
        if rows.first_waste(connection, self.spared) is None:  # the usual case, which needs no lock
            return False
        with transaction(connection):
            return rows.sweep(connection, self.spared)

    def _put(self, job: _Append | Call) -> None:
        if self._thread is None:
            raise StoreError("the store is closed")
        self._jobs.put(job)

    # On the writer's thread

    def _serve(self, connection: sqlite3.Connection, lock: sqlite3.Connection) -> None:
        calls: deque[Call] = deque()
        is_closing = False
        with closing(lock), closing(connection):
            while calls or not is_closing:
                appends: list[_Append] = []
                for job in self._waiting(block=not calls and not self._has_waste):
                    if job is None:
                        is_closing = True
                    elif isinstance(job, _Append):
                        appends.append(job)
                    else:
                        calls.append(job)
                if appends:
                    self._append(connection, appends)
                if calls:
                    self._call(connection, calls.popleft())
                    self._has_waste = True  # or not: the next sweep tells
                elif self._has_waste and not is_closing:
                    self._sweep_unasked(connection)

    def _waiting(self, *, block: bool) -> list[_Append | Call | None]:
        jobs = [self._jobs.get()] if block else []
        while not self._jobs.empty():
            jobs.append(self._jobs.get())
        return jobs

    def _append(self, connection: sqlite3.Connection, appends: list[_Append]) -> None:
        answers: list[tuple[_Append, int, RelayError | None]] = []
        try:
            with transaction(connection):
                for job in appends:
                    try:
                        answers.append((job, rows.append(connection, job.room, job.update, job.owner), None))
                    except RoomDeleted as error:
                        answers.append((job, 0, error))
        except Exception as error:
            failure = translate(error, self._path)
            answers = [(job, 0, failure) for job in appends]
        for job, position, refusal in answers:
            self._answers.give(job.done, position, refusal)

    def _call(self, connection: sqlite3.Connection, job: Call) -> None:
        try:
            self._answers.give(job.done, job.run(connection))
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._answers.give(job.done, None, translate(error, self._path))

    def _sweep_unasked(self, connection: sqlite3.Connection) -> None:
        try:
            self._has_waste = self.sweep(connection)
        except Exception as error:  # it stays listed, and is tried again after the next job
            self._has_waste = False
            tell("not swept", logging.WARNING, reason=str(translate(error, self._path)))

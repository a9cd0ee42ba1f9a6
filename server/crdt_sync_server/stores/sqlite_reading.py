"""Reads of the relay's file, on threads whose connections stay open.

To open a connection costs many times what a small room does, and thousands are asked for at once when a relay is back.
Each read begins and ends a transaction of its own. One that outlived its read would keep the log from being taken into
the file, which would then grow without end; one that began before a read was asked for could miss what is durable.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread

from crdt_sync_server.errors import RelayError, StoreError
from crdt_sync_server.stores.sqlite_file import connect, translate
from crdt_sync_server.stores.sqlite_threads import Answers, Call

__all__ = ["Readers"]

READERS = 2
"""While one reads a large document, the other reads the small ones."""
CACHE_KIB = 512

Found = TypeVar("Found")


class Readers:
    """A few threads that take reads in the order in which they come. You must `start` and `close` them."""

    def __init__(self, path: Path, answers: Answers) -> None:
        self._path = path
        self._answers = answers
        self._jobs: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take reads from now on."""
        for number in range(READERS):
            thread = threading.Thread(target=self._serve, name=f"crdt-sync-reader-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    async def read(self, run: Callable[[sqlite3.Connection], Found]) -> Found:
        """Return what `run` returns. Raises what it raises of ours, and `StoreError` for everything else."""
        if not self._threads:
            raise StoreError("the store is closed")
        done: asyncio.Future[Found] = self._answers.expect()
        self._jobs.put(Call(run, done))
        return await done

    async def close(self) -> None:
        """Finish what was asked, and close the connections."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        while (job := self._jobs.get()) is not None:
            if job.done.cancelled():  # thousands may have gone while they waited
                continue
            try:
                connection = connection or _open(self._path)
                self._answers.give(job.done, _read(connection, job))
            except RelayError as error:
                self._answers.give(job.done, None, error)
            except Exception as error:
                self._answers.give(job.done, None, translate(error, self._path))
                if connection is not None:  # what has failed is not used again
                    connection.close()
                    connection = None
        if connection is not None:
            connection.close()


def _open(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")  # a document is read once
    connection.execute("PRAGMA query_only = ON")
    return connection


def _read(connection: sqlite3.Connection, job: Call) -> Any:
    """Do the job, and leave no transaction behind, however it ends."""
    try:
        return job.run(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")

"""Polls among workers: a session lives in one of them, and a poll that another has accepted is passed on to it.

Which worker a room's polls are for follows from the path. Each worker has a door, a Unix socket in a folder that is
the parent's alone. A request goes through it as frames, each a length of four bytes, a letter and its data:

    h  the head of a request or an answer, JSON           b  a part of the body        e  the last part

Who hangs up closes the connection, in both directions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from crdt_sync_server.http import respond

__all__ = ["Passing", "door_open"]

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

PASSED_ON = "crdt_sync_server.passed_on"
"""The key in a scope's `state` that says that a request has come through a door."""
_LENGTH = struct.Struct(">I")


class Passing:
    """Passes polls on from the worker `own` through the doors at `paths`, which has one for each worker."""

    def __init__(self, own: int, paths: Sequence[str]) -> None:
        self._own = own
        self._paths = paths
        self._under_way: set[asyncio.StreamWriter] = set()
        self._is_over = False

    def door_for(self, scope: Scope) -> str | None:
        """Return the door that a poll must go through, None if it is right here."""
        if PASSED_ON in (scope.get("state") or ()):
            return None
        owner = zlib.crc32(scope["path"].encode()) % len(self._paths)
        return None if owner == self._own else self._paths[owner]

    async def carry(self, door: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the worker behind `door` answer. If it goes meanwhile its client is told to ask again."""
        has_begun = False
        try:
            reader, writer = await asyncio.open_unix_connection(door)
            self._under_way.add(writer)
            if self._is_over:
                writer.close()
            asking = asyncio.create_task(_ask(writer, scope, receive))
            try:
                async for event in _answered(reader):
                    has_begun = True
                    await send(event)
                    if event["type"] == "http.response.body" and not event["more_body"]:
                        return
            finally:
                self._under_way.discard(writer)
                writer.close()
                asking.cancel()
                await asyncio.wait([asking])
        except OSError:
            pass
        if not has_begun:  # a poll may be made again, and is; half an answer is cut
            await respond(send, 503, "text/plain", b"this worker or that of the room restarts; ask again")

    def stop(self) -> None:
        """Cut what is under way."""
        self._is_over = True
        for each in list(self._under_way):
            each.close()


async def _ask(writer: asyncio.StreamWriter, scope: Scope, receive: Receive) -> None:
    head = {
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": scope["raw_path"].decode("latin-1"),
        "query_string": scope["query_string"].decode("latin-1"),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "client": scope.get("client"),
    }
    with contextlib.suppress(OSError):
        _put(writer, b"h", json.dumps(head).encode())
        while (event := await receive())["type"] == "http.request":
            _put(writer, b"b" if event["more_body"] else b"e", event["body"])
            await writer.drain()
        writer.close()


async def _answered(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    while (frame := await _next(reader)) is not None:
        kind, data = frame
        if kind == b"h":
            head = json.loads(data)
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]]
            yield {"type": "http.response.start", "status": head["status"], "headers": headers}
        else:
            yield {"type": "http.response.body", "body": data, "more_body": kind == b"b"}


@asynccontextmanager
async def door_open(app: App, door: socket.socket) -> AsyncIterator[Callable[[], None]]:
    """Let `app` answer what comes through `door`, a listening socket, until the block ends or what it yields is called.

    What is under way then goes on until the block ends.
    """
    answering: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answering.add(task)
        try:
            await _take(app, reader, writer)
        finally:
            answering.discard(task)
            writer.close()

    server = await asyncio.start_unix_server(take, sock=door)
    try:
        yield server.close
    finally:
        server.close()
        for each in answering:
            each.cancel()


async def _take(app: App, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    frame = await _next(reader)
    if frame is None:
        return
    head = json.loads(frame[1])
    scope = {
        "type": "http",
        "method": head["method"],
        "path": head["path"],
        "raw_path": head["raw_path"].encode("latin-1"),
        "query_string": head["query_string"].encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]],
        "client": head["client"],
        "state": {PASSED_ON: True},
    }

    async def receive() -> dict[str, Any]:
        frame = await _next(reader)
        if frame is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": frame[1], "more_body": frame[0] == b"b"}

    async def send(event: Any) -> None:
        if event["type"] == "http.response.start":
            headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in event["headers"]]
            _put(writer, b"h", json.dumps({"status": event["status"], "headers": headers}).encode())
        else:
            _put(writer, b"b" if event.get("more_body") else b"e", event.get("body", b""))
            with contextlib.suppress(OSError):
                await writer.drain()

    await app(scope, receive, send)


def _put(writer: asyncio.StreamWriter, kind: bytes, data: bytes) -> None:
    writer.write(_LENGTH.pack(len(data)) + kind + data)


async def _next(reader: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    """Return the next frame, None if the other side has gone."""
    try:
        head = await reader.readexactly(_LENGTH.size + 1)
        return head[_LENGTH.size :], await reader.readexactly(_LENGTH.unpack(head[: _LENGTH.size])[0])
    except (asyncio.IncompleteReadError, OSError):
        return None

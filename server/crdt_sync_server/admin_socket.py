"""The way to a relay that runs: a Unix socket beside its database, for the user that it runs as (mode 0600).

One line of JSON goes in. One comes out, `{"value": …, "data_bytes": n}` or `{"error": …}`, and then n bytes. Windows
has no such socket: there the relay must be stopped first, and the commands say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from crdt_sync_server.administration import Administration, AdministrationAnswer
from crdt_sync_server.errors import RelayError
from crdt_sync_server.logs import tell

__all__ = ["admin_path", "ask_running", "serve_admin"]

CHANGES = ("delete", "compact", "set grant", "remove grant", "delete user")
"""What is told in the log."""
MAX_LINE_BYTES = 64 * 1024 * 1024
"""The list of a hundred thousand rooms fits."""


def admin_path(database: Path) -> Path:
    """Return where the socket of the relay on `database` is."""
    return database.with_name("admin.sock")


@asynccontextmanager
async def serve_admin(database: Path, administration: Administration) -> AsyncIterator[None]:
    """Answer on the socket for as long as the block lasts. You must hold the store: a socket that lies there is dead.

    Where there can be no socket a line in the log says so, and the relay runs without.
    """
    path = admin_path(database)
    try:
        listener = _bind(path)
        ours = path.stat().st_ino
    except (OSError, AttributeError) as error:  # no Unix sockets here, or the path is too long for one
        tell("no admin socket", logging.WARNING, path=str(path), reason=str(error))
        yield
        return

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):  # who asked has gone, or asks without end
            try:
                head, data = await _answer(administration, await reader.readline())
                writer.write(json.dumps(head).encode() + b"\n" + data)
                await writer.drain()
            finally:
                writer.close()

    server = await asyncio.start_unix_server(talk, sock=listener)
    try:
        yield
    finally:
        server.close()
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == ours:  # and not of a relay that has started since
                path.unlink()


async def ask_running(database: Path, request: Mapping[str, Any]) -> AdministrationAnswer:
    """Let the relay that runs on `database` do what `request` says. Raises `RelayError`."""
    try:
        reader, writer = await asyncio.open_unix_connection(admin_path(database), limit=MAX_LINE_BYTES)
    except (OSError, AttributeError) as error:
        raise RelayError(
            f"{database} is in use by a process that does not answer on {admin_path(database)}: another command, or a "
            "relay without an admin socket; wait for the command, or stop the relay"
        ) from error
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        line = await reader.readline()
        if not line:
            raise RelayError("the relay stopped before it answered")
        head = json.loads(line)
        if "error" in head:
            raise RelayError(head["error"])
        return AdministrationAnswer(head["value"], await reader.readexactly(head["data_bytes"]))
    except (OSError, asyncio.IncompleteReadError) as error:
        raise RelayError("the relay stopped before it answered") from error
    finally:
        writer.close()


def _bind(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # of a relay that was killed
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    return listener


async def _answer(administration: Administration, line: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        told = json.loads(line)
        request = told if isinstance(told, dict) else {}
        answer = await administration.answer(request)
    except ValueError:
        return {"error": "the request is no line of JSON"}, b""
    except RelayError as error:
        return {"error": str(error)}, b""
    except Exception as error:  # a bug here: who asked must not be told that the relay stopped
        tell("failed", logging.CRITICAL)
        return {"error": f"the relay could not do this, which is a bug; its log has more ({error!r})"}, b""
    if request.get("do") in CHANGES:
        tell("admin", do=request["do"], room=request.get("room"), subject=request.get("subject"))
    return {"value": answer.value, "data_bytes": len(answer.data)}, answer.data

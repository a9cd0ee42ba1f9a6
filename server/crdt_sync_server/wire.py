"""The shortest way of a frame to a socket: one unmasked WebSocket frame, written to the transport at once.

The ordinary way of a frame through an ASGI server costs more than the system call at its end. Where the server hands us
the connection's writer, and nothing else shares that connection, a frame is written straight to it (RFC 6455, section
5.2). The server goes on answering pings and closes: each of its frames is one write too, so none is cut by another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

__all__ = ["WRITER", "Wire", "wire_of"]

WRITER = "crdt_sync_server.writer"
"""The key of `scope["state"]` under which our server puts the connection's `asyncio.StreamWriter`."""
BINARY = 0x82
"""FIN, and opcode 2."""


def wire_of(scope: Mapping[str, Any]) -> Wire | None:
    """Return the wire of a WebSocket that has its connection to itself, or None: HTTP/2 does not, for one."""
    writer = (scope.get("state") or {}).get(WRITER)
    return Wire(writer) if writer is not None and scope.get("http_version") == "1.1" else None


class Wire:
    """Writes whole frames. Ask `is_clear` before each, or `drain` first."""

    __slots__ = ("_transport", "_writer")

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._transport = writer.transport
        self._transport.set_write_buffer_limits(high=0)  # "drained" means that the system has taken every byte

    def is_clear(self) -> bool:
        """Say whether the system has taken all that was written, so that more may follow at once."""
        return not self._transport.get_write_buffer_size() and not self._transport.is_closing()

    def write(self, message: bytes) -> None:
        """Write one binary message."""
        self._transport.writelines((_header(len(message)), message))

    async def drain(self) -> None:
        """Return once the system has taken every byte. Raises `ConnectionError` if the connection is lost."""
        await self._writer.drain()


def _header(length: int) -> bytes:
    if length < 126:
        return bytes((BINARY, length))
    if length < 1 << 16:
        return bytes((BINARY, 126)) + length.to_bytes(2, "big")
    return bytes((BINARY, 127)) + length.to_bytes(8, "big")

"""The sockets of connections to PostgreSQL, for the store and the backplane on it."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import psycopg

__all__ = ["shut_down"]


def shut_down(connection: psycopg.AsyncConnection[Any]) -> None:
    """Cut a connection off: to cancel a statement would wait for a server that may not be there."""
    with suppress(psycopg.Error, OSError):
        ours = socket.socket(fileno=connection.pgconn.socket)
        try:
            ours.shutdown(socket.SHUT_RDWR)
        finally:
            ours.detach()

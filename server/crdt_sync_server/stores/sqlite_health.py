"""What is wrong with the relay's file: what SQLite's own check finds, and rooms whose records do not fit."""

from __future__ import annotations

import sqlite3

from crdt_sync_server.stores.sqlite_rows import MISCOUNTS

__all__ = ["damage"]

MISCOUNTED = "what is stored of it is not what its record says"


def damage(connection: sqlite3.Connection) -> list[str]:
    """Return what is wrong, in words. Raises `sqlite3.Error` if the file is so damaged that the check itself stops."""
    lines = [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
    return lines or [f"room {room!r}: {MISCOUNTED}" for (room,) in connection.execute(MISCOUNTS)]

"""Tokens in the relay's file: a row each, which stays when the token is revoked, so that the list can tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from crdt_sync_server.stores.sqlite_file import transaction
from crdt_sync_server.stores.sqlite_reading import Readers
from crdt_sync_server.stores.sqlite_writing import Writer
from crdt_sync_server.tokens import AccessToken

__all__ = ["SqliteTokens", "keep_revocations"]

COLUMNS = "id, subject, name, made_ms, expires_ms, revoked_ms, digest"
TOKENS = f"SELECT {COLUMNS} FROM tokens"
ADD = f"INSERT INTO tokens ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
REVOKE = "UPDATE tokens SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL"
KEEP = f"""
INSERT INTO tokens ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET revoked_ms = excluded.revoked_ms
"""


class SqliteTokens:
    """`ports.Tokens` on the threads of a `SqliteStore`, which opens and closes the file."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def add(self, token: AccessToken) -> None:
        """Keep a new token."""

        def run(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.execute(ADD, _row(token))

        await self._writer.call(run)

    async def find(self, digest: bytes) -> AccessToken | None:
        """Return the token with this SHA-256, whether it still holds or not."""
        found = await self._read(f"{TOKENS} WHERE digest = ?", digest)
        return found[0] if found else None

    async def listed(self) -> Sequence[AccessToken]:
        """Return all tokens, the oldest first."""
        return await self._read(f"{TOKENS} ORDER BY made_ms, id")

    async def revoke(self, token_id: str, at_ms: int) -> AccessToken | None:
        """Revoke a token for good, and return it; None if there is none. A second time changes nothing."""

        def run(connection: sqlite3.Connection) -> AccessToken | None:
            with transaction(connection):
                connection.execute(REVOKE, (at_ms, token_id))
                row = connection.execute(f"{TOKENS} WHERE id = ?", (token_id,)).fetchone()
            return None if row is None else AccessToken(*row)

        return await self._writer.call(run)

    async def _read(self, query: str, *arguments: Any) -> list[AccessToken]:
        rows = await self._readers.read(lambda connection: connection.execute(query, arguments).fetchall())
        return [AccessToken(*row) for row in rows]


def keep_revocations(copy: sqlite3.Connection, old: sqlite3.Connection) -> None:
    """Revoke in `copy`, within its transaction, what was revoked in `old`: a backup brings no token back to life."""
    copy.executemany(KEEP, old.execute(f"{TOKENS} WHERE revoked_ms IS NOT NULL").fetchall())


def _row(token: AccessToken) -> tuple[Any, ...]:
    times = (token.made_ms, token.expires_ms, token.revoked_ms)
    return (token.id, token.subject, token.name, *times, token.digest)

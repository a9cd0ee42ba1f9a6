"""Tokens in the relay's file: a row each, which stays when the token is revoked, so that the list can tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from crdt_sync_server.stores.sqlite_file import transaction
from crdt_sync_server.stores.sqlite_reading import Readers
from crdt_sync_server.stores.sqlite_writing import Writer
from crdt_sync_server.tokens import AccessToken

__all__ = ["SqliteTokens", "keep_revocations"]

COLUMNS = "id, subject, name, made_ms, expires_ms, revoked_ms, made_with, used_ms, digest"
TOKENS = f"SELECT {COLUMNS} FROM tokens"
ADD = f"""
INSERT INTO tokens ({COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE id = ?7 AND revoked_ms IS NOT NULL)
"""
FORGET = "DELETE FROM tokens WHERE subject = ? AND made_with IS NOT NULL AND expires_ms <= ?"
REVOKE = "UPDATE tokens SET revoked_ms = ?1 WHERE (id = ?2 OR made_with = ?2) AND revoked_ms IS NULL"
KEEP = f"""
INSERT INTO tokens ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET revoked_ms = excluded.revoked_ms
"""


class SqliteTokens:
    """`keepers.Tokens` on the threads of a `SqliteStore`, which opens and closes the file."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def add(self, token: AccessToken) -> bool:
        """Keep a new token; False if the one that it was made with was revoked."""

        def run(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                connection.execute(FORGET, (token.subject, token.made_ms))
                return connection.execute(ADD, _row(token)).rowcount == 1

        return await self._writer.call(run)

    async def find(self, digest: bytes) -> AccessToken | None:
        """Return the token with this SHA-256, whether it still holds or not."""
        found = await self._read(f"{TOKENS} WHERE digest = ?", digest)
        return found[0] if found else None

    async def listed(self, subject: str | None = None) -> Sequence[AccessToken]:
        """Return all tokens, or those of a subject, the oldest first."""
        if subject is None:
            return await self._read(f"{TOKENS} ORDER BY made_ms, id")
        return await self._read(f"{TOKENS} WHERE subject = ? ORDER BY made_ms, id", subject)

    async def revoke(self, token_id: str, at_ms: int) -> Sequence[AccessToken]:
        """Revoke a token for good, and those that were made with it; return them all."""

        def run(connection: sqlite3.Connection) -> list[AccessToken]:
            with transaction(connection):
                connection.execute(REVOKE, (at_ms, token_id))
                rows = connection.execute(
                    f"{TOKENS} WHERE id = ?1 OR made_with = ?1 ORDER BY made_ms, id", (token_id,)
                ).fetchall()
            return [AccessToken(*row) for row in rows]

        return await self._writer.call(run)

    async def used(self, at_ms: Mapping[str, int]) -> None:
        """Note when tokens were last used."""

        def run(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(
                    "UPDATE tokens SET used_ms = ? WHERE id = ?", [(used_ms, key) for key, used_ms in at_ms.items()]
                )

        await self._writer.call(run)

    async def _read(self, query: str, *arguments: Any) -> list[AccessToken]:
        rows = await self._readers.read(lambda connection: connection.execute(query, arguments).fetchall())
        return [AccessToken(*row) for row in rows]


def keep_revocations(copy: sqlite3.Connection, old: sqlite3.Connection) -> None:
    """Revoke in `copy`, within its transaction, what was revoked in `old`: a backup brings no token back to life."""
    copy.executemany(KEEP, old.execute(f"{TOKENS} WHERE revoked_ms IS NOT NULL").fetchall())


def _row(token: AccessToken) -> tuple[Any, ...]:
    times = (token.made_ms, token.expires_ms, token.revoked_ms)
    return (token.id, token.subject, token.name, *times, token.made_with, token.used_ms, token.digest)

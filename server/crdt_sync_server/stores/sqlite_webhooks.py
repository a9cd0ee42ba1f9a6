"""Webhooks in the relay's file: a row each, which goes when the webhook does, and its secret with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from crdt_sync_server.stores.sqlite_file import transaction
from crdt_sync_server.stores.sqlite_reading import Readers
from crdt_sync_server.stores.sqlite_writing import Writer
from crdt_sync_server.webhooks import Webhook

__all__ = ["SqliteWebhooks", "keep_webhooks"]

COLUMNS = "id, url, room, under, made_ms, secret"
HOOKS = f"SELECT {COLUMNS} FROM webhooks"
ADD = f"INSERT INTO webhooks ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
REMOVE = f"DELETE FROM webhooks WHERE id = ? RETURNING {COLUMNS}"


class SqliteWebhooks:
    """`keepers.Webhooks` on the threads of a `SqliteStore`, which opens and closes the file."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def add(self, hook: Webhook) -> None:
        """Keep a new webhook."""

        def run(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.execute(ADD, (hook.id, hook.url, hook.room, hook.under, hook.made_ms, hook.secret))

        await self._writer.call(run)

    async def listed(self) -> Sequence[Webhook]:
        """Return all webhooks, the oldest first."""
        query = f"{HOOKS} ORDER BY made_ms, id"
        rows = await self._readers.read(lambda connection: connection.execute(query).fetchall())
        return [Webhook(*row) for row in rows]

    async def remove(self, hook_id: str) -> Webhook | None:
        """Forget a webhook and its secret, and return it; None if there is none."""

        def run(connection: sqlite3.Connection) -> Webhook | None:
            with transaction(connection):
                rows = connection.execute(REMOVE, (hook_id,)).fetchall()
            return Webhook(*rows[0]) if rows else None

        return await self._writer.call(run)


def keep_webhooks(copy: sqlite3.Connection, old: sqlite3.Connection) -> None:
    """Give `copy`, within its transaction, the webhooks of `old` in place of its own: a backup calls nobody back."""
    copy.execute("DELETE FROM webhooks")
    copy.executemany(ADD, old.execute(HOOKS).fetchall())

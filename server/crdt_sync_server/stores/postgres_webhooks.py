"""Webhooks in PostgreSQL: a row each, which goes when the webhook does, and its secret with it."""

from __future__ import annotations

from collections.abc import Sequence

from crdt_sync_server.ports import NoticeKind
from crdt_sync_server.stores.postgres_link import Link
from crdt_sync_server.stores.postgres_notices import announce
from crdt_sync_server.webhooks import Webhook

__all__ = ["PostgresWebhooks"]

COLUMNS = "id, url, room, under, made_ms, secret"
ADD = f"INSERT INTO webhooks ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)"
REMOVE = f"DELETE FROM webhooks WHERE id = %s RETURNING {COLUMNS}"


class PostgresWebhooks:
    """`keepers.Webhooks` on the connections of a `PostgresStore`, which opens and closes them."""

    def __init__(self, link: Link, node: str) -> None:
        self._link = link
        self._node = node

    async def add(self, hook: Webhook) -> None:
        """Keep a new webhook."""
        async with self._link.transaction() as session:
            await session.execute(ADD, (hook.id, hook.url, hook.room, hook.under, hook.made_ms, hook.secret))
            await announce(session, self._node, NoticeKind.WEBHOOKS, [hook.id])

    async def listed(self) -> Sequence[Webhook]:
        """Return all webhooks, the oldest first."""
        return [Webhook(*row) for row in await self._link.read(f"SELECT {COLUMNS} FROM webhooks ORDER BY made_ms, id")]

    async def remove(self, hook_id: str) -> Webhook | None:
        """Forget a webhook and its secret, and return it; None if there is none."""
        async with self._link.transaction() as session:
            found = await session.execute(REMOVE, (hook_id,))
            await announce(session, self._node, NoticeKind.WEBHOOKS, [hook_id] if found else [])
        return Webhook(*found[0]) if found else None

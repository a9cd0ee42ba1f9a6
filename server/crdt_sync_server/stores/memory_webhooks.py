"""Webhooks that are forgotten with the process: for tests, and for relays whose store forgets too."""

from __future__ import annotations

from collections.abc import Sequence

from crdt_sync_server.webhooks import Webhook

__all__ = ["MemoryWebhooks"]


class MemoryWebhooks:
    """`keepers.Webhooks` in a dictionary."""

    def __init__(self) -> None:
        self._hooks: dict[str, Webhook] = {}

    async def add(self, hook: Webhook) -> None:
        """Keep a new webhook."""
        self._hooks[hook.id] = hook

    async def listed(self) -> Sequence[Webhook]:
        """Return all webhooks, the oldest first."""
        return sorted(self._hooks.values(), key=lambda each: (each.made_ms, each.id))

    async def remove(self, hook_id: str) -> Webhook | None:
        """Forget a webhook and its secret, and return it; None if there is none."""
        return self._hooks.pop(hook_id, None)

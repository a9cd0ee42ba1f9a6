"""What an operator may do with webhooks: add them, look at them, remove them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from crdt_sync_server.errors import NoSuchWebhook, RelayError, WebhookError
from crdt_sync_server.logs import tell
from crdt_sync_server.rooms import room_named
from crdt_sync_server.webhook_deliveries import Deliveries
from crdt_sync_server.webhooks import Webhook, checked_receiver, new_webhook, shown_secret

__all__ = ["MAX_WEBHOOKS", "WebhookDesk"]

MAX_WEBHOOKS = 64


class WebhookDesk:
    """The commands. `wall` is the wall clock, in seconds since 1970."""

    def __init__(self, deliveries: Deliveries, wall: Callable[[], float]) -> None:
        self._deliveries = deliveries
        self._wall = wall

    async def answer(self, request: Mapping[str, Any]) -> Any:
        """Do what `request` says. Raises `RelayError`."""
        match request:
            case {
                "what": "add", "url": str(url), "room": str() | None as room, "under": str() | None as under,
                "allow_http": bool(allow_http),
            }:  # fmt: skip
                return await self._add(checked_receiver(url, allow_http=allow_http), room, under)
            case {"what": "list"}:
                return [_shown(each) for each in await self._deliveries.listed()]
            case {"what": "remove", "id": str(hook_id)}:
                return await self._remove(hook_id)
        raise RelayError("the relay does not know this command; it may be of another version")

    async def _add(self, url: str, room: str | None, under: str | None) -> dict[str, Any]:
        if room is not None and under is not None:
            raise WebhookError("a webhook hears of one room (--room) or of those under a name (--under), not both")
        if len(await self._deliveries.listed()) >= MAX_WEBHOOKS:
            raise WebhookError(f"there are {MAX_WEBHOOKS} webhooks, which is the most; remove one")
        room, under = _room(room), _room(under)
        hook = new_webhook(url, room=room, under=under, made_ms=int(self._wall() * 1000))
        await self._deliveries.add(hook)
        tell("webhook", do="add", id=hook.id, room=room or under)
        return {**_shown(hook), "secret": shown_secret(hook)}

    async def _remove(self, hook_id: str) -> dict[str, Any]:
        known = hook_id.isascii()  # the command line hands on bytes that are not UTF-8 as half characters
        removed = await self._deliveries.remove(hook_id) if known else None
        if removed is None:
            raise NoSuchWebhook(f"there is no webhook {hook_id!r}; `webhooks list` shows the ids")
        tell("webhook", do="remove", id=removed.id)
        return _shown(removed)


def _room(name: str | None) -> str | None:
    if name is not None and name.encode("utf-8", "replace").decode() != name:  # as the command line hands it on
        raise WebhookError(f"{name!r} is no text, so no room is called that")
    return None if name is None else room_named(name)


def _shown(hook: Webhook) -> dict[str, Any]:
    """Return what may be shown of a webhook: all but its secret."""
    return {name: value for name, value in asdict(hook).items() if name != "secret"}

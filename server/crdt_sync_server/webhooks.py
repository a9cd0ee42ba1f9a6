"""Webhooks: what an operator asks for, and what a receiver gets. The signature is that of Standard Webhooks 1.0.0.

A receiver checks `webhook-signature` with the hook's own secret, over the delivery's id, the time at which it was sent
and the body; docs/webhooks.md says how.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from crdt_sync_server.changes import Change
from crdt_sync_server.errors import WebhookError

__all__ = ["SECRET_PREFIX", "Webhook", "body_of", "checked_receiver", "headers_of", "new_webhook", "shown_secret"]

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32
ID_BYTES = 6
MAX_URL_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver: it hears of `room` alone, of `under` and all rooms below it, or of all rooms if both are None.

    `secret` signs what is sent to it. It must be kept as it is: a hash could not sign. `made_ms` is in milliseconds
    since 1970.
    """

    id: str
    url: str
    room: str | None
    under: str | None
    made_ms: int
    secret: bytes = field(repr=False)

    def concerns(self, room: str) -> bool:
        """Say whether it hears of a room."""
        if self.room is not None:
            return room == self.room
        return self.under is None or room == self.under or room.startswith(f"{self.under}/")


def new_webhook(url: str, *, room: str | None, under: str | None, made_ms: int) -> Webhook:
    """Return a hook with an id and a secret of its own."""
    return Webhook(secrets.token_hex(ID_BYTES), url, room, under, made_ms, secrets.token_bytes(SECRET_BYTES))


def shown_secret(hook: Webhook) -> str:
    """Return the secret as its receiver is given it: `whsec_` and base64."""
    return SECRET_PREFIX + base64.b64encode(hook.secret).decode()


def checked_receiver(url: str, *, allow_http: bool) -> str:
    """Return the URL of a receiver as it is: https, or http on this machine, or any http if that is allowed.

    Raises `WebhookError`. A user or password in it would be shown in lists, so there may be none.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise WebhookError(f"{url!r} is no URL") from None
    if not (url.isascii() and url.isprintable() and " " not in url and len(url) <= MAX_URL_CHARACTERS):
        raise WebhookError(f"a webhook's URL is ASCII without spaces, percent-encoded, of {MAX_URL_CHARACTERS} at most")
    if not host or parts.scheme not in ("http", "https"):
        raise WebhookError(f"a webhook takes an https URL; this is {url!r}")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookError("a webhook's URL has no user, password or fragment; the signature says who calls")
    if parts.scheme == "http" and not allow_http and not _is_here(host):
        raise WebhookError(
            f"{url!r} would tell room names to the network that lies between; take https, or say --allow-http"
        )
    return url


def body_of(delivery_id: str, change: Change) -> bytes:
    """Return what is sent: JSON with `id`, `room`, `event`, `at_ms` and `version`, and nothing of the content."""
    told = {
        "id": delivery_id,
        "room": change.room,
        "event": change.event,
        "at_ms": change.at_ms,
        "version": change.version,
    }
    return json.dumps(told, ensure_ascii=False).encode()


def headers_of(hook: Webhook, delivery_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers of one attempt at `at_s`, in seconds since 1970. A repeated attempt has the same id."""
    signed = hmac.digest(hook.secret, f"{delivery_id}.{at_s}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "user-agent": "crdt-sync-server",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

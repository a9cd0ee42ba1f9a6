"""The token of an invitation: what it is for, signed with the relay's key. It says nothing that may not be passed on.

    token     = payload "." signature         ; both in base64url without padding
    payload   = JSON [1, room, id, expires]   ; expires in milliseconds since 1970
    signature = HMAC-SHA256 of the payload's bytes

A forged or expired token is turned away before the store is asked; whether one still counts stands in the roster.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass

__all__ = ["KEY_BYTES", "MAX_TOKEN_CHARACTERS", "Claim", "new_id", "read", "write"]

KEY_BYTES = 32
MAX_TOKEN_CHARACTERS = 2048
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token says: the invitation `id` of `room`, and until when (milliseconds since 1970)."""

    room: str
    id: str
    expires_ms: int


def new_id() -> str:
    """Return an id for an invitation: 128 random bits."""
    return secrets.token_urlsafe(16)


def write(claim: Claim, key: bytes) -> str:
    """Return the token of an invitation."""
    payload = _encode(json.dumps([_VERSION, claim.room, claim.id, claim.expires_ms], ensure_ascii=False).encode())
    return f"{payload}.{_signature(payload, key)}"


def read(token: str, key: bytes, now_ms: int) -> Claim | None:
    """Return what a token says, or None if it is not ours or is over."""
    payload, _, signature = token.partition(".")
    if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
        return None
    if not hmac.compare_digest(signature, _signature(payload, key)):
        return None
    match _decode(payload):
        case [1, str(room), str(invitation_id), int(expires_ms)] if now_ms < expires_ms:
            return Claim(room, invitation_id, expires_ms)
    return None


def _signature(payload: str, key: bytes) -> str:
    return _encode(hmac.new(key, payload.encode(), hashlib.sha256).digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> object:
    try:
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return None

"""Where a token stands in a request: the Authorization header, a subprotocol, or the query, the first that has one.

Browsers can set no header on a WebSocket: they offer the subprotocols `crdt-sync` and `token.<token>`. A query ends up
in the logs of proxies, so it comes last.
"""

from __future__ import annotations

import unicodedata
from urllib.parse import parse_qs

from crdt_sync_server.errors import Unauthenticated
from crdt_sync_server.ports import ConnectRequest

__all__ = ["MAX_SUBJECT_CHARACTERS", "MAX_TOKEN_BYTES", "has_token", "is_subject", "token_of"]

MAX_TOKEN_BYTES = 8 * 1024
MAX_SUBJECT_CHARACTERS = 255
_OFFER = "token."


def is_subject(text: str) -> bool:
    """Say whether a token may name this subject: 1 to 255 characters, and none of them a control character."""
    return 0 < len(text) <= MAX_SUBJECT_CHARACTERS and not any(unicodedata.category(each)[0] == "C" for each in text)


def has_token(request: ConnectRequest) -> bool:
    """Say whether a request brings a token, good or bad."""
    return bool(_find(request))


def token_of(request: ConnectRequest) -> str:
    """Return the token of a request. Raises `Unauthenticated` if there is none, or it is too long to be one."""
    token = _find(request)
    if not token:
        raise Unauthenticated("a token is needed; send it as Authorization: Bearer, or as docs/authentication.md says")
    if len(token) > MAX_TOKEN_BYTES:
        raise Unauthenticated(f"a token has at most {MAX_TOKEN_BYTES} bytes")
    return token


def _find(request: ConnectRequest) -> str:
    return _from_header(request) or _from_subprotocol(request) or _from_query(request)


def _from_header(request: ConnectRequest) -> str:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _from_subprotocol(request: ConnectRequest) -> str:
    offers = (value for name, value in request.headers if name == "sec-websocket-protocol")
    each = (offer.strip() for offer in ",".join(offers).split(","))
    return next((offer.removeprefix(_OFFER) for offer in each if offer.startswith(_OFFER)), "")


def _from_query(request: ConnectRequest) -> str:
    try:
        return parse_qs(request.query, max_num_fields=64).get("token", [""])[0]
    except ValueError:
        return ""

"""How an error is told: `application/problem+json` (RFC 9457), with a `code` for programs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.errors import (
    DiscussionError,
    DiscussionFull,
    Forbidden,
    LastOwner,
    NoSuchInvitation,
    NoSuchMember,
    NoSuchPost,
    NoSuchRoom,
    NoSuchToken,
    ProviderUnavailable,
    RelayError,
    RoomDeleted,
    SharingError,
    StoreError,
    TokenError,
    Unauthenticated,
)
from crdt_sync_server.limits import LimitReached
from crdt_sync_server.rooms import RoomNameError

__all__ = ["CODES", "Problem", "problem_of"]

_OF_ERRORS: tuple[tuple[type[Exception], int, str], ...] = (
    (Unauthenticated, 401, "unauthenticated"),
    (RoomNameError, 400, "room-name"),
    (Forbidden, 403, "forbidden"),
    (NoSuchRoom, 404, "no-such-room"),
    (RoomDeleted, 410, "room-deleted"),
    (NoSuchMember, 404, "no-such-member"),
    (NoSuchInvitation, 404, "no-such-invitation"),
    (LastOwner, 409, "last-owner"),
    (SharingError, 422, "sharing"),
    (NoSuchPost, 404, "no-such-post"),
    (NoSuchToken, 404, "no-such-token"),
    (TokenError, 422, "token"),
    (DiscussionFull, 422, "discussion-full"),
    (DiscussionError, 422, "discussion"),
    (ProviderUnavailable, 503, "unavailable"),
    (StoreError, 503, "unavailable"),
)
"""The first that fits counts."""
_OF_CODES = {
    CloseCode.NOT_THE_PROTOCOL: (400, "not-an-update"),
    CloseCode.UNAUTHENTICATED: (401, "unauthenticated"),
    CloseCode.TOKEN_EXPIRED: (401, "unauthenticated"),
    CloseCode.FORBIDDEN: (403, "forbidden"),
    CloseCode.DELETED: (410, "room-deleted"),
    CloseCode.TOO_BIG: (413, "too-big"),
    CloseCode.POLICY: (429, "too-many"),
    CloseCode.TRY_AGAIN: (409, "lacks-content"),
}
"""What ends a connection ends a request too. All others pass by: 503."""
_PASSING = (503, "unavailable")
RETRY_AFTER_S = 2

CODES = tuple(
    sorted(
        {code for _, _, code in _OF_ERRORS}
        | {code for _, code in _OF_CODES.values()}
        | {"no-such-path", "method", "body", "media-type", "query", "precondition", "internal"}
    )
)
"""Every `code` that a problem has."""


class Problem(Exception):
    """An answer that is an error. `detail` says what to do, and holds no secret; `more` are members of its own."""

    def __init__(
        self, status: int, code: str, detail: str, headers: tuple[tuple[bytes, bytes], ...] = (), **more: str
    ) -> None:
        super().__init__(detail)
        self.more = more
        self.status = status
        self.code = code
        self.headers = headers
        if status == 401:
            self.headers += ((b"www-authenticate", b"Bearer"),)
        if status in (429, 503) and not any(name == b"retry-after" for name, _ in headers):
            self.headers += ((b"retry-after", str(RETRY_AFTER_S).encode()),)

    def body(self) -> dict[str, Any]:
        """Return the members of the problem."""
        title = HTTPStatus(self.status).phrase
        return {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "code": self.code,
            "detail": str(self),
            **self.more,
        }


def problem_of(error: RelayError | RemoteProtocolError) -> Problem:
    """Return how an error of the relay is told."""
    for kind, status, code in _OF_ERRORS:
        if isinstance(error, kind):
            return Problem(status, code, str(error))
    status, code = _OF_CODES.get(CloseCode(error.close_code), _PASSING)
    wait_s = error.retry_after_s if isinstance(error, LimitReached) else None
    return Problem(status, code, str(error), () if wait_s is None else ((b"retry-after", str(wait_s).encode()),))

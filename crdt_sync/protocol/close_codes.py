"""Every close code that we send or understand, and whether to connect again."""

from __future__ import annotations

from enum import Enum, IntEnum

__all__ = ["CloseCode", "Retry", "retry_after"]


class Retry(Enum):
    """What a client does after a close."""

    BACK_OFF = "back off"
    """Connect again after a back-off."""
    NEW_TOKEN = "new token"
    """Connect again with a token that was asked for anew."""
    NEVER = "never"
    """Stop, and tell the person why."""


class CloseCode(IntEnum):
    """The close codes of the relay. 4400-4499 are permanent, 4500-4599 pass by."""

    GOING_AWAY = 1001
    POLICY = 1008
    INTERNAL_ERROR = 1011
    RESTARTING = 1012
    OVERLOADED = 1013
    NOT_THE_PROTOCOL = 4400
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    DELETED = 4404
    TOO_BIG = 4413
    TRY_AGAIN = 4500
    TOKEN_EXPIRED = 4501


def retry_after(code: int) -> Retry:
    """Return what a client does after the close code `code`; an unknown code goes by its range."""
    if code in (CloseCode.UNAUTHENTICATED, CloseCode.TOKEN_EXPIRED):
        return Retry.NEW_TOKEN
    if 4400 <= code <= 4499 or code in (1003, 1007, 1009):
        return Retry.NEVER
    return Retry.BACK_OFF

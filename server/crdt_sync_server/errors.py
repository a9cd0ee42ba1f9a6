"""Every error that the relay raises on purpose.

RelayError                 a `CrdtSyncError`; carries the close code for those whom it concerns
├── StoreError             the store did not do what it was asked: nothing of it may be told to anyone
├── Refused                a connection is not let in
│   ├── Unauthenticated    no token, or not a good one
│   └── Forbidden          this one may not come here
└── ConfigurationError     the operator asked for what cannot be
"""

from __future__ import annotations

from crdt_sync.errors import CrdtSyncError
from crdt_sync.protocol.close_codes import CloseCode

__all__ = ["ConfigurationError", "Forbidden", "Refused", "RelayError", "StoreError", "Unauthenticated"]


class RelayError(CrdtSyncError):
    """The root of the relay's errors."""

    close_code = CloseCode.INTERNAL_ERROR


class StoreError(RelayError):
    """The store could not load, append or compact. What it was asked is not done."""


class Refused(RelayError):
    """A connection is not let in; the message says why, and holds no secret."""

    close_code = CloseCode.FORBIDDEN


class Unauthenticated(Refused):
    """There is no token, or it is wrong or expired."""

    close_code = CloseCode.UNAUTHENTICATED


class Forbidden(Refused):
    """Who asks may not come here."""


class ConfigurationError(RelayError):
    """The settings contradict each other or the machine; the message says what to change."""

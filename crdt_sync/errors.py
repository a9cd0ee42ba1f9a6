"""Every error that crdt-sync raises on purpose.

    CrdtSyncError
    └── ProtocolError
        ├── LocalProtocolError     we were about to break the protocol: a bug on this side
        └── RemoteProtocolError    the peer broke the protocol; carries the close code to answer with

Catch `CrdtSyncError` to catch them all. Anything else that leaves this package is a bug.
"""

from __future__ import annotations

__all__ = ["CrdtSyncError", "LocalProtocolError", "ProtocolError", "RemoteProtocolError"]


class CrdtSyncError(Exception):
    """The root of all errors of crdt-sync."""


class ProtocolError(CrdtSyncError):
    """Somebody broke the sync protocol (`docs/protocol.md`)."""


class LocalProtocolError(ProtocolError):
    """This side was asked to send what the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent bytes that are not the protocol.

    `close_code` is the WebSocket close code to answer with: 4400 (not the protocol) or 4413 (too big).
    """

    def __init__(self, message: str, *, close_code: int = 4400) -> None:
        super().__init__(message)
        self.close_code = close_code

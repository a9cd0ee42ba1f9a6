"""A local-first CRDT sync engine for reading highlights and notes."""

from crdt_sync.errors import CrdtSyncError, LocalProtocolError, ProtocolError, RemoteProtocolError

__all__ = ["CrdtSyncError", "LocalProtocolError", "ProtocolError", "RemoteProtocolError"]

"""What a connection needs of the local state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from crdt_sync.errors import GapError, RemoteProtocolError

__all__ = ["Outgoing", "Replica"]


class Outgoing(Protocol):
    """Updates to send, in order; they reach to the log's position `seq` and hold all edits up to `edits_made`."""

    @property
    def updates(self) -> tuple[bytes, ...]:
        """The updates."""

    @property
    def seq(self) -> int:
        """The log's position after them."""

    @property
    def edits_made(self) -> int:
        """How many edits they and what was sent before hold."""


class Replica(Protocol):
    """The durable local state, as a connection sees it. Every method raises `CrdtSyncError`s only."""

    async def state_vector(self) -> bytes:
        """Return the document's encoded state vector."""

    async def diff(self, state_vector: bytes) -> Outgoing:
        """Return what a peer at `state_vector` lacks."""

    async def outgoing(self, after_seq: int, not_received_by: str) -> Outgoing | None:
        """Return the log after `after_seq` without what that connection brought, or None if it was compacted away."""

    async def take(self, updates: Sequence[bytes], received_by: str) -> GapError | RemoteProtocolError | None:
        """Apply updates, durably, up to one that cannot be taken; return why that is."""

    async def acknowledge(self, edits_made: int) -> None:
        """Keep that the first `edits_made` edits are durable on the relay."""

    async def synced(self) -> None:
        """Bind the file: a sync with this relay and room was completed."""

    def on_rows(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called whenever the log has grown; return what ends that."""

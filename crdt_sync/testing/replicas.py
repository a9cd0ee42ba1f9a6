"""One replica of a document: edits and updates go in, updates and what a person sees come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pycrdt import Doc, TransactionEvent

from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync.testing.model import Edit, Model

__all__ = ["OpenReplica", "PycrdtReplica", "Replica"]


class Replica(Protocol):
    """A document that is open. Nothing of it survives but what was logged."""

    def edit(self, edit: Edit) -> bytes | None:
        """Make an edit; return the update that it made, or None if it changed nothing."""

    def take(self, update: bytes) -> bytes | None:
        """Apply an update that fits; return what it added, or None if that was nothing."""

    def state_vector(self) -> bytes:
        """Return the encoded state vector."""

    def diff(self, state_vector: bytes) -> bytes:
        """Return the update with what a document at `state_vector` lacks."""

    def read(self) -> Any:
        """Return what a person sees."""

    def close(self) -> None:
        """Free it."""


class OpenReplica(Protocol):
    """Opens a document. Give a class or a function; a script that is printed must be able to import it."""

    def __call__(self, model: Model, updates: Sequence[bytes], client_id: int) -> Replica:
        """Return the document that `updates` make, which will edit under `client_id`."""


class PycrdtReplica:
    """A `Replica` in pycrdt."""

    def __init__(self, model: Model, updates: Sequence[bytes], client_id: int) -> None:
        self.model = model
        self.doc: Doc[Any] = Doc(client_id=client_id)
        self._made: list[bytes] = []
        for update in updates:
            self.doc.apply_update(update)
        self._subscription = self.doc.observe(self._on_transaction)

    def _on_transaction(self, event: TransactionEvent) -> None:
        self._made.append(event.update)

    def _made_now(self) -> bytes | None:
        made, self._made = self._made, []
        return next((update for update in made if update != EMPTY_UPDATE), None)

    def edit(self, edit: Edit) -> bytes | None:
        """See `Replica`."""
        with self.doc.transaction():
            self.model.apply(self.doc, edit)
        return self._made_now()

    def take(self, update: bytes) -> bytes | None:
        """See `Replica`."""
        self.doc.apply_update(update)
        return self._made_now()

    def state_vector(self) -> bytes:
        """See `Replica`."""
        return self.doc.get_state()

    def diff(self, state_vector: bytes) -> bytes:
        """See `Replica`."""
        return self.doc.get_update(state_vector)

    def read(self) -> Any:
        """See `Replica`."""
        return self.model.read(self.doc)

    def close(self) -> None:
        """See `Replica`. Without this its observer and the document hold one another for ever, unseen by Python."""
        self._subscription.drop()

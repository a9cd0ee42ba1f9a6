"""The document of a room: what it was given, how far it is, and the answers that follow from it. No I/O, no clock.

Updates are applied within one transaction a turn, so what a turn has made is one update, which `produced` gives. An
update that the document refuses, or does not survive, is remembered by its hash and never tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from hashlib import sha256
from typing import Any

from pycrdt import Doc, Transaction, TransactionEvent

from crdt_sync.protocol.deletes import adds_deletes
from crdt_sync.protocol.messages import SyncStep2, SyncUpdate, encode
from crdt_sync.protocol.update import Update, decode_state_vector, encode_state_vector, reach, read_update
from crdt_sync_server.limits import Limit, LimitReached

__all__ = ["RoomBroken", "RoomDocument"]

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Step 2 answers are kept up to this many bytes, and the last one whatever its size."""
HEADERS_UP_TO_BYTES = 64 * 1024
"""What another relay has stored is read up to this size, to learn what it moves."""
MAX_QUARANTINED = 1024
"""How many updates that a document did not survive are remembered, by hash."""


class RoomBroken(Exception):
    """The document may be half changed. Drop the room, close its peers with 1011 and load it again.

    `culprit` is the peer whose message did it, and `digest` the SHA-256 of the update, if it was one.
    """

    def __init__(self, message: str, culprit: Hashable = None, digest: bytes | None = None) -> None:
        super().__init__(message)
        self.culprit = culprit
        self.digest = digest


class RoomDocument:
    """A document, its clocks and what is kept for those who ask for it."""

    def __init__(self, quarantine: dict[bytes, None] | None = None) -> None:
        """`quarantine` holds the hashes of updates that no document is given again; rooms may share it."""
        self.doc: Doc[Any] = Doc()
        self.vector: dict[int, int] = {}
        """Its state vector."""
        self.size_bytes = 0
        """The bytes of all updates that were loaded and taken."""
        self._produced: list[bytes] = []
        self._subscription = self.doc.observe(self._on_transaction)
        self._answers: dict[bytes, bytes] = {}  # state vector → step 2, for the document as it stands
        self._answer_bytes = 0
        self._quarantine: dict[bytes, None] = {} if quarantine is None else quarantine
        self._applying: bytes | None = None  # what the document is being given
        self._has_written = False  # the relay itself, since this was loaded

    def _on_transaction(self, event: TransactionEvent) -> None:
        self._produced.append(event.update)

    def close(self) -> None:
        """Let go of the document; without this it and its observer hold one another for ever, unseen by Python."""
        self.doc.unobserve(self._subscription)

    # What it is given

    def restore(self, update: bytes) -> None:
        """Apply one stored update, before anyone joins. Raises `RoomBroken` if the bytes are no update."""
        try:
            self.doc.apply_update(update)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise RoomBroken(f"a stored update cannot be applied: {error}") from error
        self._produced.clear()
        self.size_bytes += len(update)

    def restored(self) -> None:
        """Say that all is loaded."""
        self.vector = decode_state_vector(self.doc.get_state())

    def transaction(self) -> Transaction:
        """Return the block within which a turn applies its updates."""
        return self.doc.transaction()

    def produced(self) -> bytes | None:
        """Return what the turn that has ended made of its updates, merged; None if they added nothing."""
        if not self._produced:
            return None
        (update,) = self._produced  # one transaction, one update
        self._produced.clear()
        self._answers.clear()
        self._answer_bytes = 0
        self.size_bytes += len(update)
        return update

    def apply(self, update: bytes, moved: Mapping[int, int]) -> None:
        """Apply an update that moves these clocks. Raises `LimitReached` for one that is not taken, now or ever."""
        if self._quarantine and (digest := sha256(update).digest()) in self._quarantine:
            raise _quarantined(digest)
        self._applying = update
        try:
            self.doc.apply_update(update)
        except ValueError as error:
            self._applying = None
            self.restored()  # what it may have left there must not be forgotten
            raise _quarantined(self._put_in_quarantine(update)) from error
        self._applying = None
        self.vector.update(moved)

    def follow(self, update: bytes) -> Mapping[int, int]:
        """Apply one update of the log, and return the clocks that it moved. Raises `RoomBroken` for one with a gap.

        Reading the headers of a large one takes longer than asking the document.
        """
        if len(update) > HEADERS_UP_TO_BYTES:
            self.doc.apply_update(update)
            return self._moved()
        moved = reach(read_update(update), self.vector)
        if moved is None:
            raise RoomBroken("the log has a gap")
        self.doc.apply_update(update)
        self.vector.update(moved)
        return moved

    def write(self, write: Callable[[Doc[Any]], None]) -> Mapping[int, int]:
        """Let the relay itself write, and return the clocks that this moved: nobody sends a state vector with it."""
        if not self._has_written and self.doc.client_id in self.vector:
            raise RoomBroken("the id drawn for the relay's writing is in use already")  # loaded again, with another
        self._has_written = True
        write(self.doc)
        return self._moved()

    def quarantined(self) -> bytes | None:
        """Put in quarantine what the document was being given as it broke; return its hash, None if there was none."""
        return None if self._applying is None else self._put_in_quarantine(self._applying)

    # What it is asked

    def adds(self, header: Update, moved: Mapping[int, int] | None, update: bytes) -> bool:
        """Say whether an update holds what the document does not. One with a gap does."""
        if moved is None or moved:
            return True
        return bool(header.deletes) and adds_deletes(update, self.doc.get_update(self.state()))

    def state(self) -> bytes:
        """Return the state vector, encoded."""
        return self.doc.get_state()

    def whole(self) -> bytes:
        """Return the document as one update."""
        return self.doc.get_update()

    def canonical(self, state_vector: bytes) -> bytes:
        """Return what of a state vector the answer depends on: peers write it in any order, and may claim anything."""
        claimed = decode_state_vector(state_vector)
        known = ((client, min(clock, self.vector.get(client, 0))) for client, clock in claimed.items())
        return encode_state_vector({client: clock for client, clock in known if clock})

    def answer(self, state_vector: bytes) -> bytes:
        """Return the frame of step 2 for an encoded state vector. After a restart a thousand clients ask the same."""
        frame = self._answers.get(state_vector)
        if frame is None:
            frame = encode(SyncStep2(self.doc.get_update(state_vector)))
            if self._answer_bytes + len(frame) > MAX_ANSWER_BYTES:
                self._answers.clear()
                self._answer_bytes = 0
            self._answers[state_vector] = frame
            self._answer_bytes += len(frame) + len(state_vector)
        return frame

    def catch_up(self, state_vector: Mapping[int, int]) -> bytes:
        """Return the frame of one update with all that `state_vector` lacks."""
        return encode(SyncUpdate(self.doc.get_update(encode_state_vector(state_vector))))

    # Inside

    def _moved(self) -> dict[int, int]:
        after = decode_state_vector(self.state())
        moved = {client: clock for client, clock in after.items() if clock != self.vector.get(client)}
        self.vector.update(moved)
        return moved

    def _put_in_quarantine(self, update: bytes) -> bytes:
        digest = sha256(update).digest()
        self._quarantine[digest] = None
        while len(self._quarantine) > MAX_QUARANTINED:
            del self._quarantine[next(iter(self._quarantine))]
        return digest


def _quarantined(digest: bytes) -> LimitReached:
    return LimitReached(Limit.QUARANTINED, f"an update that the document cannot take, sha256 {digest.hex()[:16]}")

"""What is durable on the relay's disk, kept beside it; nobody may be sent anything else. And what was polled before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pycrdt import Doc

from crdt_sync.protocol.messages import SyncStep2, SyncUpdate, decode
from crdt_sync.protocol.polling import Piece, Poll, PollStream, decode_answer, decode_poll
from crdt_sync.protocol.update import Update, reach, read_update
from crdt_sync.testing.state import State, state_of

__all__ = ["Durable", "PolledStreams"]


class Durable:
    """All that was ever committed on the relays' disk. It is never compacted."""

    def __init__(self) -> None:
        self._doc: Doc[Any] = Doc()
        self._state: State | None = None
        self.vectors: list[dict[int, int]] = [{}]
        """The state vector at each position of the log."""
        self.crossed = 0
        """How many updates were stored by a relay that lacked the one before."""
        self.repeated = 0
        """How many of these hold something that was there already, as a device had come from another relay with it."""

    def add(self, update: bytes, has_followed: int) -> None:
        """Take a committed update of a relay that has all up to the position `has_followed`.

        Fail if it leaves a gap, or if it holds structs that the relay had followed and stores a second time.
        """
        header, vector = read_update(update), self.vectors[-1]
        moved = reach(header, vector)
        assert moved is not None, f"the update at position {len(self.vectors)} leaves a gap in the log"
        again = _repeats(header, self.vectors[has_followed])
        assert again is None, f"stored again, though it was followed up to position {has_followed}: {again}"
        self.crossed += has_followed < len(self.vectors) - 1
        self.repeated += _repeats(header, vector) is not None
        self.vectors.append({**vector, **moved})
        self._doc.apply_update(update)
        self._state = None

    @property
    def state(self) -> State:
        """What is durable."""
        if self._state is None:
            self._state = state_of(self._doc.get_update())
        return self._state

    def check_frame(self, frame: bytes) -> None:
        """Fail if the relay sends content that is not on its disk."""
        for message in decode(frame):
            if isinstance(message, SyncStep2 | SyncUpdate):
                lacking = self.state.lacks(state_of(message.update))
                assert lacking is None, f"sent before it is durable: {lacking}"


class PolledStreams:
    """What both ends of every poll session have sent: a byte that is sent again is the same, and none is left out."""

    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        self._sent: dict[object, bytearray] = {}
        self._has: dict[object, int] = {}  # how many bytes of the other's stream an end has said to have
        self._frames: dict[object, PollStream] = {}

    def request(self, body: bytes) -> Poll:
        """Check what a device sends, and return it."""
        poll = decode_poll(body)
        self._check(("device", poll.session), ("relay", poll.session), poll.piece)
        return poll

    def answer(self, body: bytes, data: bytes, life: object) -> Piece:
        """Check what the relay answers to the request with this body, and return it.

        `life` is the relay's session: a late copy of the poll that opened one can open another with the same id.
        """
        session, piece = decode_poll(body).session, decode_answer(data).piece
        self._has["relay", session] = max(self._has.get(("relay", session), 0), piece.received)
        self._check(life, ("device", session), piece)
        for frame in self._frames.setdefault(life, PollStream()).take(Piece(0, piece.first, piece.data)):
            self._durable.check_frame(frame)
        return piece

    def _check(self, end: object, other: tuple[str, bytes], piece: Piece) -> None:
        self._has[end] = max(self._has.get(end, 0), piece.received)
        if not piece.data:  # after a goodbye the relay drops what it had to say
            return
        sent = self._sent.setdefault(end, bytearray())
        assert piece.first <= self._has.get(other, 0), f"bytes that the {other[0]} lacks are left out"
        known = sent[piece.first : piece.first + len(piece.data)]
        assert piece.data.startswith(known), f"other bytes from {piece.first} on than before are sent to the {other[0]}"
        sent += piece.data[len(known) :]


def _repeats(header: Update, vector: Mapping[int, int]) -> str | None:
    """Return in words a struct that a document at `vector` has already, or None."""
    for client, structs in header.structs.items():
        if structs and structs[0][0] < vector.get(client, 0):
            return f"client {client} from {structs[0][0]} on, of {vector[client]}"
    return None

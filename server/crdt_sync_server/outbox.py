"""What waits to be sent to one connection. Under load frames get fewer, not queues longer.

Content is never queued per connection. The room keeps its last batches once, in a `Tail`; a connection that is still
busy remembers the first batch it lacks, and takes all that came since as ONE merged update when it is free. Those that
lag alike share the merged bytes. One that lags beyond the tail gets a diff of the document instead: a slow reader costs
a number, not memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pycrdt import merge_updates

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Awareness, AwarenessEntry, SyncUpdate, encode

__all__ = ["Behind", "Closing", "Outbox", "Tail"]

EMPTY_AWARENESS = encode(Awareness(()))
MAX_TAIL_BYTES = 1024 * 1024
MAX_TAIL_BATCHES = 64
"""`merge_updates` is quadratic in the number of updates: beyond this a diff is cheaper."""
MAX_CONTROL_FRAMES = 4096
"""Steps, echoes and questions that may wait for one connection. It is the peer's own requests that make them."""
MAX_CONTROL_BYTES = 64 * 1024 * 1024
"""Their bytes, once a few wait: one answer may be as large as the document, but not one after another."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The connection lacks more than the tail holds: send a diff from this state vector."""

    state_vector: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Closing:
    """Nothing more to send but the close."""

    code: CloseCode
    reason: str


class Tail:
    """The last batches of a room, numbered."""

    def __init__(self) -> None:
        self._batches: list[tuple[bytes, dict[int, int]]] = []  # few; an empty deque takes 760 bytes
        self._bytes = 0
        self._vector: dict[int, int] = {}  # of the document before the first batch that is kept
        self._frames: dict[int, bytes] = {}  # first batch → frame of all from there to the head
        self._marks: dict[int, int] = {}  # batch → how many connections lag since there
        self._lost: dict[int, Mapping[int, int]] = {}  # a mark that fell off the tail → the vector there
        self.head = 0
        """The number of the next batch."""
        self.frames_taken = 0
        """How many frames of content connections have taken."""

    def start(self, state_vector: Mapping[int, int]) -> None:
        """Say what the document holds before the first batch."""
        self._vector.update(state_vector)

    def push(self, update: bytes, moved: dict[int, int]) -> bytes:
        """Add a batch and return its frame; `moved` are the clocks that it moved in the document's state vector."""
        while self._batches and not self._marks:
            self._drop_first()  # nobody lags
        self._batches.append((update, moved))
        self._bytes += len(update)
        self.head += 1
        self._frames.clear()
        frame = self._frames[self.head - 1] = encode(SyncUpdate(update))
        while len(self._batches) > 1 and (self._bytes > MAX_TAIL_BYTES or len(self._batches) > MAX_TAIL_BATCHES):
            first = self.head - len(self._batches)
            if first in self._marks:
                self._lost[first] = dict(self._vector)
            self._drop_first()
        return frame

    def _drop_first(self) -> None:
        update, moved = self._batches.pop(0)
        self._bytes -= len(update)
        self._vector.update(moved)

    def mark(self, batch: int) -> None:
        """Remember that a connection lags since `batch`."""
        self._marks[batch] = self._marks.get(batch, 0) + 1

    def take(self, batch: int) -> bytes | Behind:
        """Return one frame with all since the marked `batch`, and drop the mark."""
        self.frames_taken += 1
        self._marks[batch] -= 1
        last = not self._marks[batch]
        if last:
            del self._marks[batch]
        if batch in self._lost:
            return Behind(self._lost.pop(batch) if last else self._lost[batch])
        frame = self._frames.get(batch)
        if frame is None:
            start = len(self._batches) - (self.head - batch)
            updates = [update for update, _ in self._batches[start:]]
            update = updates[0] if len(updates) == 1 else merge_updates(*updates)
            frame = self._frames[batch] = encode(SyncUpdate(update))
        return frame

    def drop(self, batch: int) -> None:
        """Forget a mark whose connection is gone or has been brought up otherwise."""
        self._marks[batch] -= 1
        if not self._marks[batch]:
            del self._marks[batch]
            self._lost.pop(batch, None)


class Outbox:
    """What waits for one connection: frames in order, then content, then the latest presence of each client."""

    def __init__(self, tail: Tail, wake: Callable[[], None]) -> None:
        self._tail = tail
        self._wake = wake
        self._frames: list[bytes] = []
        self._frame_bytes = 0
        self._since: int | None = None
        self._presence: dict[int, AwarenessEntry] = {}
        self._shared_presence: bytes | None = None  # the frame, while it still says all that waits
        self._closing: Closing | None = None
        self._gone = False

    def frame(self, frame: bytes) -> bool:
        """Queue a frame that must go out as it is. Return False if it is one too many: the connection ends."""
        if self._closing is not None or self._gone:
            return True
        self._frame_bytes += len(frame)
        too_many = len(self._frames) >= 4 and self._frame_bytes > MAX_CONTROL_BYTES
        if too_many or len(self._frames) >= MAX_CONTROL_FRAMES:
            self.close(CloseCode.POLICY, "answers wait and are not read", at_once=True)
            return False
        self._frames.append(frame)
        self._wake()
        return True

    def keep_alive(self) -> None:
        """Send an empty awareness, unless something waits already: a stock client closes after 30 s of silence."""
        if not self.is_waiting:
            self.frame(EMPTY_AWARENESS)

    def content(self) -> None:
        """Say that the tail has a new batch."""
        if self._since is None and self._closing is None and not self._gone:
            self._since = self._tail.head - 1
            self._tail.mark(self._since)
            self._wake()

    def presence(self, entries: Iterable[AwarenessEntry], frame: bytes) -> None:
        """Queue presence; only the latest of each client is kept. `frame` carries exactly `entries`."""
        if self._closing is not None or self._gone:
            return
        self._shared_presence = None if self._presence else frame
        self._presence.update((entry.client_id, entry) for entry in entries)
        self._wake()

    def close(self, code: CloseCode, reason: str, *, at_once: bool = False) -> None:
        """End with this close, after what waits, or instead of it."""
        if at_once:
            self._drop()
        if self._closing is None:
            self._closing = Closing(code, reason)
        self._wake()

    @property
    def is_waiting(self) -> bool:
        """True while something waits to be sent."""
        return bool(self._frames) or self._since is not None or bool(self._presence)

    @property
    def is_closing(self) -> bool:
        """True once nothing more is taken."""
        return self._closing is not None

    def discard(self) -> None:
        """Drop what waits and take no more: the connection is gone, and its room may not have heard of it yet."""
        self._gone = True
        self._drop()

    def _drop(self) -> None:
        self._frames.clear()
        self._frame_bytes = 0
        self._presence.clear()
        if self._since is not None:
            self._tail.drop(self._since)
            self._since = None

    def next(self) -> bytes | Behind | Closing | None:
        """Return what to send now, or None if nothing waits."""
        if self._frames:
            frame = self._frames.pop(0)
            self._frame_bytes -= len(frame)
            return frame
        if self._since is not None:
            since, self._since = self._since, None
            return self._tail.take(since)
        if self._presence:
            frame = self._shared_presence or encode(Awareness(tuple(self._presence.values())))
            self._presence.clear()
            self._shared_presence = None
            return frame
        return self._closing

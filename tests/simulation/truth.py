"""What is durable on the relay's disk, kept beside it; nobody may be sent anything else."""

from __future__ import annotations

from typing import Any

from pycrdt import Doc

from crdt_sync.protocol.messages import SyncStep2, SyncUpdate, decode
from crdt_sync.testing.state import State, state_of

__all__ = ["Durable"]


class Durable:
    """All that was ever committed on the relay's disk. It is never compacted."""

    def __init__(self) -> None:
        self._doc: Doc[Any] = Doc()
        self._state: State | None = None

    def add(self, update: bytes) -> None:
        """Take a committed update."""
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

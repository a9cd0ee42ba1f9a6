"""Devices with real files, a room with a durable log, and a network between them that can do what networks do.

All of it is called step by step, with the time as a number: nothing here waits, sleeps or runs beside anything else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from random import Random

from pycrdt import Doc

from crdt_sync.document import Edit
from crdt_sync.errors import GapError
from crdt_sync.protocol.messages import Barrier, Message, SyncStep1, SyncStep2, SyncUpdate, decode, encode
from crdt_sync.protocol.session import (
    Acknowledged,
    Answer,
    Ask,
    Close,
    Confirms,
    Denied,
    Echo,
    Effect,
    Presence,
    Role,
    SendBarrier,
    Session,
    Synced,
    Take,
    TellPresence,
)
from crdt_sync.protocol.update import EMPTY_UPDATE, decode_state_vector
from crdt_sync.storage.store import LibraryStore, Outgoing
from crdt_sync_server.room import Room
from crdt_sync_server.turn import Content, Frame, HangUp, Joined, Left, Output, Received


class Wire:
    """One connection: a queue each way. It keeps the order, as TCP does, until it is cut."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.up: deque[bytes] = deque()
        self.down: deque[bytes] = deque()
        self.open = True

    def cut(self) -> None:
        self.open = False
        self.up.clear()
        self.down.clear()


class Relay:
    """A room, and the log that survives it."""

    def __init__(self) -> None:
        self.log: list[bytes] = []
        self.wires: dict[str, Wire] = {}
        self.start()

    def start(self) -> None:
        """Come up again from the log; every connection is gone."""
        for wire in self.wires.values():
            wire.cut()
        self.wires = {}
        self.room: Room[str] = Room()
        for update in self.log:
            self.room.document.restore(update)
        self.room.document.restored()
        self.arrivals: list[Joined[str] | Left[str] | Received[str]] = []

    def connect(self, wire: Wire) -> None:
        self.wires[wire.name] = wire
        self.arrivals.append(Joined(wire.name))

    def receive(self, wire: Wire) -> None:
        """Take one frame off the wire."""
        for message in decode(wire.up.popleft()):
            self.arrivals.append(Received(wire.name, message))

    def turn(self, now_s: float, *, crash_before_commit: bool = False) -> None:
        for name, wire in list(self.wires.items()):
            if not wire.open:
                del self.wires[name]
                self.arrivals.append(Left(name))
        arrivals, self.arrivals = self.arrivals, []
        turn = self.room.take(arrivals, now_s)
        self._perform(turn.at_once)
        if crash_before_commit:
            self.start()
            return
        if turn.update is not None:
            self.log.append(turn.update)
        self._perform(self.room.release(turn))
        late = self.room.expire(now_s)
        self._perform([*late.at_once, *self.room.release(late)])

    def compact(self) -> None:
        if not self.arrivals:
            self.log = [self.room.document.whole()]

    def vector(self) -> dict[int, int]:
        """What is durable."""
        doc: Doc[object] = Doc()
        for update in self.log:
            doc.apply_update(update)
        return decode_state_vector(doc.get_state())

    def _perform(self, outputs: Iterable[Output[str]]) -> None:
        for output in outputs:
            match output:
                case Frame(peer=peer, frame=frame):
                    self._send(peer, frame)
                case Content(update=update, peers=peers):
                    for peer in peers:
                        self._send(peer, encode(SyncUpdate(update)))
                case HangUp(peer=peer):
                    self.wires.pop(peer).cut()
                case _:
                    pass  # presence has tests of its own

    def _send(self, peer: str, frame: bytes) -> None:
        if peer in self.wires:
            self.wires[peer].down.append(frame)


class Device:
    """A library in a file, and its end of a wire: what `sync.connection` does, one step at a time."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.random = Random(seed)
        self.wire: Wire | None = None
        self.vectors: dict[int, dict[int, int]] = {0: {}}  # edits made → what was in the document then
        self.open()

    def open(self) -> None:
        self.store = LibraryStore(self.path, durability="normal", now_ms=lambda: 1, random=self.random)

    def crash(self) -> None:
        """What was committed is in the file; all else is gone."""
        if self.wire is not None:
            self.wire.cut()
            self.wire = None
        self.store.close()
        self.open()

    def edit(self, edit: Edit) -> None:
        self.store.edit(edit)
        made = self.store.diff(b"\x00").edits_made
        self.vectors[made] = decode_state_vector(self.store.state_vector())

    def connect(self, relay: Relay, name: str) -> None:
        self.wire = Wire(name)
        self.session = Session(Role.CLIENT)
        self.seq, self.sent_edits, self.peer_vector = 0, -1, b"\x00"
        relay.connect(self.wire)
        self._do(self.session.start(), 0.0, relay)

    def receive(self, now_s: float, relay: Relay) -> None:
        """Take one frame off the wire, and send what the log has gained."""
        assert self.wire is not None
        for message in decode(self.wire.down.popleft()):
            for effect in self.session.receive(message):
                if isinstance(effect, Take):
                    failure = self.store.apply_updates([effect.update], self.wire.name).failure
                    assert failure is None or isinstance(failure, GapError), failure
                    step = self.session.taken if failure is None else self.session.gapped
                    self._do(step(effect, now_s), now_s, relay)
                else:
                    self._do((effect,), now_s, relay)
        self.send()

    def send(self) -> None:
        """Send what the log has gained, of this process and others."""
        if self.wire is None or not self.wire.open or not self.session.may_send:
            return
        outgoing = self.store.outgoing(self.seq, self.wire.name) or self.store.diff(self.peer_vector)
        for update in outgoing.updates:
            self._put(SyncUpdate(update))
        self._sent(outgoing)

    def _do(self, effects: Iterable[Effect], now_s: float, relay: Relay) -> None:
        for effect in effects:
            match effect:
                case Ask():
                    self._put(SyncStep1(self.store.state_vector()))
                case Answer(state_vector=state_vector):
                    self.peer_vector = state_vector
                    outgoing = self.store.diff(state_vector, max_bytes=150)
                    if len(outgoing.updates) == 1:
                        self._put(SyncStep2(outgoing.updates[0]))
                    else:
                        for update in outgoing.updates:
                            self._put(SyncUpdate(update))
                        self._put(SyncStep2(EMPTY_UPDATE))
                    self.session.answered()
                    self._sent(outgoing)
                case SendBarrier(number=number):
                    self._put(Barrier(number))
                case Acknowledged(number=number):
                    self._check_durable(number, relay)
                    self.store.acknowledge(number)
                case Close(reason=reason):
                    raise AssertionError(f"an honest relay was left: {reason}")
                case Confirms() | Synced() | Presence() | TellPresence() | Denied() | Echo() | Take():
                    pass

    def _check_durable(self, number: int, relay: Relay) -> None:
        """Nothing acknowledged is missing from what would survive the relay's death now."""
        durable = relay.vector()
        for client, clock in self.vectors.get(number, {}).items():
            assert durable.get(client, 0) >= clock, f"edit {number} was acknowledged and is not durable"

    def _sent(self, outgoing: Outgoing) -> None:
        self.seq = outgoing.seq
        if outgoing.edits_made > self.sent_edits:
            self.sent_edits = outgoing.edits_made
            for effect in self.session.barrier(outgoing.edits_made):
                assert isinstance(effect, SendBarrier)
                self._put(Barrier(effect.number))

    def _put(self, message: Message) -> None:
        if self.wire is not None and self.wire.open:
            self.wire.up.append(encode(message))

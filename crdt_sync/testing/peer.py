"""A replica with its log and its connections: it speaks the sync protocol to other replicas, step by step.

It does what `crdt_sync.sync.connection` does, without waiting for anything: the protocol's own session machine decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from crdt_sync.protocol.messages import Message, SyncStep1, SyncStep2, SyncUpdate, decode, encode
from crdt_sync.protocol.session import Answer, Ask, Effect, Role, Session, Take
from crdt_sync.protocol.update import decode_state_vector, fits, read_update
from crdt_sync.testing.log import MemoryLog
from crdt_sync.testing.model import Edit, Model
from crdt_sync.testing.replicas import OpenReplica, Replica

__all__ = ["Link", "Peer"]


class Link:
    """One end of a connection: what it has sent waits in `sent` until the other end takes it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: deque[bytes] = deque()
        self.session = Session(Role.RELAY)
        self.position = 0
        """How far in the log this end has sent."""
        self.peer_vector = b"\x00"
        self.answered = False
        self.withholds = False
        """Whether the document holds what never went out here; a step 2 ends that."""
        self.gap = False
        """Whether the other end has met an update that it could not take."""

    def send(self, message: Message) -> None:
        """Send. Raises `AssertionError` for an update that would overtake step 2."""
        if isinstance(message, SyncStep2):
            self.answered, self.withholds = True, False
        assert self.answered or not isinstance(message, SyncUpdate), "an update was sent before step 2"
        self.sent.append(encode(message))


class Peer:
    """One replica and what it keeps."""

    def __init__(self, model: Model, opens: OpenReplica, client_id: int, log: MemoryLog) -> None:
        self.model = model
        self._opens = opens
        self.log = log
        self.links: dict[int, Link] = {}  # the other replica's number → our end
        self.open(client_id)

    def open(self, client_id: int) -> None:
        """Start from what the log holds, under a new client id, with no connection."""
        updates, self.position = self.log.after(0)
        self.replica: Replica = self._opens(self.model, updates, client_id)
        self.links = {}

    def edit(self, edit: Edit) -> bool:
        """Edit, log it, send it; return whether it changed anything."""
        update = self.replica.edit(edit)
        if update is not None:
            self.position = self.log.append(update, None)
            self.forward()
        return update is not None

    def connect(self, number: int, name: str) -> None:
        """Begin to speak with the replica `number`."""
        link = self.links[number] = Link(name)
        self.do(link, link.session.start())

    def receive(self, number: int, frame: bytes) -> None:
        """Take one frame that the replica `number` has sent, and send on what is new."""
        link = self.links[number]
        for message in decode(frame):
            for effect in link.session.receive(message):
                self.do(link, (effect,))
        self.forward()

    def forward(self) -> None:
        """Send what the log has gained to everyone who did not bring it."""
        for link in self.links.values():
            if link.session.may_send:
                self.send_rows(link)

    def send_rows(self, link: Link) -> None:
        """Send one connection what the log has gained."""
        found = self.log.outgoing(link.position, link.name)
        if found is None:  # compacted away
            found = [self.replica.diff(link.peer_vector)], self.position
        updates, link.position = found
        for update in updates:
            link.send(SyncUpdate(update))

    def do(self, link: Link, effects: Iterable[Effect]) -> None:
        """Do what the session asks for."""
        for effect in effects:
            match effect:
                case Ask():
                    link.send(SyncStep1(self.replica.state_vector()))
                case Answer(state_vector=state_vector):
                    link.peer_vector = state_vector
                    link.send(SyncStep2(self.replica.diff(state_vector)))
                    link.session.answered()
                    link.position = self.position
                case Take():
                    self.do(link, self.take(link, effect))
                case _:
                    pass  # presence and barriers are not what this tests

    def take(self, link: Link, take: Take) -> tuple[Effect, ...]:
        """Apply an update that fits, and log what it added; ask for what is missing if it does not fit."""
        if not self.fits(take.update):
            return link.session.gapped(take, 0.0)
        self.keep(self.replica.take(take.update), link.name)
        return link.session.taken(take, 0.0)

    def fits(self, update: bytes) -> bool:
        """Say whether the document has all that `update` needs."""
        return fits(read_update(update), decode_state_vector(self.replica.state_vector()))

    def keep(self, added: bytes | None, received_by: str) -> None:
        """Log what an update added."""
        if added is not None:
            self.position = self.log.append(added, received_by)

    def compact(self) -> None:
        """Put the document's own encoding in the place of the log."""
        self.log.compact([self.replica.diff(b"\x00")], self.position)

    def rebuilt(self) -> Any:
        """Return what a person would see after a restart."""
        updates, _ = self.log.after(0)
        replica = self._opens(self.model, updates, 1)
        try:
            return replica.read()
        finally:
            replica.close()

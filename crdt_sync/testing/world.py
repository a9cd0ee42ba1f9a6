"""Replicas, the network between them, and everything that can happen to both, as steps that a script can repeat."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from random import Random

from crdt_sync.protocol.messages import SyncStep2, SyncUpdate, decode
from crdt_sync.protocol.update import decode_state_vector, fits, read_update
from crdt_sync.testing.log import MemoryLog
from crdt_sync.testing.model import Edit, Model
from crdt_sync.testing.peer import Link, Peer
from crdt_sync.testing.replicas import OpenReplica, PycrdtReplica
from crdt_sync.testing.state import state_of

__all__ = ["World"]

MAX_FRAMES_TO_REST = 2_000
"""So many frames may pass before a world that is left alone counts as one that never comes to rest."""


class World:
    """A small world of replicas, numbered from 0. A step that makes no sense now does nothing.

    `replicas` is how many, in pycrdt, or how each is opened. `seed` chooses their client ids, on which it depends who
    wins a conflict. Every step raises `AssertionError` when something is wrong. To test a log or a way to sync of your
    own, subclass it and name them.
    """

    peer_type: type[Peer] = Peer
    log_type: type[MemoryLog] = MemoryLog

    def __init__(self, model: Model, replicas: int | Sequence[OpenReplica] = 3, *, seed: int = 0) -> None:
        opens: Sequence[OpenReplica] = [PycrdtReplica] * replicas if isinstance(replicas, int) else replicas
        self._random = Random(seed)
        self._model = model
        self._links_made = 0
        self._edits: list[tuple[int, Edit]] = []
        self._backups: dict[int, tuple[MemoryLog, int]] = {}
        self.peers = [self.peer_type(model, each, self.client_id(at), self.log_type()) for at, each in enumerate(opens)]

    def client_id(self, at: int) -> int:
        """Return the client id under which the replica `at` edits from now on: a new one at each start."""
        return self._random.getrandbits(32)

    # Steps

    def edit(self, at: int, edit: Edit) -> None:
        """Make an edit at one replica; it is in the log, and on its way to whoever is connected."""
        if self.peers[at].edit(edit):
            self._edits.append((at, edit))
        self._check_shown(at)

    def connect(self, a: int, b: int) -> None:
        """Connect two replicas; both send step 1."""
        if a != b and b not in self.peers[a].links:
            self._links_made += 1
            name = f"connection {self._links_made}"
            self.peers[a].connect(b, name)
            self.peers[b].connect(a, name)

    def cut(self, a: int, b: int) -> None:
        """Cut a connection; what is on the way is lost."""
        self.peers[a].links.pop(b, None)
        self.peers[b].links.pop(a, None)

    def part(self) -> None:
        """Cut all connections."""
        for a, b in combinations(range(len(self.peers)), 2):
            self.cut(a, b)

    def deliver(self, source: int, target: int, frames: int = 1) -> None:
        """Let up to so many frames arrive."""
        for _ in range(frames):
            link = self.peers[source].links.get(target)
            if link is None or not link.sent:
                break
            frame = link.sent.popleft()
            self._note_gap(source, target, frame)
            self.peers[target].receive(source, frame)
            self._check_shown(target)

    def exchange(self, a: int, b: int) -> None:
        """Connect two replicas and let everything between them pass, both ways."""
        if a == b:
            return
        self.connect(a, b)
        for _ in range(MAX_FRAMES_TO_REST):
            ends = [link for link in (self._link(a, b), self._link(b, a)) if link is not None]
            if not any(link.sent for link in ends):
                return
            self.deliver(a, b)
            self.deliver(b, a)
        raise AssertionError(f"{a} and {b} never come to rest")

    def duplicate(self, source: int, target: int) -> None:
        """Send the last update that is on the way a second time."""
        link = self._link(source, target)
        if link is not None and link.sent and link.sent[-1][:2] == b"\x00\x02":
            link.sent.append(link.sent[-1])

    def pass_by_hand(self, source: int, target: int) -> None:
        """Give one replica all that another has, past all connections: as one browser tab gives it to the next.

        The connections of the target never see it, so what it sends there later has a gap, which must be healed.
        """
        if source == target:
            return
        peer = self.peers[target]
        added = peer.replica.take(self.peers[source].replica.diff(peer.replica.state_vector()))
        peer.keep(added, "by hand")
        for link in peer.links.values() if added is not None else ():
            if link.session.may_send:
                link.position, link.withholds = peer.position, True
        self._check_shown(target)

    def crash(self, at: int) -> None:
        """Lose all but the log, and start again from it."""
        self._drop(at)
        self.peers[at].open(self.client_id(at))
        self._check_shown(at)

    def compact(self, at: int) -> None:
        """Compact a log, and see that a restart would show the same."""
        self.peers[at].compact()
        self._check_shown(at)

    def back_up(self, at: int) -> None:
        """Copy a log."""
        self._backups[at] = (self.peers[at].log.copy(), sum(by == at for by, _ in self._edits))

    def restore(self, at: int) -> None:
        """Put the copy in the log's place and start from it. What no other replica had is lost with it, rightly."""
        if at in self._backups:
            log, kept = self._backups[at]
            self._drop(at)
            self.peers[at].log = log.copy()
            self.peers[at].open(self.client_id(at))
            own = [number for number, (by, _) in enumerate(self._edits) if by == at]
            lost = set(own[kept:])
            self._edits = [each for number, each in enumerate(self._edits) if number not in lost]
            self._check_shown(at)

    def settle(self) -> None:
        """Let everything arrive, then let all exchange everything; all must be equal, and nothing lost."""
        self._rest()
        pairs = list(combinations(range(len(self.peers)), 2))
        for a, b in pairs:
            ends = [link for link in (self._link(a, b), self._link(b, a)) if link is not None]
            if any(link.withholds for link in ends):
                assert not any(link.gap for link in ends), f"a gap between {a} and {b} was never healed"
                self.cut(a, b)
            elif ends:
                self._check_equal(a, b, "are connected, and nothing is on the way")
        for a, b in pairs:
            self.connect(a, b)
        self._rest()
        for number in range(1, len(self.peers)):
            self._check_equal(0, number, "have exchanged everything")
        for number, peer in enumerate(self.peers):
            self._check_shown(number)
            self._check_kept(number, peer)
        if self._model.check is not None:
            self._model.check(self.peers[0].replica.read(), [edit for _, edit in self._edits])

    def close(self) -> None:
        """Free the replicas."""
        for peer in self.peers:
            peer.replica.close()

    # Inside

    def _link(self, source: int, target: int) -> Link | None:
        return self.peers[source].links.get(target)

    def _note_gap(self, source: int, target: int, frame: bytes) -> None:
        """Remember, apart from the replicas' own judgement, that an update arrived which cannot be taken yet."""
        peer, link = self.peers[target], self.peers[source].links[target]
        vector = decode_state_vector(peer.replica.state_vector())
        for message in decode(frame):
            if isinstance(message, SyncStep2):
                link.gap = False
            elif isinstance(message, SyncUpdate) and not fits(read_update(message.update), vector):
                link.gap = True

    def _drop(self, at: int) -> None:
        for other in list(self.peers[at].links):
            self.cut(at, other)
        self.peers[at].replica.close()

    def _rest(self) -> None:
        frames = 0
        while waiting := [(a, b) for a, peer in enumerate(self.peers) for b, link in peer.links.items() if link.sent]:
            for source, target in waiting:
                self.deliver(source, target)
                frames += 1
            assert frames < MAX_FRAMES_TO_REST, "they never come to rest: frames answer frames for ever"

    def _check_shown(self, at: int) -> None:
        """What a replica shows is what it would show after a restart."""
        shown, rebuilt = self.peers[at].replica.read(), self.peers[at].rebuilt()
        assert shown == rebuilt, f"replica {at} shows {shown!r}, and after a restart it would show {rebuilt!r}"

    def _check_equal(self, a: int, b: int, why: str) -> None:
        one, other = self.peers[a].replica, self.peers[b].replica
        assert one.read() == other.read(), f"{a} and {b} {why}, and show {one.read()!r} and {other.read()!r}"
        assert state_of(one.diff(b"\x00")) == state_of(other.diff(b"\x00")), (
            f"{a} and {b} {why}, and hold different states"
        )
        vectors = decode_state_vector(one.state_vector()), decode_state_vector(other.state_vector())
        assert vectors[0] == vectors[1], f"{a} and {b} {why}, and their state vectors are {vectors}"

    def _check_kept(self, number: int, peer: Peer) -> None:
        updates, _ = peer.log.after(0)
        again = PycrdtReplica(self._model, updates, 1)
        kept, held = state_of(again.diff(b"\x00")), state_of(peer.replica.diff(b"\x00"))
        again.close()
        assert kept == held, f"the log of {number} does not hold what its document holds"

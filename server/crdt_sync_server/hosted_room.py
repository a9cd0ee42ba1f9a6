"""One room that runs, as connections, other relays, the operator and the host have it. Its loop is in `room_loop`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import anyio
from pycrdt import Doc

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import Message
from crdt_sync_server.delivery import Peer
from crdt_sync_server.errors import RelayError, RoomDeleted, StoreError
from crdt_sync_server.ports import Grant, Role
from crdt_sync_server.room_log import PUT_BACK
from crdt_sync_server.room_loop import THREAD_ABOVE_BYTES, RoomLoop
from crdt_sync_server.rooms import payer
from crdt_sync_server.turn import (
    AskedElsewhere,
    Joined,
    NodeGone,
    Regraded,
    Spoken,
    SpokenElsewhere,
    Written,
)

__all__ = ["REVOKED", "HostedRoom"]

REVOKED = "the token was revoked; ask the operator of the relay for a new one"
UNSURE = "whether you may be here cannot be told now; connect again"
Value = TypeVar("Value")


class HostedRoom(RoomLoop):
    """A room on its host."""

    # For connections

    async def enter(self, peer: Peer) -> None:
        """Bring `peer` in, once the room is loaded. Raises `RelayError` if it cannot be loaded.

        Who was let in with a role that has changed meanwhile comes in with the new one, or not: `Forbidden`.

        A room in which nothing is stored yet will count for the subject that first came in.
        """
        self._came += 1
        number = self._came  # who comes as the loading ends gets in before those who waited for it
        async with self.held():
            await self._host.confirm(peer, self.name)
            self._peers[peer] = None  # from here on changes of its role reach it
            self._host.sightings.came(self.name, peer)
        self._log.entered_by(payer(self.name, peer.subject))
        self._put(Joined(peer, peer.subject, peer.read_only, number))

    def regrade(self, subject: str, role: Role | None, as_of: int) -> None:
        """Let who is here as `subject` go on with another role, or with none: they are closed with 4403."""
        for peer in [each for each in self._peers if each.subject == subject]:
            read_only = peer.read_only
            if role is None:
                self.leave(peer)
                peer.expel(CloseCode.FORBIDDEN, "this room is not open to you any more")
            else:
                peer.regrade(role, as_of)
                if peer.read_only is not read_only:
                    self._put(Regraded(peer, peer.read_only))

    def revoke(self, token_id: str) -> None:
        """Close who is here with this token, with 4401."""
        for peer in [each for each in self._peers if each.grant.token_id == token_id]:
            self.leave(peer)
            peer.expel(CloseCode.UNAUTHENTICATED, REVOKED)

    def disperse(self, which: Callable[[Peer], bool]) -> None:
        """Close those of whom it cannot be told whether they may be here, with 1013: they come back and are asked."""
        for peer in [each for each in self._peers if which(each)]:
            self.leave(peer)
            peer.expel(CloseCode.OVERLOADED, UNSURE)

    def check(self, grant: Grant) -> None:
        """Raise `Unauthenticated` if the token of a grant was revoked since it was given."""
        self._host.check(grant)

    def wall(self) -> float:
        """Return the time of tokens, in seconds since 1970."""
        return self._host.wall()

    def beside(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Run `function` beside the rooms."""
        self._host.beside(function, *arguments)

    def offer(self, peer: Peer, messages: Sequence[Message], size_bytes: int) -> bool:
        """Hand over what `peer` said, in order; return False if it is to say no more until that is taken."""
        may_go_on = self._inbox.offer(peer, messages, size_bytes)
        self._stir()
        return may_go_on

    def when_taken(self, peer: Peer, callback: Callable[[], None]) -> None:
        """Call `callback` once `peer` may say more."""
        self._inbox.when_taken(peer, callback)

    async def submit(self, peer: Peer, messages: Sequence[Message], size_bytes: int) -> None:
        """Hand over what `peer` said, in order; waits while too much of it waits already."""
        if not self.offer(peer, messages, size_bytes):
            taken = anyio.Event()
            self.when_taken(peer, taken.set)
            await taken.wait()

    def catch_up_now(self, state_vector: Mapping[int, int]) -> bytes | None:
        """Return one frame with all that is durable and that `state_vector` lacks; None while that is not settled."""
        return self._room.document.catch_up(state_vector) if self._settled else None

    def when_settled(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the turn that is under way is durable."""
        self._on_settled.append(callback)

    async def catch_up(self, state_vector: Mapping[int, int]) -> bytes:
        """Return one frame with all that is durable and that `state_vector` lacks."""
        while not self._settled:
            settled = anyio.Event()
            self.when_settled(settled.set)
            await settled.wait()
        return self._room.document.catch_up(state_vector)

    async def write(
        self,
        write: Callable[[Doc[Any]], Value],
        *,
        size_bytes: int,
        subject: str | None = None,
        is_long: bool = False,
    ) -> Value:
        """Let the relay itself write, in the order of what arrives; return what `write` returns once that is durable.

        What `write` raises of ours comes out, and must leave the document as it was. A document that may not grow by
        `size_bytes` any more raises `LimitReached`. Raises `RelayError` if it could not be stored; then it may be
        stored nevertheless. A room in which nothing is stored yet will count for `subject`. What `is_long` is run on
        another thread, so that the other rooms go on.
        """
        outcome: list[Value | RelayError] = []
        over = anyio.Event()

        def run(doc: Doc[Any]) -> None:
            try:
                outcome.append(write(doc))
            except RelayError as error:
                outcome.append(error)

        def done() -> None:
            self._writing.pop(over, None)
            over.set()

        async with self.held():
            if self._host.cluster is not None:
                await self._host.cluster.catch_up(self)
            self._log.entered_by(payer(self.name, subject))
            self._writing[over] = None
            weighs_bytes = max(size_bytes, THREAD_ABOVE_BYTES + 1) if is_long else size_bytes
            self._put(Written(run, outcome.append, done, size_bytes), weighs_bytes)
            await over.wait()
        if over in self._writing:  # the room ended before that
            raise self._failure or StoreError("the room failed and will be loaded again")
        (told,) = outcome
        if isinstance(told, RelayError):
            raise told
        return told

    # What other relays do here

    def told(self, position: int, update: bytes | None = None) -> None:
        """Take note that another relay has stored an update at `position`, and of what it is, if that is known."""
        self._log.told(position, update)
        if self._log.is_behind:
            self._stir()

    def reload(self) -> None:
        """Close everybody with 1011 and load again, as the store has less of the room than this has seen of it.

        Who comes back brings what the store lacks.
        """
        if self._failure is None:
            self._failure = StoreError(PUT_BACK)
            self._stir()

    def hear(self, node: str, spoken: Spoken) -> None:
        """Show what somebody shows who is in this room on another relay."""
        self._put(SpokenElsewhere(node, spoken), sum(len(each.state) for each in spoken.entries))

    def lose(self, node: str) -> None:
        """Show nobody any more who is on this relay: it is gone."""
        self._put(NodeGone(node))

    def tell_who_is_here(self) -> None:
        """Tell the other relays what is shown here."""
        self._put(AskedElsewhere())

    @property
    def is_loaded(self) -> bool:
        """True once the document is there."""
        return self._loaded is None

    # For the operator

    async def compact(self) -> None:
        """Put the document's own encoding in the place of the log, between two turns; hold the room meanwhile.

        Raises `RelayError` if that could not be done.
        """
        if self._wants_compaction is None:
            self._wants_compaction = anyio.Event()
            self._stir()
        await self._wants_compaction.wait()
        await self._log.compacted()
        if error := self._failure or self._log.compaction_failure:
            raise error

    def delete(self) -> None:
        """End the room, as its document was deleted: all who are in it are told, and it takes nothing more."""
        self._failure = RoomDeleted("the document was deleted")
        self._stir()

    @property
    def version(self) -> str:
        """What tells the document's states apart, in one life of the relay. While the turn is settled it is durable."""
        return self._log.version

    @property
    def position(self) -> int:
        """The position up to which the document has all updates that are stored."""
        return self._log.position

    @property
    def is_charged(self) -> bool:
        """True while the room itself tells its owner's account what is stored of it."""
        return self._log.is_charged

    @property
    def connections(self) -> int:
        """How many are in the room."""
        return len(self._peers)

    @property
    def peers(self) -> Collection[Peer]:
        """Who is in the room, in the order in which they came."""
        return self._peers.keys()

    def lag_s(self, now_s: float) -> float:
        """Return for how long something has waited for the peer that is served worst, as of the last sweep."""
        return self._delivery.lag_s(now_s)

    # For the host

    @property
    def size_bytes(self) -> int:
        """What the document takes, counted in the bytes of its updates."""
        return self._room.document.size_bytes

    @property
    def idle_since_s(self) -> float | None:
        """Since when nobody has been here, or None while somebody is, or while it is leaving already."""
        return None if self._peers or self._expected or self._evicted else self._idle_since_s

    def evict(self) -> None:
        """Close before its time a room in which nobody is. Who comes meanwhile keeps it open."""
        self._evicted = True
        self._stir()

    def stop(self) -> None:
        """Let the loop finish what has arrived, then close."""
        self._stir()

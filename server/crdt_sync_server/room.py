"""One room: what arrives goes in, what is to be done comes out, in order. No I/O, and time is an argument.

A turn has two halves with the commit between them, which is what makes "whatever anyone has seen is durable" hold:

    take     check and apply what has arrived; presence and hang-ups may go out at once
    (commit  the host stores `turn.update`; if that fails, the room is dropped and nobody has seen anything)
    release  only now every send of content: the batch to those in step, step 1, step 2, and the barriers' echoes

You must not take again before you have released, so the document never holds more than is stored when content leaves.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.awareness import OUTDATED_AFTER_S, AwarenessTable
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.messages import (
    AwarenessEntry,
    Barrier,
    PermissionDenied,
    SyncStep1,
    encode,
)
from crdt_sync.protocol.session import (
    Answer,
    Ask,
    Close,
    Echo,
    Effect,
    Presence,
    Role,
    Session,
    Take,
    TellPresence,
)
from crdt_sync.protocol.update import reach, read_update
from crdt_sync_server.limits import Limit, LimitReached
from crdt_sync_server.room_document import RoomBroken, RoomDocument
from crdt_sync_server.turn import (
    Arrival,
    AskedElsewhere,
    Content,
    Durable,
    Elsewhere,
    Frame,
    HangUp,
    Joined,
    Left,
    NodeGone,
    Offence,
    OfPeer,
    Output,
    PresenceOf,
    Received,
    Regraded,
    Spoken,
    SpokenElsewhere,
    Turn,
    Written,
)

__all__ = ["NOT_YOU", "Room"]

MAX_DOCUMENT_BYTES = 512 * 1024 * 1024
"""The default bound of what is stored of one room, in bytes."""
NOT_YOU = "a presence says to be somebody else (user.subject) and is not shown"

Peer = TypeVar("Peer", bound=Hashable)


class Room(Generic[Peer]):
    """The document of a room, its peers' sessions and their presence."""

    def __init__(
        self, *, max_document_bytes: int = MAX_DOCUMENT_BYTES, quarantine: dict[bytes, None] | None = None
    ) -> None:
        """`quarantine` is that of `RoomDocument`."""
        self.document = RoomDocument(quarantine)
        self._sessions: dict[Peer, Session] = {}
        self._presence = AwarenessTable()
        self._presence_due_s = float("inf")
        self._read_only: dict[Peer, bool] = {}  # who may not edit → whether an edit of theirs was refused
        self._told_of_claim: dict[Peer, None] = {}  # who was told that it claims to be somebody else
        self._max_document_bytes = max_document_bytes

    # The two halves of a turn

    def take(
        self, arrivals: Iterable[Arrival[Peer]], now_s: float, subject_left_bytes: int | None = None
    ) -> Turn[Peer]:
        """Check and apply what has arrived; `subject_left_bytes` says how much more its owner may store.

        Raises `RoomBroken`.
        """
        turn: Turn[Peer] = Turn(subject_left_bytes)
        culprit: Peer | None = None
        try:
            with self.document.transaction():
                for arrival in arrivals:
                    culprit = None
                    if isinstance(arrival, Written):
                        self._write(arrival, turn)
                    elif isinstance(arrival, SpokenElsewhere):
                        self._hear(Elsewhere(arrival.node, arrival.spoken.number), arrival.spoken, turn, now_s)
                    elif isinstance(arrival, NodeGone):
                        self._lose(arrival.node, turn, now_s)
                    elif isinstance(arrival, AskedElsewhere):
                        turn.spoken += self._present()
                    else:
                        culprit = arrival.peer
                        self._receive(arrival, turn, now_s)
        except BaseException as error:  # a panic of the compiled code is a BaseException; nothing here awaits
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            digest = self.document.quarantined()
            raise RoomBroken(f"{type(error).__name__}: {error}", culprit, digest) from error
        turn.update = self.document.produced()
        return turn

    def follow(self, updates: Sequence[bytes]) -> Turn[Peer]:
        """Apply what another relay has stored, in the order of the log; it is durable, so release it at once.

        Raises `RoomBroken`.
        """
        turn: Turn[Peer] = Turn()
        try:
            with self.document.transaction():
                for update in updates:
                    turn.moved.update(self.document.follow(update))
                    turn.updates += 1
        except BaseException as error:  # as in `take`
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise RoomBroken(f"what another relay has stored cannot be applied: {error}") from error
        turn.update = self.document.produced()
        return turn

    def expire(self, now_s: float) -> Turn[Peer]:
        """Return what follows from time alone; commit and release it like any turn."""
        turn: Turn[Peer] = Turn()
        for peer, session in list(self._sessions.items()):
            self._do(peer, session.expire(now_s), turn, now_s)
        gone = self._presence.expire(now_s)
        self._tell(gone, turn)
        self._presence_due_s = self._presence.next_expiry_s() or float("inf")
        return turn

    def due_s(self) -> float:
        """Return when `expire` has something to do; infinity if time alone changes nothing."""
        deadlines = (session.deadline_s() for session in self._sessions.values())
        return min(at_s for at_s in (*deadlines, self._presence_due_s) if at_s is not None)

    def release(self, turn: Turn[Peer]) -> list[Output[Peer]]:
        """Return the sends of content of a turn whose update is durable."""
        outputs: list[Output[Peer]] = [*turn.written]
        if turn.update is not None:
            in_step = tuple(peer for peer, session in self._sessions.items() if session.may_send)
            outputs.append(Content(turn.update, turn.moved, in_step, turn.updates))
        for peer, effect in turn.after_commit:
            if peer not in self._sessions:
                continue
            match effect:
                case Ask():
                    outputs.append(Frame(peer, encode(SyncStep1(self.document.state()))))
                case Answer(state_vector=state_vector):
                    outputs.append(Frame(peer, self.document.answer(state_vector)))
                    self._sessions[peer].answered()
                case Echo(number=number):
                    outputs.append(Frame(peer, encode(Barrier(number))))
        return outputs

    # Inside

    def _hear(self, owner: Elsewhere, spoken: Spoken, turn: Turn[Peer], now_s: float) -> None:
        """Show what somebody shows who is on another relay. That has checked it, and answers for it."""
        if spoken.is_over:
            self._tell(self._presence.remove(owner, now_s), turn)
            return
        self._presence_due_s = min(self._presence_due_s, now_s + OUTDATED_AFTER_S)
        self._presence.join(owner, spoken.subject, None)
        with suppress(RemoteProtocolError):  # a relay of other bounds: what is too much is not shown here
            self._tell(self._presence.receive(spoken.entries, owner, now_s).news, turn)

    def _present(self) -> list[Spoken]:
        """Return what each connection that is here shows."""
        here = (owner for owner in self._presence.owners() if not isinstance(owner, Elsewhere))
        return [self._spoken(owner, self._presence.entries_of(owner)) for owner in here]

    def _spoken(self, owner: Hashable, entries: tuple[AwarenessEntry, ...] = (), *, is_over: bool = False) -> Spoken:
        number, subject = self._presence.who(owner)
        assert number is not None, "who is here has one"
        return Spoken(number, subject, entries, is_over)

    def _lose(self, node: str, turn: Turn[Peer], now_s: float) -> None:
        for owner in self._presence.owners():
            if isinstance(owner, Elsewhere) and owner.node == node:
                self._tell(self._presence.remove(owner, now_s), turn)

    def _write(self, written: Written, turn: Turn[Peer]) -> None:
        """Let the relay write, and count what that moved: nobody sends a state vector with it."""
        try:
            self._check_quotas(turn, written.size_bytes)
        except LimitReached as error:
            written.refuse(error)
        else:
            turn.moved.update(self.document.write(written.write))
            turn.updates += 1
            turn.growth_bytes += written.size_bytes
        turn.written.append(Durable(written.done))

    def _receive(self, arrival: OfPeer[Peer], turn: Turn[Peer], now_s: float) -> None:
        peer = arrival.peer
        match arrival:
            case Received(message=message):
                if isinstance(message, Barrier) and self._read_only.get(peer):
                    words = "the edits before this were refused: the connection is read-only"
                    self._hang_up(peer, CloseCode.FORBIDDEN, words, turn, now_s, Limit.READ_ONLY)
                elif peer in self._sessions:
                    self._do(peer, self._sessions[peer].receive(message), turn, now_s)
            case Joined(subject=subject, read_only=read_only, number=number):
                session = self._sessions[peer] = Session(Role.RELAY)
                self._presence.join(peer, subject, number)
                if read_only:
                    self._read_only[peer] = False
                asks = () if read_only else session.start()  # who may not edit has nothing for us
                self._do(peer, (*asks, TellPresence()), turn, now_s)
            case Regraded(read_only=True):
                if peer in self._sessions:
                    self._read_only.setdefault(peer, False)
            case Regraded():
                if self._read_only.pop(peer, None) is not None:  # what it has meanwhile edited was never asked for
                    self._do(peer, self._sessions[peer].start(), turn, now_s)
            case Left():
                self._forget(peer, turn, now_s)

    def _do(self, peer: Peer, effects: Iterable[Effect], turn: Turn[Peer], now_s: float) -> None:
        for effect in effects:
            try:
                self._do_one(peer, effect, turn, now_s)
            except LimitReached as error:
                self._hang_up(peer, error.close_code, str(error), turn, now_s, error.limit)
            except RemoteProtocolError as error:
                self._hang_up(peer, CloseCode(error.close_code), str(error), turn, now_s, Limit.of(error.close_code))
            if peer not in self._sessions:
                return

    def _do_one(self, peer: Peer, effect: Effect, turn: Turn[Peer], now_s: float) -> None:
        match effect:
            case Take():
                self._do(peer, self._take(peer, effect, turn, now_s), turn, now_s)
            case Answer(state_vector=state_vector):
                turn.after_commit.append((peer, Answer(self.document.canonical(state_vector))))
            case Ask() | Echo():
                turn.after_commit.append((peer, effect))
            case Presence(entries=entries):
                self._presence_due_s = min(self._presence_due_s, now_s + OUTDATED_AFTER_S)
                heard = self._presence.receive(entries, peer, now_s)
                self._tell(heard.news, turn)
                if heard.news:
                    turn.spoken.append(self._spoken(peer, heard.news))
                if heard.corrections:
                    turn.at_once.append(PresenceOf(heard.corrections, (peer,)))
                if heard.refused and peer not in self._told_of_claim:  # no strike: a tab may speak for another one's
                    self._told_of_claim[peer] = None
                    turn.at_once.append(Frame(peer, encode(PermissionDenied(NOT_YOU))))
            case TellPresence():
                if here := self._presence.entries():
                    turn.at_once.append(PresenceOf(here, (peer,)))
            case Close(code=code, reason=reason):
                limit = Limit.BARRIERS if code is CloseCode.POLICY else None
                self._hang_up(peer, code, reason, turn, now_s, limit)

    def _take(self, peer: Peer, take: Take, turn: Turn[Peer], now_s: float) -> tuple[Effect, ...]:
        session = self._sessions[peer]
        header = read_update(take.update)
        moved = reach(header, self.document.vector)
        if peer in self._read_only and self.document.adds(header, moved, take.update):
            self._read_only[peer] = True
            turn.at_once.append(Frame(peer, encode(PermissionDenied("this connection is read-only"))))
            turn.at_once.append(Offence(peer, "an edit over a read-only connection"))
            return ()
        if moved is None:
            return session.gapped(take, now_s)
        if not header.is_empty:
            self._check_quotas(turn, len(take.update) if moved else 0)  # who only deletes is not refused
            self.document.apply(take.update, moved)
            turn.moved.update(moved)
            turn.updates += 1
            turn.growth_bytes += len(take.update) if moved else 0
        return session.taken(take, now_s)

    def _check_quotas(self, turn: Turn[Peer], size_bytes: int) -> None:
        if not size_bytes:
            return
        growth_bytes = turn.growth_bytes + size_bytes
        most = self._max_document_bytes
        if self.document.size_bytes + growth_bytes > most:
            raise LimitReached(Limit.DOCUMENT, f"{Limit.DOCUMENT.words}: {most} bytes are stored of one room")
        if turn.subject_left_bytes is not None and growth_bytes > turn.subject_left_bytes:
            raise LimitReached(Limit.SUBJECT, f"{Limit.SUBJECT.words}: nothing more is kept for this room's owner")

    def _tell(self, entries: tuple[AwarenessEntry, ...], turn: Turn[Peer]) -> None:
        if entries:
            turn.at_once.append(PresenceOf(entries, tuple(self._sessions)))

    def _hang_up(
        self, peer: Peer, code: CloseCode, reason: str, turn: Turn[Peer], now_s: float, limit: Limit | None = None
    ) -> None:
        turn.at_once.append(HangUp(peer, code, reason, limit))
        self._forget(peer, turn, now_s)

    def _forget(self, peer: Peer, turn: Turn[Peer], now_s: float) -> None:
        self._read_only.pop(peer, None)
        self._told_of_claim.pop(peer, None)
        if self._sessions.pop(peer, None) is not None:
            over = self._spoken(peer, is_over=True)
            if gone := self._presence.remove(peer, now_s):
                self._tell(gone, turn)
                turn.spoken.append(over)

"""One room: what arrives goes in, what is to be done comes out, in order. No I/O, and time is an argument.

A turn has two halves with the commit between them, which is what makes "whatever anyone has seen is durable" hold:

    take     check and apply what has arrived; presence and hang-ups may go out at once
    (commit  the host stores `turn.update`; if that fails, the room is dropped and nobody has seen anything)
    release  only now every send of content: the batch to those in step, step 1, step 2, and the barriers' echoes

You must not take again before you have released, so the document never holds more than is stored when content leaves.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, Generic, TypeVar

from pycrdt import Doc, TransactionEvent

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.awareness import OUTDATED_AFTER_S, AwarenessTable
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.deletes import adds_deletes
from crdt_sync.protocol.messages import (
    AwarenessEntry,
    Barrier,
    PermissionDenied,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
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
from crdt_sync.protocol.update import Update, decode_state_vector, encode_state_vector, reach, read_update
from crdt_sync_server.limits import Limit, LimitReached
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

__all__ = ["NOT_YOU", "Room", "RoomBroken"]

MAX_DOCUMENT_BYTES = 512 * 1024 * 1024
"""The default bound of what is stored of one room, in bytes."""
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Step 2 answers are kept up to this many bytes, and the last one whatever its size."""
HEADERS_UP_TO_BYTES = 64 * 1024
"""What another relay has stored is read up to this size, to learn what it moves."""
MAX_QUARANTINED = 1024
"""How many updates that a document did not survive are remembered, by hash."""
NOT_YOU = "a presence says to be somebody else (user.subject) and is not shown"

Peer = TypeVar("Peer", bound=Hashable)


class RoomBroken(Exception):
    """The document may be half changed. Drop the room, close its peers with 1011 and load it again.

    `culprit` is the peer whose message did it, and `digest` the SHA-256 of the update, if it was one.
    """

    def __init__(self, message: str, culprit: Hashable = None, digest: bytes | None = None) -> None:
        super().__init__(message)
        self.culprit = culprit
        self.digest = digest


class Room(Generic[Peer]):
    """The document of a room, its peers' sessions and their presence."""

    def __init__(
        self, *, max_document_bytes: int = MAX_DOCUMENT_BYTES, quarantine: dict[bytes, None] | None = None
    ) -> None:
        """`quarantine` holds the hashes of updates that no document is given again; rooms may share it."""
        self._doc: Doc[Any] = Doc()
        self._produced: list[bytes] = []
        self._subscription = self._doc.observe(self._on_transaction)
        self._vector: dict[int, int] = {}
        self._sessions: dict[Peer, Session] = {}
        self._presence = AwarenessTable()
        self._presence_due_s = float("inf")
        self._answers: dict[bytes, bytes] = {}  # state vector → step 2, for the document as it stands
        self._answer_bytes = 0
        self._read_only: dict[Peer, bool] = {}  # who may not edit → whether an edit of theirs was refused
        self._told_of_claim: dict[Peer, None] = {}  # who was told that it claims to be somebody else
        self._quarantine: dict[bytes, None] = {} if quarantine is None else quarantine
        self._applying: bytes | None = None  # what the document is being given
        self._max_document_bytes = max_document_bytes
        self._has_written = False  # the relay itself, since this was loaded
        self.size_bytes = 0
        """The bytes of all updates that were loaded and taken."""

    def _on_transaction(self, event: TransactionEvent) -> None:
        self._produced.append(event.update)

    def close(self) -> None:
        """Let go of the document; without this it and its observer hold one another for ever, unseen by Python."""
        self._doc.unobserve(self._subscription)

    # Loading

    def restore(self, update: bytes) -> None:
        """Apply one stored update, before anyone joins. Raises `RoomBroken` if the bytes are no update."""
        try:
            self._doc.apply_update(update)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise RoomBroken(f"a stored update cannot be applied: {error}") from error
        self._produced.clear()
        self.size_bytes += len(update)

    def restored(self) -> None:
        """Say that all is loaded."""
        self._vector = decode_state_vector(self._doc.get_state())

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
            with self._doc.transaction():
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
            digest = None if self._applying is None else self._put_in_quarantine(self._applying)
            raise RoomBroken(f"{type(error).__name__}: {error}", culprit, digest) from error
        self._produce(turn)
        return turn

    def follow(self, updates: Sequence[bytes]) -> Turn[Peer]:
        """Apply what another relay has stored, in the order of the log; it is durable, so release it at once.

        Raises `RoomBroken`.
        """
        turn: Turn[Peer] = Turn()
        try:
            with self._doc.transaction():
                for update in updates:
                    self._follow(update, turn)
        except BaseException as error:  # as in `take`
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise RoomBroken(f"what another relay has stored cannot be applied: {error}") from error
        self._produce(turn)
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
                    outputs.append(Frame(peer, encode(SyncStep1(self._doc.get_state()))))
                case Answer(state_vector=state_vector):
                    outputs.append(Frame(peer, self.answer(state_vector)))
                    self._sessions[peer].answered()
                case Echo(number=number):
                    outputs.append(Frame(peer, encode(Barrier(number))))
        return outputs

    # What the host asks

    def answer(self, state_vector: bytes) -> bytes:
        """Return the frame of step 2 for an encoded state vector. After a restart a thousand clients ask the same."""
        frame = self._answers.get(state_vector)
        if frame is None:
            frame = encode(SyncStep2(self._doc.get_update(state_vector)))
            if self._answer_bytes + len(frame) > MAX_ANSWER_BYTES:
                self._answers.clear()
                self._answer_bytes = 0
            self._answers[state_vector] = frame
            self._answer_bytes += len(frame) + len(state_vector)
        return frame

    def catch_up(self, state_vector: Mapping[int, int]) -> bytes:
        """Return the frame of one update with all that `state_vector` lacks."""
        return encode(SyncUpdate(self._doc.get_update(encode_state_vector(state_vector))))

    def vector(self) -> dict[int, int]:
        """Return a copy of the document's state vector."""
        return dict(self._vector)

    def whole(self) -> bytes:
        """Return the document as one update."""
        return self._doc.get_update()

    # Inside

    def _produce(self, turn: Turn[Peer]) -> None:
        """Take what a transaction of the document has made of a turn's updates."""
        if self._produced:
            (turn.update,) = self._produced  # one transaction, one update: the batch comes merged
            self._produced.clear()
            self._answers.clear()
            self._answer_bytes = 0
            self.size_bytes += len(turn.update)

    def _follow(self, update: bytes, turn: Turn[Peer]) -> None:
        """Apply one update of the log. Reading the headers of a large one takes longer than asking the document."""
        if len(update) > HEADERS_UP_TO_BYTES:
            self._doc.apply_update(update)
            moved = self._moved()
        else:
            reached = reach(read_update(update), self._vector)
            if reached is None:
                raise RoomBroken("the log has a gap")
            self._doc.apply_update(update)
            moved = reached
        self._vector.update(moved)
        turn.moved.update(moved)
        turn.updates += 1

    def _moved(self) -> dict[int, int]:
        after = decode_state_vector(self._doc.get_state())
        return {client: clock for client, clock in after.items() if clock != self._vector.get(client)}

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
            if not self._has_written and self._doc.client_id in self._vector:
                raise RoomBroken("the id drawn for the relay's writing is in use already")  # loaded again, with another
            self._has_written = True
            written.write(self._doc)
            moved = self._moved()
            self._vector.update(moved)
            turn.moved.update(moved)
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
                turn.after_commit.append((peer, Answer(self._canonical(state_vector))))
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
        moved = reach(header, self._vector)
        if peer in self._read_only and self._adds(header, moved, take.update):
            self._read_only[peer] = True
            turn.at_once.append(Frame(peer, encode(PermissionDenied("this connection is read-only"))))
            turn.at_once.append(Offence(peer, "an edit over a read-only connection"))
            return ()
        if moved is None:
            return session.gapped(take, now_s)
        if not header.is_empty:
            self._check_quotas(turn, len(take.update) if moved else 0)  # who only deletes is not refused
            self._apply(take.update)
            self._vector.update(moved)
            turn.moved.update(moved)
            turn.updates += 1
            turn.growth_bytes += len(take.update) if moved else 0
        return session.taken(take, now_s)

    def _check_quotas(self, turn: Turn[Peer], size_bytes: int) -> None:
        if not size_bytes:
            return
        growth_bytes = turn.growth_bytes + size_bytes
        most = self._max_document_bytes
        if self.size_bytes + growth_bytes > most:
            raise LimitReached(Limit.DOCUMENT, f"{Limit.DOCUMENT.words}: {most} bytes are stored of one room")
        if turn.subject_left_bytes is not None and growth_bytes > turn.subject_left_bytes:
            raise LimitReached(Limit.SUBJECT, f"{Limit.SUBJECT.words}: nothing more is kept for this room's owner")

    def _apply(self, update: bytes) -> None:
        """Give an update to the document. One that it refuses, or does not survive, is never tried again."""
        if self._quarantine and (digest := sha256(update).digest()) in self._quarantine:
            raise _quarantined(digest)
        self._applying = update
        try:
            self._doc.apply_update(update)
        except ValueError as error:
            self._applying = None
            self.restored()  # what it may have left there must not be forgotten
            raise _quarantined(self._put_in_quarantine(update)) from error
        self._applying = None

    def _put_in_quarantine(self, update: bytes) -> bytes:
        digest = sha256(update).digest()
        self._quarantine[digest] = None
        while len(self._quarantine) > MAX_QUARANTINED:
            del self._quarantine[next(iter(self._quarantine))]
        return digest

    def _adds(self, header: Update, moved: Mapping[int, int] | None, update: bytes) -> bool:
        """Say whether an update holds what the document does not. One with a gap does."""
        if moved is None or moved:
            return True
        return bool(header.deletes) and adds_deletes(update, self._doc.get_update(self._doc.get_state()))

    def _canonical(self, state_vector: bytes) -> bytes:
        """Return what of a state vector the answer depends on: peers write it in any order, and may claim anything."""
        claimed = decode_state_vector(state_vector)
        known = ((client, min(clock, self._vector.get(client, 0))) for client, clock in claimed.items())
        return encode_state_vector({client: clock for client, clock in known if clock})

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


def _quarantined(digest: bytes) -> LimitReached:
    return LimitReached(Limit.QUARANTINED, f"an update that the document cannot take, sha256 {digest.hex()[:16]}")

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    Message,
    PermissionDenied,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    decode,
)
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server import room as room_module
from crdt_sync_server.room import NOT_YOU, Room
from crdt_sync_server.room_document import RoomBroken
from crdt_sync_server.turn import Arrival, Content, Frame, HangUp, Joined, Left, Output, PresenceOf, Received

EMPTY_VECTOR = b"\x00"


class Desk:
    """A room, and what it says, with the commit always done."""

    def __init__(self, **options: Any) -> None:
        self.room: Room[str] = Room(**options)
        self.room.document.restored()
        self.log: list[bytes] = []
        self.now_s = 0.0

    def turn(self, *arrivals: Arrival[str]) -> list[Output[str]]:
        turn = self.room.take(arrivals, self.now_s)
        if turn.update is not None:
            self.log.append(turn.update)
        return [*turn.at_once, *self.room.release(turn)]

    def say(self, peer: str, *messages: Message) -> list[Output[str]]:
        return self.turn(*(Received(peer, message) for message in messages))

    def enter(self, *peers: str) -> None:
        """Join and complete the sync of peers that have nothing."""
        self.turn(*(Joined(peer) for peer in peers))
        for peer in peers:
            self.say(peer, SyncStep1(EMPTY_VECTOR), SyncStep2(EMPTY_UPDATE))


def sent(outputs: Sequence[Output[str]], peer: str) -> list[Message]:
    """What `peer` is sent, in order."""
    messages: list[Message] = []
    for output in outputs:
        match output:
            case Frame(peer=to, frame=frame) if to == peer:
                messages += decode(frame)
            case Content(update=update, peers=peers) if peer in peers:
                messages.append(SyncUpdate(update))
            case PresenceOf(entries=entries, peers=peers) if peer in peers:
                messages.append(Awareness(entries))
    return messages


def closed(outputs: Sequence[Output[str]]) -> dict[str, int]:
    return {output.peer: output.code for output in outputs if isinstance(output, HangUp)}


def edits(*pairs: tuple[str, object], client_id: int = 7) -> list[bytes]:
    """One update for each write into a map."""
    doc: Doc[Any] = Doc(client_id=client_id)
    values = doc.get("m", type=Map)
    updates: list[bytes] = []
    subscription = doc.observe(lambda event: updates.append(event.update))
    for key, value in pairs:
        values[key] = value
    doc.unobserve(subscription)
    return updates


def content(update: bytes) -> Any:
    doc: Doc[Any] = Doc()
    doc.apply_update(update)
    return doc.get("m", type=Map).to_py()


def test_joining_asks_for_what_the_peer_has() -> None:
    assert sent(Desk().turn(Joined("a")), "a") == [SyncStep1(EMPTY_VECTOR)]


def test_a_batch_is_one_update_for_everybody_the_senders_too() -> None:
    desk = Desk()
    desk.enter("a", "b")
    one, two = edits(("k", 1), ("l", 2))
    outputs = desk.turn(Received("a", SyncUpdate(one)), Received("b", SyncUpdate(two)))
    (update,) = desk.log
    assert content(update) == {"k": 1, "l": 2}
    assert sent(outputs, "a") == sent(outputs, "b") == [SyncUpdate(update)]


def test_nothing_of_a_batch_is_said_before_its_commit_but_presence() -> None:
    desk = Desk()
    desk.enter("a", "b")
    (one,) = edits(("k", 1))
    here = Awareness((AwarenessEntry(5, 1, '"a"'),))
    arrivals = [SyncUpdate(one), Barrier(1), SyncStep1(EMPTY_VECTOR), here]
    turn = desk.room.take([Received("a", message) for message in arrivals], 0.0)
    assert turn.at_once == [PresenceOf(here.entries, ("a", "b"))]
    assert turn.update is not None
    after = desk.room.release(turn)
    assert sent(after, "a") == [SyncUpdate(turn.update), Barrier(1), SyncStep2(turn.update)]
    assert sent(after, "b") == [SyncUpdate(turn.update)]


def test_an_update_does_not_overtake_the_step_2_it_depends_on() -> None:
    desk = Desk()
    desk.enter("a")
    one, two, three = edits(("k", 1), ("k", 2), ("k", 3))
    desk.say("a", SyncUpdate(one))
    desk.turn(Joined("b"))
    assert sent(desk.say("a", SyncUpdate(two)), "b") == []
    (answer,) = sent(desk.say("b", SyncStep1(EMPTY_VECTOR)), "b")
    assert isinstance(answer, SyncStep2)
    assert content(answer.update) == {"k": 2}
    assert sent(desk.say("a", SyncUpdate(three)), "b") == [SyncUpdate(three)]


def test_what_adds_nothing_is_neither_stored_nor_sent_but_its_barrier_is_echoed() -> None:
    desk = Desk()
    desk.enter("a", "b")
    (one,) = edits(("k", 1))
    desk.say("a", SyncUpdate(one))
    outputs = desk.say("b", SyncUpdate(one), SyncUpdate(EMPTY_UPDATE), Barrier(9))
    assert len(desk.log) == 1
    assert sent(outputs, "b") == [Barrier(9)]
    assert sent(outputs, "a") == []


def test_a_delete_changes_the_answer_though_not_the_state_vector() -> None:
    desk = Desk()
    desk.enter("a")
    doc: Doc[Any] = Doc()
    doc.get("m", type=Map)["k"] = 1
    desk.say("a", SyncUpdate(doc.get_update()))
    vector = doc.get_state()
    (before,) = sent(desk.say("a", SyncStep1(EMPTY_VECTOR)), "a")
    del doc.get("m", type=Map)["k"]
    desk.say("a", SyncUpdate(doc.get_update(vector)))
    (after,) = sent(desk.say("a", SyncStep1(EMPTY_VECTOR)), "a")
    assert isinstance(before, SyncStep2)
    assert isinstance(after, SyncStep2)
    assert content(before.update) == {"k": 1}
    assert content(after.update) == {}
    assert len(desk.log) == 2


def test_a_gap_is_healed_and_enters_nothing() -> None:
    desk = Desk()
    desk.enter("a", "b")
    one, two = edits(("k", 1), ("k", 2))
    outputs = desk.say("a", SyncUpdate(two), Barrier(4))
    assert sent(outputs, "a") == [SyncStep1(EMPTY_VECTOR)]
    assert desk.log == []
    assert sent(desk.say("a", SyncUpdate(two)), "a") == []  # one question at a time
    whole: Doc[Any] = Doc()
    whole.apply_update(one)
    whole.apply_update(two)
    outputs = desk.say("a", SyncStep2(whole.get_update()))
    (stored,) = desk.log
    assert content(stored) == {"k": 2}
    assert sent(outputs, "a") == [SyncUpdate(stored), Barrier(4)]
    assert sent(outputs, "b") == [SyncUpdate(stored)]


def test_a_gap_that_stays_open_closes_that_connection_alone() -> None:
    desk = Desk()
    desk.enter("a", "b")
    _, two = edits(("k", 1), ("k", 2))
    desk.say("a", SyncUpdate(two))
    assert desk.room.due_s() > 9.9
    assert desk.room.due_s() <= 10.0
    turn = desk.room.expire(10.0)
    assert closed(turn.at_once) == {"a": 4500}
    assert desk.room.due_s() > 11.0
    assert sent(desk.say("b", Barrier(1)), "b") == [Barrier(1)]


@pytest.mark.parametrize(
    "message",
    [
        SyncUpdate(b"\x01\x01\x01"),
        SyncUpdate(b""),
        SyncStep2(b"\x00"),
        SyncStep1(b"\xff"),
        SyncUpdate(EMPTY_UPDATE + b"\x00"),
    ],
)
def test_a_malformed_message_closes_that_connection_alone_and_says_so(message: Message) -> None:
    desk = Desk()
    desk.enter("a", "b")
    (one,) = edits(("k", 1))
    outputs = desk.turn(
        Received("b", SyncUpdate(one)),
        Received("a", message),
        Received("a", Barrier(1)),
        Received("b", Barrier(2)),
    )
    assert closed(outputs) == {"a": 4400}
    assert sent(outputs, "a") == []
    assert sent(outputs, "b") == [SyncUpdate(desk.log[0]), Barrier(2)]


def test_what_a_peer_said_before_its_mistake_is_kept() -> None:
    desk = Desk()
    desk.enter("a")
    (one,) = edits(("k", 1))
    desk.say("a", SyncUpdate(one), SyncUpdate(b"\x07"))
    assert content(desk.log[0]) == {"k": 1}


def test_presence_is_told_renewed_and_taken_back_with_the_connection() -> None:
    desk = Desk()
    desk.enter("a", "b")
    here = AwarenessEntry(5, 1, '{"name":"Zoë 🙂"}')
    outputs = desk.say("a", Awareness((here,)))
    assert sent(outputs, "a") == sent(outputs, "b") == [Awareness((here,))]
    assert sent(desk.turn(Joined("c")), "c")[0] == Awareness((here,))
    assert sent(desk.say("b", QueryAwareness()), "b") == [Awareness((here,))]
    gone = AwarenessEntry(5, 2, "null")
    assert sent(desk.turn(Left("a")), "b") == [Awareness((gone,))]
    assert sent(desk.say("b", QueryAwareness()), "b") == []


def test_a_presence_that_claims_to_be_another_is_told_to_nobody_and_that_is_said_once() -> None:
    desk = Desk()
    desk.turn(Joined("a", "ada"), Joined("b", "ben"))
    false = Awareness((AwarenessEntry(5, 1, '{"user":{"subject":"ada"}}'), AwarenessEntry(6, 1, '{"user":{}}')))
    outputs = desk.say("b", false)
    assert sent(outputs, "a") == [Awareness(false.entries[1:])]
    assert PermissionDenied(NOT_YOU) in sent(outputs, "b")
    assert not closed(outputs)
    again = desk.say("b", Awareness((AwarenessEntry(5, 2, '{"user":{"subject":"ada"}}'),)))
    assert again == []
    true = Awareness((AwarenessEntry(7, 1, '{"user":{"subject":"ben"}}'),))
    assert sent(desk.say("b", true), "a") == [true]
    desk.turn(Left("b"))
    desk.turn(Joined("b", "ben"))
    assert PermissionDenied(NOT_YOU) in sent(desk.say("b", Awareness(false.entries[:1])), "b")


def test_presence_that_is_not_renewed_ends() -> None:
    desk = Desk()
    desk.enter("a", "b")
    desk.say("a", Awareness((AwarenessEntry(5, 1, '"x"'),)))
    assert desk.room.due_s() > 29.0
    assert desk.room.due_s() <= 30.0
    assert sent(desk.room.expire(30.0).at_once, "b") == [Awareness((AwarenessEntry(5, 2, "null"),))]


def test_a_thousand_that_ask_the_same_are_answered_with_the_same_bytes() -> None:
    desk = Desk()
    desk.enter("a")
    desk.say("a", SyncUpdate(edits(("k", 1))[0]))
    assert desk.room.document.answer(EMPTY_VECTOR) is desk.room.document.answer(EMPTY_VECTOR)


def test_a_full_document_refuses_more_and_keeps_what_it_has() -> None:
    desk = Desk(max_document_bytes=200)
    desk.enter("a", "b")
    desk.say("a", SyncUpdate(edits(("k", 1))[0]))
    outputs = desk.say("a", SyncUpdate(edits(("k", "x" * 500), client_id=8)[0]))
    assert closed(outputs) == {"a": 4413}
    assert len(desk.log) == 1


def test_a_room_comes_back_from_its_log() -> None:
    desk = Desk()
    desk.enter("a")
    for update in edits(("k", 1), ("l", 2), ("k", 3)):
        desk.say("a", SyncUpdate(update))
    again: Room[str] = Room()
    for update in desk.log:
        again.document.restore(update)
    again.document.restored()
    assert again.document.whole() == desk.room.document.whole()
    assert again.document.vector == desk.room.document.vector
    assert again.document.size_bytes == desk.room.document.size_bytes


def test_a_panic_below_breaks_the_room_and_names_the_culprit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        pass

    def panic(data: bytes) -> Any:
        raise Panic("attempt to subtract with overflow")

    desk = Desk()
    desk.enter("a", "b")
    monkeypatch.setattr(room_module, "read_update", panic)
    with pytest.raises(RoomBroken, match="overflow") as caught:
        desk.say("b", SyncUpdate(EMPTY_UPDATE))
    assert caught.value.culprit == "b"


def test_a_stored_update_that_is_none_is_an_error_never_an_empty_document() -> None:
    with pytest.raises(RoomBroken):
        Room[str]().document.restore(b"\x01\x01\x01")

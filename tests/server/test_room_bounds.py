"""What a room keeps from its document, and what it keeps of its peers' questions."""

from __future__ import annotations

import gc
import weakref
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.protocol.messages import Barrier, PermissionDenied, SyncStep1, SyncUpdate
from crdt_sync.protocol.update import encode_state_vector
from crdt_sync_server import room_document as room_module
from crdt_sync_server.limits import Limit
from crdt_sync_server.room_document import RoomBroken
from crdt_sync_server.turn import Frame, HangUp, Joined, Offence
from tests.server.test_room import Desk, closed, edits, sent

BAD_EMBED = b"\x01\x01\x09\x00\x05\x01\x01m\x02{x\x00"
"""An update whose headers are in order, and whose embedded JSON is not: the document refuses it."""


def test_what_a_document_refuses_is_in_quarantine_by_its_hash() -> None:
    quarantine: dict[bytes, None] = {}
    desk = Desk(quarantine=quarantine)
    desk.enter("a", "b")
    before = dict(desk.room.document.vector)
    (hang_up,) = (each for each in desk.say("a", SyncUpdate(BAD_EMBED)) if isinstance(each, HangUp))
    digest = sha256(BAD_EMBED).digest()
    assert (hang_up.code, hang_up.limit) == (4400, Limit.QUARANTINED)
    assert digest.hex()[:16] in hang_up.reason
    assert list(quarantine) == [digest]
    assert desk.room.document.vector == before
    assert sent(desk.say("b", *map(SyncUpdate, edits(("k", 1)))), "b")  # the room goes on


def test_what_a_document_does_not_survive_is_not_given_to_the_next() -> None:
    class Panic(BaseException):
        pass

    class Fragile:
        """The document, but that one update is too much for it, as a panic of the compiled code is."""

        def __init__(self, doc: Any) -> None:
            self._doc = doc

        def __getattr__(self, name: str) -> Any:
            return getattr(self._doc, name)

        def apply_update(self, update: bytes) -> None:
            if b"poison" in update:
                raise Panic("attempt to subtract with overflow")
            self._doc.apply_update(update)

    quarantine: dict[bytes, None] = {}
    (poison,) = edits(("poison", 1))
    for turn in range(2):
        desk = Desk(quarantine=quarantine)
        desk.room.document.doc = Fragile(desk.room.document.doc)  # type: ignore[assignment]
        desk.enter("a", "b")
        if turn == 0:
            with pytest.raises(RoomBroken, match="overflow") as caught:
                desk.say("a", SyncUpdate(poison))
            assert (caught.value.culprit, caught.value.digest) == ("a", sha256(poison).digest())
        else:
            assert closed(desk.say("a", SyncUpdate(poison))) == {"a": 4400}
            assert sent(desk.say("b", Barrier(1)), "b") == [Barrier(1)]


def test_the_quarantine_and_the_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "MAX_QUARANTINED", 3)
    monkeypatch.setattr(room_module, "MAX_ANSWER_BYTES", 2000)
    quarantine: dict[bytes, None] = {}
    desk = Desk(quarantine=quarantine)
    for client in range(1, 6):
        desk.enter("a")
        desk.say("a", SyncUpdate(BAD_EMBED.replace(b"\x09", bytes([client]))))
    assert len(quarantine) == 3
    desk.enter("a")
    for update in edits(*((f"k{n}", "x" * 50) for n in range(20))):
        desk.say("a", SyncUpdate(update))
    for clock in range(20):
        desk.say("a", SyncStep1(encode_state_vector({7: clock, 99: clock})))
        assert sum(map(len, desk.room.document._answers.values())) <= 2000 + 2000


@given(st.dictionaries(st.integers(1, 99), st.integers(0, 99)))
def test_claims_about_strangers_make_no_new_answers(claimed: dict[int, int]) -> None:
    desk = Desk()
    desk.enter("a")
    for update in edits(("k", 1), ("l", 2)):
        desk.say("a", SyncUpdate(update))
    plain = sent(desk.say("a", SyncStep1(encode_state_vector({7: claimed.get(7, 0)}))), "a")
    assert sent(desk.say("a", SyncStep1(encode_state_vector(claimed))), "a") == plain
    assert len(desk.room.document._answers) == 1


def test_a_reader_is_not_asked_and_its_edits_are_refused_before_anything_is_done() -> None:
    desk = Desk()
    desk.turn(Joined("a", "ada", read_only=True))
    (update,) = edits(("k", 1))
    outputs = desk.say("a", SyncUpdate(update))
    assert sent(outputs, "a") == [PermissionDenied("this connection is read-only")]
    assert [type(output) for output in outputs] == [Frame, Offence]
    assert desk.log == []
    assert closed(desk.say("a", Barrier(1))) == {"a": 4403}


def test_a_room_that_is_closed_is_gone() -> None:
    """The compiled document holds its observer, and the observer its owner: no garbage collector sees that circle."""
    desk = Desk()
    desk.enter("a")
    desk.say("a", *map(SyncUpdate, edits(("k", 1))))
    document = weakref.ref(desk.room.document)
    desk.room.document.close()
    del desk
    gc.collect()
    assert document() is None

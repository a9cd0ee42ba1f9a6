from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crdt_sync.errors import LocalProtocolError
from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    FreshToken,
    PermissionDenied,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    TokenHolds,
    Unknown,
)
from crdt_sync.protocol.session import (
    HEAL_WITHIN_S,
    MAX_HELD_BARRIERS,
    PROBE_WITHIN_S,
    Acknowledged,
    Answer,
    Ask,
    Close,
    Confirms,
    Denied,
    Echo,
    Presence,
    Renew,
    Role,
    SendBarrier,
    Session,
    Synced,
    Take,
    TellPresence,
)

UPDATE, STEP_2 = Take(b"u", is_step_2=False), Take(b"s", is_step_2=True)


def test_both_ends_ask_and_a_client_probes() -> None:
    assert Session(Role.RELAY).start() == (Ask(),)
    assert Session(Role.CLIENT).start() == (Ask(), SendBarrier(0))


@pytest.mark.parametrize("role", Role)
def test_what_messages_ask_of_us(role: Role) -> None:
    session = Session(role)
    session.start()
    here = AwarenessEntry(1, 1, "{}")
    assert session.receive(SyncStep1(b"v")) == (Answer(b"v"),)
    assert session.receive(SyncUpdate(b"u")) == (UPDATE,)
    assert session.receive(SyncStep2(b"s")) == (STEP_2,)
    assert session.receive(Awareness((here,))) == (Presence((here,)),)
    assert session.receive(Awareness(())) == ()
    assert session.receive(QueryAwareness()) == (TellPresence(),)
    assert session.receive(Unknown(9, b"")) == session.receive(FreshToken("t")) == ()
    assert Session(Role.CLIENT).receive(TokenHolds(60)) == (Renew(60),)
    assert Session(Role.RELAY).receive(TokenHolds(60)) == ()
    assert session.receive(PermissionDenied("no")) == ((Denied("no"),) if role is Role.CLIENT else ())


@pytest.mark.parametrize("role", Role)
def test_updates_wait_for_the_answer_to_the_peers_step_1(role: Role) -> None:
    session = Session(role)
    session.start()
    assert not session.may_send
    session.receive(SyncStep1(b"v"))
    assert not session.may_send
    session.answered()
    assert session.may_send


def test_a_gap_is_asked_for_once_and_the_barriers_behind_it_wait() -> None:
    relay = Session(Role.RELAY)
    relay.start()
    assert relay.taken(STEP_2, 0.0) == (Synced(),)
    assert relay.receive(Barrier(1)) == (Echo(1),)
    assert relay.gapped(UPDATE, 5.0) == (Ask(),)
    assert relay.gapped(UPDATE, 6.0) == ()
    assert relay.receive(Barrier(2)) == relay.receive(Barrier(3)) == ()
    assert relay.taken(UPDATE, 7.0) == ()  # one that fits heals nothing
    assert relay.deadline_s() == 5.0 + HEAL_WITHIN_S
    assert relay.taken(STEP_2, 8.0) == (Echo(2), Echo(3))
    assert relay.deadline_s() is None
    assert relay.receive(Barrier(4)) == (Echo(4),)


def test_a_gap_before_the_first_step_2_is_healed_by_it() -> None:
    relay = Session(Role.RELAY)
    relay.start()
    assert relay.gapped(UPDATE, 0.0) == ()  # the first step 1 is still out
    assert relay.receive(Barrier(1)) == ()
    assert relay.taken(STEP_2, 1.0) == (Echo(1), Synced())


@pytest.mark.parametrize("role", Role)
def test_a_gap_that_stays_open_closes_the_connection(role: Role) -> None:
    session = Session(role)
    session.start()
    session.taken(STEP_2, 0.0)
    session.gapped(UPDATE, 20.0)
    assert not any(isinstance(effect, Close) for effect in session.expire(29.9))
    (effect,) = session.expire(30.0)
    assert isinstance(effect, Close)
    assert effect.code == 4500


def test_a_step_2_with_a_gap_closes_the_connection() -> None:
    (effect,) = Session(Role.RELAY).gapped(STEP_2, 0.0)
    assert isinstance(effect, Close)
    assert effect.code == 4500


def test_barriers_behind_a_gap_are_bounded() -> None:
    relay = Session(Role.RELAY)
    relay.gapped(UPDATE, 0.0)
    for number in range(MAX_HELD_BARRIERS):
        assert relay.receive(Barrier(number)) == ()
    (effect,) = relay.receive(Barrier(0))
    assert isinstance(effect, Close)
    assert effect.code == 1008


def test_a_peer_that_answers_barriers_confirms_storage() -> None:
    client = Session(Role.CLIENT)
    client.start()
    assert client.receive(Barrier(0)) == (Confirms(storage=True), Acknowledged(0))
    assert client.taken(STEP_2, 0.0) == (Synced(),)
    assert client.deadline_s() is None
    assert client.barrier(3) == (SendBarrier(3),)
    assert client.receive(Barrier(7)) == ()  # never asked for
    assert client.receive(Barrier(3)) == (Acknowledged(3),)
    assert client.receive(Barrier(3)) == ()


def test_a_peer_that_never_answers_is_asked_no_more_and_may_still_change_its_mind() -> None:
    client = Session(Role.CLIENT)
    client.start()
    client.taken(STEP_2, 10.0)
    assert client.deadline_s() == 10.0 + PROBE_WITHIN_S
    assert client.expire(12.9) == ()
    assert client.expire(13.0) == (Confirms(storage=False),)
    assert client.barrier(1) == ()
    assert client.receive(Barrier(0)) == (Confirms(storage=True), Acknowledged(0))
    assert client.barrier(1) == (SendBarrier(1),)


def test_only_a_client_asks_for_barriers() -> None:
    with pytest.raises(LocalProtocolError):
        Session(Role.RELAY).barrier(1)


class Honest(RuleBasedStateMachine):
    """A relay's session under any order of events: no echo passes a gap, every barrier is echoed once and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.connect()

    @precondition(lambda self: self.closed)
    @rule()
    def connect(self) -> None:
        self.relay = Session(Role.RELAY)
        self.relay.start()
        self.now_s = 0.0
        self.gap = False
        self.outstanding_asks = 1
        self.sent: list[int] = []
        self.echoed: list[int] = []
        self.closed = False

    def do(self, effects: Callable[[], tuple[object, ...]]) -> None:
        for effect in effects():
            if isinstance(effect, Echo):
                assert not self.gap
                self.echoed.append(effect.number)
            elif isinstance(effect, Ask):
                self.outstanding_asks += 1
            elif isinstance(effect, Close):
                self.closed = True

    @precondition(lambda self: not self.closed)
    @rule()
    def barrier(self) -> None:
        self.sent.append(len(self.sent) + 1)
        self.do(lambda: self.relay.receive(Barrier(self.sent[-1])))

    @precondition(lambda self: not self.closed)
    @rule()
    def gapped_update(self) -> None:
        self.gap = True
        self.do(lambda: self.relay.gapped(UPDATE, self.now_s))

    @precondition(lambda self: not self.closed)
    @rule()
    def update(self) -> None:
        self.do(lambda: self.relay.taken(UPDATE, self.now_s))

    @precondition(lambda self: not self.closed and self.outstanding_asks)
    @rule()
    def step_2(self) -> None:
        self.gap = False
        self.outstanding_asks -= 1
        self.do(lambda: self.relay.taken(STEP_2, self.now_s))

    @precondition(lambda self: not self.closed)
    @rule(seconds=st.floats(0, 12))
    def time_goes(self, seconds: float) -> None:
        self.now_s += seconds
        deadline = self.relay.deadline_s()
        self.do(lambda: self.relay.expire(self.now_s))
        assert self.closed == (deadline is not None and deadline <= self.now_s)

    @invariant()
    def one_question_at_a_time(self) -> None:
        assert self.outstanding_asks <= 1

    @invariant()
    def a_gap_always_has_a_question_out(self) -> None:
        assert not self.gap or self.outstanding_asks == 1

    @invariant()
    def echoes_are_in_order_and_complete_without_a_gap(self) -> None:
        assert self.echoed == self.sent[: len(self.echoed)]
        assert self.gap or self.closed or self.echoed == self.sent


Honest.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestHonest = Honest.TestCase

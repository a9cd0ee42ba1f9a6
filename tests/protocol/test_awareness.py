from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.awareness import (
    GONE,
    MAX_BYTES_PER_OWNER,
    MAX_CLIENTS_PER_OWNER,
    MAX_GONE,
    OUTDATED_AFTER_S,
    RENEW_AFTER_S,
    AwarenessTable,
    LocalPresence,
)
from crdt_sync.protocol.messages import AwarenessEntry
from tests.conftest import Yjs


def entry(client: int, clock: int, state: str = '{"name":"Ada"}') -> AwarenessEntry:
    return AwarenessEntry(client, clock, state)


said = st.lists(
    st.builds(AwarenessEntry, st.integers(1, 3), st.integers(1, 4), st.sampled_from([GONE, '"a"', '"b"'])), max_size=12
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said)
def test_one_owner_sees_what_y_protocols_sees(yjs: Yjs, entries: list[AwarenessEntry]) -> None:
    """Each entry in a message of its own, into our table and into the real one.

    All clients are known at first: a `null` of one never heard of is not kept, so that nobody fills
    the table with them.
    """
    table = AwarenessTable()
    entries = [*(entry(client, 1) for client in (1, 2, 3)), *entries]
    for each in entries:
        table.receive([each], "socket", 0.0)
    theirs = yjs("awareness", [[e.client_id, e.clock, e.state] for e in entries])
    assert sorted([e.client_id, e.clock, e.state] for e in table.entries()) == theirs


def test_a_renewal_is_news_and_a_repetition_is_not() -> None:
    table = AwarenessTable()
    assert table.receive([entry(1, 1)], "a", 0.0).news == (entry(1, 1),)
    assert table.receive([entry(1, 1)], "a", 1.0).news == ()
    assert table.receive([entry(1, 2)], "a", 15.0).news == (entry(1, 2),)
    assert table.expire(44.9) == ()
    assert table.expire(45.0) == (entry(1, 3, GONE),)


def test_what_another_connection_says_of_a_client_is_passed_over() -> None:
    table = AwarenessTable()
    table.receive([entry(1, 5)], "a", 0.0)
    assert table.receive([entry(1, 9), entry(1, 9, GONE), entry(2, 1)], "b", 1.0).news == (entry(2, 1),)
    assert table.entries() == (entry(1, 5), entry(2, 1))


def test_presence_goes_with_its_connection_and_an_echo_does_not_bring_it_back() -> None:
    table = AwarenessTable()
    table.receive([entry(1, 5), entry(2, 7)], "a", 0.0)
    assert sorted(table.remove("a", 10.0), key=lambda e: e.client_id) == [entry(1, 6, GONE), entry(2, 8, GONE)]
    assert table.entries() == ()
    assert table.remove("a", 10.0) == ()
    assert table.receive([entry(1, 5), entry(1, 6)], "b", 11.0).news == ()
    assert table.receive([entry(1, 7)], "b", 12.0).news == (entry(1, 7),)  # the client itself, over a new connection


def test_a_client_that_comes_back_with_its_old_clock_is_made_to_speak_again() -> None:
    table = AwarenessTable()
    table.receive([entry(1, 5)], "broken", 0.0)
    table.remove("broken", 10.0)
    heard = table.receive([entry(1, 5)], "new", 11.0)
    assert heard.news == ()
    assert heard.corrections == (entry(1, 6, GONE),)
    assert table.receive([entry(1, 7)], "new", 11.1).news == (entry(1, 7),)


def test_a_client_that_said_goodbye_may_come_over_another_connection() -> None:
    table = AwarenessTable()
    table.receive([entry(1, 1)], "a", 0.0)
    assert table.receive([entry(1, 1, GONE)], "a", 1.0).news == (entry(1, 1, GONE),)
    assert table.receive([entry(1, 2)], "b", 2.0).news == (entry(1, 2),)
    assert table.remove("a", 3.0) == ()


def test_nothing_is_kept_for_ever() -> None:
    table = AwarenessTable()
    table.receive([entry(1, 1)], "a", 0.0)
    assert table.next_expiry_s() == OUTDATED_AFTER_S
    table.expire(30.0)
    assert table.expire(59.0) == ()
    assert table.expire(60.0) == ()
    assert table.next_expiry_s() is None
    assert table.remove("a", 61.0) == ()


def test_one_connection_cannot_announce_any_number() -> None:
    table = AwarenessTable()
    with pytest.raises(RemoteProtocolError, match="too many") as caught:
        table.receive([entry(n, 1) for n in range(MAX_CLIENTS_PER_OWNER + 1)], "a", 0.0)
    assert caught.value.close_code == 1008


def test_own_presence_renews_and_leaves() -> None:
    own = LocalPresence(7)
    assert own.renewal_due_s() is None
    assert own.set('"here"', 100.0) == entry(7, 1, '"here"')
    assert own.renewal_due_s() == 100.0 + RENEW_AFTER_S
    assert own.announce(115.0) == entry(7, 2, '"here"')
    assert own.leave() == entry(7, 3, GONE)
    assert own.announce(200.0) == entry(7, 4, '"here"')
    assert own.set(GONE, 201.0) == entry(7, 5, GONE)
    assert own.renewal_due_s() is None


def test_a_ghost_of_oneself_is_contradicted_louder() -> None:
    own = LocalPresence(7)
    own.set('"here"', 0.0)
    assert not own.contradicts(entry(7, 1, '"here"'))  # the echo
    assert not own.contradicts(entry(8, 9, GONE))
    assert own.contradicts(entry(7, 1, GONE))
    assert own.contradicts(entry(7, 9, GONE))
    assert own.announce(1.0) == entry(7, 10, '"here"')
    own.set(GONE, 2.0)
    assert not own.contradicts(entry(7, 12, '"ghost"'))


def test_a_newer_connection_of_the_same_subject_takes_a_client_over_with_a_higher_clock() -> None:
    table = AwarenessTable()
    for number, owner, subject in ((3, "new", "ada"), (1, "old", "ada"), (2, "eve", "eve")):
        table.join(owner, subject, number)
    table.receive([entry(1, 5, '"old"')], "old", 0.0)
    for forged in (entry(1, 9), entry(1, 9, GONE), entry(1, 5, GONE)):
        assert table.receive([forged], "eve", 1.0).news == ()
    assert table.receive([entry(1, 5), entry(1, 6, GONE)], "new", 1.0).news == ()
    assert table.receive([entry(1, 6, '"new"')], "new", 2.0).news == (entry(1, 6, '"new"'),)
    assert table.receive([entry(1, 9, '"old"')], "old", 3.0).news == ()  # the older one does not get it back
    assert table.remove("old", 4.0) == ()
    assert table.entries() == (entry(1, 6, '"new"'),)


def test_where_nobody_is_known_nobody_takes_over() -> None:
    table = AwarenessTable()
    table.join("a", None, 1)
    table.join("b", None, 2)
    table.receive([entry(1, 5)], "a", 0.0)
    assert table.receive([entry(1, 9, '"b"')], "b", 1.0).news == ()


def test_the_bytes_that_one_connection_announces_are_bounded_and_given_back() -> None:
    table = AwarenessTable()
    big = '"' + "x" * (MAX_BYTES_PER_OWNER // 2 - 2) + '"'
    table.receive([entry(1, 1, big), entry(2, 1, big)], "a", 0.0)
    table.receive([entry(1, 2, big)], "a", 1.0)  # in the place of the first
    with pytest.raises(RemoteProtocolError, match="too many bytes") as caught:
        table.receive([entry(3, 1)], "a", 2.0)
    assert caught.value.close_code == 1008
    table.receive([entry(1, 2, GONE), entry(3, 1)], "a", 3.0)


def test_clients_that_come_and_go_are_remembered_up_to_a_bound() -> None:
    table = AwarenessTable()
    for client in range(MAX_GONE + 1000):
        table.receive([entry(client, 1), entry(client, 1, GONE)], "a", 0.0)
    assert len(table._known) == MAX_GONE
    table.receive([entry(MAX_GONE, 2)], "a", 1.0)  # one of the remembered comes back
    assert table.entries() == (entry(MAX_GONE, 2),)
    table.expire(31.0)
    assert table._known.keys() == {MAX_GONE} or not table.entries()
    table.expire(100.0)
    assert not table._known
    assert not table._gone


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.integers(1, 3), st.integers(1, 4), st.sampled_from([GONE, '"x"', '"longer"'])
        ),
        max_size=40,
    ),
    st.lists(st.sampled_from("abc"), max_size=3),
)
def test_what_is_owned_is_what_is_known(said: list[tuple[str, int, int, str]], gone: list[str]) -> None:
    table = AwarenessTable()
    for number, (owner, subject) in enumerate((("a", "ada"), ("b", "ada"), ("c", "eve"))):
        table.join(owner, subject, number)
    for owner, client, clock, state in said:
        table.receive([entry(client, clock, state)], owner, 0.0)
    for owner in gone:
        table.remove(owner, 1.0)
    for owner in "abc":
        mine = {client: known.state for client, known in table._known.items() if known.owner == owner}
        assert table._owned.get(owner, set()) == mine.keys()
        assert table._bytes.get(owner, 0) == sum(map(len, mine.values()))
    assert table._gone.keys() == {client for client, known in table._known.items() if known.state == GONE}

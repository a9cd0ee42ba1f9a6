"""A poll that a proxy repeats late, when the relay has been restarted: it may open an empty session, and no more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crdt_sync.protocol.messages import Barrier, SyncStep1
from crdt_sync.protocol.polling import Piece, Poll, PollKind
from tests.poller import MOST, NOTHING, Poller
from tests.relay import RelayProcess

ROOM = "restarted"


@pytest.fixture
def poller(tmp_path: Path) -> Iterator[Poller]:
    """A session in its third request, whose first has come to a new relay too, late."""
    with RelayProcess(tmp_path) as relay, Poller(relay.url, ROOM) as poller:
        poller.open()
        poller.say(Barrier(1))
        poller.hear(Barrier)
        relay.kill()
        relay.start()
        poller.take(poller.post(Poll(PollKind.OPEN, poller.session, 0, 0, NOTHING)))
        yield poller


def test_a_poll_of_the_old_session_is_told_to_open_another(poller: Poller) -> None:
    """Told 4400, as for what is not the protocol, a device would stop for good."""
    response = poller.post(poller.next_poll())
    assert (response.status_code, response.json()["code"]) == (410, 4500)


def test_so_is_one_that_had_more_to_say_than_to_hear(poller: Poller) -> None:
    """Its numbers leave a hole at the very start, which nothing would ever fill."""
    response = poller.post(Poll(PollKind.POLL, poller.session, 0, MOST, Piece(0, poller.stream.acknowledged, b"")))
    assert (response.status_code, response.json()["code"]) == (410, 4500)


def test_who_opens_another_goes_on(poller: Poller) -> None:
    poller.post(poller.next_poll())
    with Poller(poller.url.replace("/sync/" + ROOM, ""), ROOM, session=os.urandom(16)) as again:
        again.open()
        assert isinstance(again.hear(SyncStep1), SyncStep1)

"""Who may look and not edit, over a WebSocket and over polling, against the real process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    PermissionDenied,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
)
from crdt_sync.protocol.update import EMPTY_UPDATE
from tests.hostile import RawSocket, stored, until, update
from tests.poller import Poller
from tests.relay import RelayProcess

GRADED = (sys.executable, str(Path(__file__).with_name("graded_relay.py")), "serve")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("relay")


@pytest.fixture(scope="module")
def relay(folder: Path) -> Iterator[RelayProcess]:
    with RelayProcess(folder, "--limit", "strikes=3", "--limit", "authenticate-s=1", command=GRADED) as relay:
        yield relay


def written(relay: RelayProcess, room: str) -> bytes:
    """Let somebody who may write; the document has a deletion. Return what it sent."""
    doc: Doc[Map[object]] = Doc()
    values = doc.get("m", type=Map)
    values["mine"] = 1
    values["gone"] = 2
    del values["gone"]
    with RawSocket(relay.port, f"/{room}?token=ada") as writer:
        writer.sync()
        writer.send(SyncUpdate(doc.get_update()), Barrier(1))
        writer.hear(Barrier)
    return doc.get_update()


def test_a_reader_is_asked_for_nothing_and_told_everything(relay: RelayProcess) -> None:
    mine = written(relay, "read")
    with RawSocket(relay.port, "/read?token=reader:bob") as reader:
        reader.send(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE), SyncStep2(mine), SyncUpdate(mine), Barrier(7))
        heard = [reader.hear((SyncStep1, SyncStep2, PermissionDenied, Barrier)) for _ in range(2)]  # type: ignore[arg-type]
        assert isinstance(heard[0], SyncStep2)
        assert heard[1] == Barrier(7)  # what adds nothing is no violation
        with RawSocket(relay.port, "/read?token=ada") as writer:
            writer.sync()
            writer.send(SyncUpdate(update("more")))
            assert b"more" in reader.hear(SyncUpdate).update


def test_an_edit_of_a_reader_is_refused_and_told_and_nothing_of_it_is_kept(relay: RelayProcess, folder: Path) -> None:
    written(relay, "kept")
    with RawSocket(relay.port, "/kept?token=reader:bob") as reader, RawSocket(relay.port, "/kept?token=ada") as other:
        other.sync()
        reader.send(SyncStep1(b"\x00"), SyncUpdate(update("forged")))
        assert "read-only" in reader.hear(PermissionDenied).reason
        reader.send(Barrier(1))
        assert reader.until_closed() == 4403  # never "saved" for what was refused
        assert "read-only" in reader.reason
        other.send(Barrier(2))
        assert other.hear((SyncUpdate, Barrier)) == Barrier(2)  # type: ignore[arg-type]
    until(lambda: any("limit=READ_ONLY " in line for line in relay.output))
    assert relay.terminate() == 0
    assert stored(folder, "kept") == {"mine": 1}
    relay.start()


def test_a_deletion_by_a_reader_is_an_edit(relay: RelayProcess) -> None:
    doc: Doc[Map[object]] = Doc()
    doc.apply_update(written(relay, "deleted"))
    updates: list[bytes] = []
    subscription = doc.observe(lambda event: updates.append(event.update))
    del doc.get("m", type=Map)["mine"]
    doc.unobserve(subscription)
    with RawSocket(relay.port, "/deleted?token=reader:bob") as reader:
        reader.send(SyncStep1(b"\x00"), SyncUpdate(updates[0]))
        assert reader.hear(PermissionDenied)


def test_a_reader_that_goes_on_is_closed_after_some_strikes(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/strikes?token=reader:bob") as reader:
        reader.send(*(SyncUpdate(update(f"k{n}")) for n in range(4)))
        assert reader.until_closed() == 1008
        assert "read-only" in reader.reason


def test_readers_are_present_like_anybody(relay: RelayProcess) -> None:
    with (
        RawSocket(relay.port, "/here?token=reader:bob") as reader,
        RawSocket(relay.port, "/here?token=ada") as other,
    ):
        other.sync()
        reader.send(Awareness((AwarenessEntry(5, 1, '"bob"'),)))
        assert other.hear(Awareness).entries == (AwarenessEntry(5, 1, '"bob"'),)


def test_over_polling_the_same_rules_hold(relay: RelayProcess) -> None:
    mine = written(relay, "polled")
    with Poller(relay.url, "polled?token=reader:bob") as reader:
        reader.open()
        reader.say(SyncStep1(b"\x00"), SyncUpdate(mine), Barrier(1))
        assert reader.hear(Barrier) == Barrier(1)
        assert not any(isinstance(message, SyncStep1) for message in reader.heard)
        reader.say(SyncUpdate(update("forged")))
        assert reader.hear(PermissionDenied)
        reader.say(Barrier(2))
        assert reader.until_ended().code == 4403


def test_a_newer_connection_of_the_same_subject_takes_its_client_over(relay: RelayProcess) -> None:
    with (
        RawSocket(relay.port, "/over?token=ada") as old,
        RawSocket(relay.port, "/over?token=eve") as forger,
        RawSocket(relay.port, "/over?token=ada") as new,
    ):
        for each in (old, forger, new):
            each.sync()
        old.send(Awareness((AwarenessEntry(5, 5, '"old"'),)), Barrier(1))
        old.hear(Barrier)
        forger.send(Awareness((AwarenessEntry(5, 9, '"forged"'), AwarenessEntry(5, 5, "null"))), Barrier(1))
        forger.hear(Barrier)
        new.send(Awareness((AwarenessEntry(5, 6, '"new"'),)), Barrier(1))
        new.hear(Barrier)
        forger.send(QueryAwareness())
        while (entries := forger.hear(Awareness).entries) != (AwarenessEntry(5, 6, '"new"'),):
            assert "forged" not in str(entries)
        old.socket.close()  # its going takes nothing from the new one
        until(lambda: any("close room='over'" in line for line in relay.output))
        forger.send(Barrier(2), QueryAwareness())
        forger.hear(Barrier)
        assert forger.hear(Awareness).entries == (AwarenessEntry(5, 6, '"new"'),)


def test_an_authenticator_that_hangs_is_given_up(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/room?token=never") as waiting:
        assert waiting.until_closed() == 1013
        assert "authentication" in waiting.reason
    with Poller(relay.url, "room?token=never") as poller:
        refused = poller.post(b"")
        assert (refused.status_code, refused.json()["code"]) == (503, 1013)

"""Bytes that are not the protocol, or too many of them, against the real process: who sends them is told."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crdt_sync.protocol.messages import (
    Awareness,
    AwarenessEntry,
    Barrier,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    encode,
)
from crdt_sync.protocol.update import encode_state_vector
from crdt_sync.protocol.wire import write_bytes, write_var_uint
from tests.hostile import BINARY, TEXT, Bystanders, RawSocket, memory_bytes, stored, until, update
from tests.relay import RelayProcess

BOUND = 1024 * 1024
GAPPED = b"\x01\x01\x09\x05\x08\x01\x01m\x01\x77\x01x\x00"
"""An update of client 9 that begins at its clock 5."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("relay")


@pytest.fixture(scope="module")
def relay(folder: Path) -> Iterator[RelayProcess]:
    limits = ("presence-burst=400", "presence-per-s=1", "strikes=3", "questions-burst=20", "questions-per-minute=1")
    arguments = [part for limit in limits for part in ("--limit", limit)]
    with RelayProcess(folder, "--max-message-bytes", str(BOUND), *arguments) as relay:
        yield relay
    assert not any("Traceback" in line for line in relay.output), "".join(relay.output)


def prefixed(*numbers: int) -> bytes:
    out = bytearray()
    for number in numbers:
        write_var_uint(out, number)
    return bytes(out)


def presence(body: bytes) -> bytes:
    out = bytearray(b"\x01")
    write_bytes(out, body)
    return bytes(out)


def said(relay: RelayProcess, limit: str) -> bool:
    return any(f"limit={limit} " in line for line in relay.output)


NOT_THE_PROTOCOL = {
    "nothing": b"",
    "garbage": bytes(range(200, 256)) * 4,
    "an unknown sync step": b"\x00\x07\x00",
    "a step cut in its length": b"\x00\x02\xff",
    "a length bomb": b"\x00\x02" + prefixed(2**53 - 1) + b"\x00",
    "a length beyond 53 bits": b"\x00\x02" + b"\xff" * 9 + b"\x01",
    "a malformed update": encode(SyncUpdate(b"\x01\x01\x07\x00\x1f\x00\x00")),
    "an update that announces a million clients": encode(SyncUpdate(prefixed(2**20) + bytes(10))),
    "a malformed state vector": encode(SyncStep1(b"\x05\x01")),
    "presence that is no JSON": presence(prefixed(1, 5, 1, 3) + b"{x}"),
    "presence that announces a billion clients": presence(prefixed(10**9)),
    "an auth message of an unknown kind": b"\x02\x09\x00",
    "a barrier with more than a number": b"\x66\x03\x01\x02\x03",
}


@pytest.mark.parametrize("name", NOT_THE_PROTOCOL)
def test_what_is_not_the_protocol_is_told_4400(relay: RelayProcess, name: str) -> None:
    with RawSocket(relay.port) as raw:
        raw.frame(NOT_THE_PROTOCOL[name])
        assert raw.until_closed() == 4400
        assert raw.reason
    until(lambda: said(relay, "NOT_THE_PROTOCOL"))


def test_presence_that_nests_without_end_is_told_4400(relay: RelayProcess) -> None:
    deep = b"[" * 30_000 + b"]" * 30_000
    with RawSocket(relay.port) as raw:
        raw.frame(presence(prefixed(1, 5, 1, len(deep)) + deep))
        assert raw.until_closed() == 4400


@pytest.mark.parametrize(
    "raw_bytes",
    [
        b"\xc2\x80" + bytes(4),  # a reserved bit, as if it were compressed
        b"\x83\x80" + bytes(4),  # a reserved opcode
        b"\x82\x01a",  # not masked
        b"\x80\x81" + bytes(4) + b"a",  # a continuation of nothing
        b"\x81\x82" + bytes(4) + b"\xff\xfe",  # text that is no UTF-8
        b"\x89\xfe\x01\x00" + bytes(260),  # a ping above 125 bytes
    ],
    ids=["reserved bit", "opcode", "unmasked", "continuation", "text", "ping"],
)
def test_what_is_no_websocket_frame_is_told_4400(relay: RelayProcess, raw_bytes: bytes) -> None:
    with RawSocket(relay.port) as raw:
        raw.socket.sendall(raw_bytes)
        assert raw.until_closed() == 4400
        assert raw.reason


def test_text_is_told_4400(relay: RelayProcess) -> None:
    with RawSocket(relay.port) as raw:
        raw.frame(b"hello", opcode=TEXT)
        assert raw.until_closed() == 4400


def test_unknown_message_types_are_passed_over(relay: RelayProcess) -> None:
    with RawSocket(relay.port) as raw:
        raw.sync()
        for kind in (4, 77, 101, 105, 2**40):
            raw.frame(prefixed(kind) + os.urandom(20))
        raw.send(Barrier(3))
        assert raw.hear(Barrier) == Barrier(3)


def test_huge_presence_is_told_4413_and_no_one_is_told_it(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/huge") as raw, RawSocket(relay.port, "/huge") as other:
        raw.send(Awareness((AwarenessEntry(1, 1, '"' + "x" * 70_000 + '"'),)))
        assert raw.until_closed() == 4413
        other.send(QueryAwareness(), Barrier(1))
        assert other.hear(Barrier) == Barrier(1)


def test_a_long_message_is_told_4413_and_what_follows_is_not_kept(relay: RelayProcess) -> None:
    """The peer does not read, and goes on for 200 MB in fragments: hypercorn alone would hold all of it."""
    with Bystanders(relay) as bystanders:
        with RawSocket(relay.port, "/long") as warm:
            warm.sync()
        before = memory_bytes(relay)
        with RawSocket(relay.port, "/long") as raw:
            raw.frame(bytes(BOUND), fin=False)
            sent = 0
            try:
                for _ in range(200):
                    raw.frame(bytes(BOUND), opcode=0, fin=False)
                    sent += 1
            except OSError:  # the relay has closed by now
                pass
            assert memory_bytes(relay) - before < 30 * BOUND, sent
        with RawSocket(relay.port, "/long") as raw:
            raw.frame(bytes(BOUND), fin=False)
            raw.frame(b"x", opcode=0)
            assert raw.until_closed() == 4413
    assert bystanders.slowest_s < 5
    until(lambda: said(relay, "MESSAGE"))


def test_an_announced_length_takes_no_memory(relay: RelayProcess) -> None:
    before = memory_bytes(relay)
    raws = [RawSocket(relay.port, "/announced") for _ in range(50)]
    for raw in raws:
        raw.frame(b"x", announce=2**62, opcode=BINARY)
    with RawSocket(relay.port, "/announced") as other:
        other.sync()
    assert memory_bytes(relay) - before < 20 * BOUND
    for raw in raws:
        raw.socket.close()


def test_questions_without_end_are_told_1008(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/asked") as raw:
        raw.sync()
        deadline = time.monotonic() + 20
        with contextlib.suppress(OSError):  # who goes on asking is dropped after a moment
            for clock in itertools.count(1):
                raw.send(SyncStep1(encode_state_vector({clock: clock})), QueryAwareness())
                assert time.monotonic() < deadline, "questions without end are taken"
        raw.until_closed()
    until(lambda: said(relay, "QUESTIONS"))
    with RawSocket(relay.port, "/asked") as raw:
        raw.socket.sendall(b"".join(bytes([0x82, 0x81]) + bytes(4) + b"\x03" for _ in range(21)))
        assert raw.until_closed() == 1008
        assert "questions" in raw.reason


def test_presence_beyond_its_rate_is_dropped_and_ends_after_some_strikes(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/flood") as raw:
        raw.send(*(Awareness((AwarenessEntry(1, clock, "1"),)) for clock in range(1, 402)), Barrier(1))
        assert raw.hear(Barrier) == Barrier(1)  # one strike, and nothing more
    with RawSocket(relay.port, "/flood") as raw:
        raw.send(*(Awareness((AwarenessEntry(2, clock, "1"),)) for clock in range(1, 410)))
        assert raw.until_closed() == 1008
        assert "mistakes" in raw.reason
    until(lambda: said(relay, "STRIKES"))


def test_presence_of_ever_new_clients_is_told_1008(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/many") as raw:
        raw.send(Awareness(tuple(AwarenessEntry(client, 1, "1") for client in range(300))))
        assert raw.until_closed() == 1008
    with RawSocket(relay.port, "/big") as raw:
        big = '"' + "x" * 60_000 + '"'
        raw.send(*(Awareness((AwarenessEntry(client, 1, big),)) for client in range(6)))
        assert raw.until_closed() == 1008


def test_a_gapped_update_is_healed_and_a_gapped_step_2_told_4500(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/gapped") as raw:
        raw.sync()
        raw.send(SyncUpdate(GAPPED))
        raw.hear(SyncStep1)
        raw.send(SyncStep2(GAPPED))
        assert raw.until_closed() == 4500


def test_an_update_that_the_document_refuses_is_told_4400_with_its_hash(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/refused") as other:
        other.sync()
        for _ in range(2):  # the second time it is not tried
            with RawSocket(relay.port, "/refused") as raw:
                raw.sync()
                raw.send(SyncUpdate(b"\x01\x01\x09\x00\x05\x01\x01m\x02{x\x00"))  # embedded JSON that is none
                assert raw.until_closed() == 4400
                assert "sha256" in raw.reason
        other.send(SyncUpdate(update("after")), Barrier(1))
        assert other.hear(Barrier) == Barrier(1)
    until(lambda: said(relay, "QUARANTINED"))


def test_barriers_without_end_behind_a_gap_are_told_1008(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/barriers") as raw:
        raw.sync()
        raw.send(SyncUpdate(GAPPED), *(Barrier(number) for number in range(1100)))
        assert raw.until_closed() == 1008
    until(lambda: said(relay, "BARRIERS"))


def test_honest_words_between_hostile_ones_are_all_kept(relay: RelayProcess, folder: Path) -> None:
    """Last of this file: whatever the others did, all that was confirmed is in the store."""
    with Bystanders(relay, every_s=0.01) as bystanders:
        for turn in range(40):
            with RawSocket(relay.port, f"/{bystanders.room}") as raw:
                raw.sync()
                raw.send(SyncUpdate(update(f"good{turn}")), Barrier(turn))
                assert raw.hear(Barrier) == Barrier(turn)
                raw.frame(list(NOT_THE_PROTOCOL.values())[turn % len(NOT_THE_PROTOCOL)])
                assert raw.until_closed() == 4400
    assert bystanders.slowest_s < 5
    assert relay.terminate() == 0
    kept = stored(folder, bystanders.room)
    relay.start()
    assert {f"k{number}" for number in range(bystanders.written)} <= kept.keys()
    assert {f"good{turn}" for turn in range(40)} <= kept.keys()

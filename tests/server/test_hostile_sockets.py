"""Sockets that are slow, silent, deaf, half-closed or too many, against the real process."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from crdt_sync.protocol.messages import Awareness, AwarenessEntry, Barrier, SyncStep1, SyncStep2, SyncUpdate, encode
from crdt_sync.protocol.polling import SESSION_BYTES, Piece, Poll, PollKind, encode_poll
from tests.hostile import Bystanders, RawSocket, client_sockets, frame, memory_bytes, stored, until, update
from tests.relay import RelayProcess

MB = 1024 * 1024
BYSTANDERS = 2
LIMITS = {
    "unread-s": 2,
    "handshake-s": 2,
    "max-half-open-per-address": 20,
    "max-connections-per-address": 60,
    "max-connections": 100,
    "max-header-bytes": 4096,
    "max-waiting-bytes": 16 * MB,
}


def limits(**settings: int) -> list[str]:
    return [part for name, value in settings.items() for part in ("--limit", f"{name}={value}")]


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    folder = tmp_path_factory.mktemp("relay")
    with RelayProcess(folder, "--max-message-bytes", str(4 * MB), *limits(**LIMITS)) as relay:
        yield relay
    assert not any("Traceback" in line for line in relay.output), "".join(relay.output)


def logged(relay: RelayProcess, limit: str) -> int:
    return sum(f"limit={limit} " in line for line in relay.output)


def is_cut(raw: RawSocket) -> bool:
    """Read to the end of a socket that the relay should end."""
    try:
        while raw.socket.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def test_who_floods_and_never_reads_is_cut_and_leaves_nothing_open(relay: RelayProcess) -> None:
    """hypercorn's queue is full when the application ends: alone, it waits for ever to put one more message."""
    flood = frame(b"\x66\x00") + 300 * frame(encode(SyncUpdate(update("k"))))  # a barrier without a number, and more
    with ExitStack() as stack:
        bystanders = stack.enter_context(Bystanders(relay))
        for _ in range(20):
            raw = stack.enter_context(RawSocket(relay.port, "/flood"))
            raw.socket.sendall(flood)
        until(lambda: client_sockets(relay.pid) == BYSTANDERS)
    assert bystanders.slowest_s < 5


def test_who_never_reads_is_cut_after_a_while(relay: RelayProcess) -> None:
    big = "x" * (2 * MB)
    with RawSocket(relay.port, "/deaf") as writer, Bystanders(relay) as bystanders:
        writer.sync()
        writer.send(SyncUpdate(update("big", big)), Barrier(1))
        writer.hear(Barrier)
        memory = memory_bytes(relay)
        deaf = [RawSocket(relay.port, "/deaf") for _ in range(10)]
        for raw in deaf:
            raw.send(*(SyncStep1(b"\x00") for _ in range(50)))
        until(lambda: logged(relay, "ANSWERS") >= 1)
        until(lambda: logged(relay, "UNREAD") + logged(relay, "LINGERING") >= 10)
        until(lambda: client_sockets(relay.pid) == BYSTANDERS + 1)  # and the writer
        assert memory_bytes(relay) - memory < 150 * MB
        for raw in deaf:
            raw.socket.close()
    assert bystanders.slowest_s < 5


def test_who_reads_slowly_but_reads_is_kept(relay: RelayProcess) -> None:
    big = "x" * (3 * MB)
    with RawSocket(relay.port, "/slow") as writer:
        writer.sync()
        writer.send(SyncUpdate(update("big", big)), Barrier(1))
        writer.hear(Barrier)
        with RawSocket(relay.port, "/slow") as slow:
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            slow.send(*(SyncStep1(b"\x00") for _ in range(4)))
            read, began = 0, time.monotonic()
            while read < 10 * MB:  # some 5 s, more than the relay waits for one who reads nothing
                data = slow.socket.recv(256 * 1024)
                assert data, "cut"
                read += len(data)
                threading.Event().wait(0.05)
            assert time.monotonic() - began > LIMITS["unread-s"]


def test_who_polls_and_never_reads_is_cut(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/polled") as writer:
        writer.sync()
        writer.send(SyncUpdate(update("big", "x" * (3 * MB))), Barrier(1))
        writer.hear(Barrier)
    session = bytes(SESSION_BYTES)
    body = encode_poll(Poll(PollKind.OPEN, session, 0, MB, Piece(0, 0, b"\x03\x00\x00\x01\x00")))
    head = f"POST /sync/polled HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    raw = RawSocket(relay.port, upgrade=False)
    try:
        for _ in range(60):
            raw.socket.sendall(head + body)
    except OSError:
        pass
    until(lambda: client_sockets(relay.pid) == 0)
    raw.socket.close()


def test_handshakes_that_take_their_time_are_cut(relay: RelayProcess) -> None:
    seen = logged(relay, "HANDSHAKE")
    began = time.monotonic()
    with RawSocket(relay.port, upgrade=False) as silent, RawSocket(relay.port, upgrade=False) as slow:
        head = b"GET /room HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 1000
        try:
            for byte in head:
                slow.socket.sendall(bytes([byte]))
                threading.Event().wait(0.05)
        except OSError:
            pass
        assert is_cut(slow)
        assert is_cut(silent)
    assert time.monotonic() - began < 15
    until(lambda: logged(relay, "HANDSHAKE") >= seen + 2)


def test_headers_above_the_bound_are_told_431(relay: RelayProcess) -> None:
    with RawSocket(relay.port, upgrade=False) as raw:
        raw.socket.sendall(b"GET /room HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 70_000)
        assert b" 431 " in raw.socket.recv(4096)
    until(lambda: logged(relay, "HEADERS") >= 1)


def test_http_2_is_not_spoken(relay: RelayProcess) -> None:
    with RawSocket(relay.port, upgrade=False) as raw:
        raw.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
        assert not raw.socket.recv(4096).startswith(b"\x00")  # no settings frame
    with RawSocket(relay.port, upgrade=False) as raw:
        raw.socket.sendall(
            b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        )
        assert raw.socket.recv(4096).startswith(b"HTTP/1.1 200")


def test_half_open_sockets_of_one_address_shut_nobody_else_out(relay: RelayProcess) -> None:
    with ExitStack() as stack:
        stack.enter_context(Bystanders(relay))
        for _ in range(20):
            stack.enter_context(RawSocket(relay.port, source="127.0.0.9", upgrade=False))

        def is_refused() -> bool:  # after a moment, in which a crowd behind one proxy may come in
            stack.enter_context(RawSocket(relay.port, source="127.0.0.9", upgrade=False))
            return logged(relay, "HALF_OPEN") >= 1

        until(is_refused)
        with RawSocket(relay.port, source="127.0.0.10") as other:
            other.sync()


def test_a_crowd_behind_one_proxy_comes_in_at_once(relay: RelayProcess) -> None:
    """After a restart: each has connected, and none has had the time to speak."""
    with ExitStack() as stack:
        crowd = [stack.enter_context(RawSocket(relay.port, source="127.0.0.8", upgrade=False)) for _ in range(50)]
        for raw in crowd:
            raw.upgrade("/crowd")
        for raw in crowd:
            raw.sync()


def test_connections_of_one_address_and_in_all_are_bounded_and_told(relay: RelayProcess) -> None:
    with ExitStack() as stack:
        bystanders = stack.enter_context(Bystanders(relay))
        for _ in range(60):
            stack.enter_context(RawSocket(relay.port, "/c", source="127.0.0.11"))
        refused = stack.enter_context(RawSocket(relay.port, "/c", source="127.0.0.11"))
        assert (refused.until_closed(), "address" in refused.reason) == (1013, True)
        for _ in range(38):
            stack.enter_context(RawSocket(relay.port, "/c", source="127.0.0.12"))
        refused = stack.enter_context(RawSocket(relay.port, "/c", source="127.0.0.13"))
        assert (refused.until_closed(), "address" in refused.reason) == (1013, False)
    assert bystanders.slowest_s < 5
    until(lambda: logged(relay, "CONNECTIONS") >= 1 and logged(relay, "CONNECTIONS_PER_ADDRESS") >= 1)

    def comes_in() -> bool:
        with RawSocket(relay.port, "/c", source="127.0.0.13") as raw:
            raw.send(Barrier(1))
            return raw.receive() is not None

    until(comes_in)  # their places are free again


def test_messages_that_never_end_hold_a_bounded_part_of_memory(relay: RelayProcess) -> None:
    before = memory_bytes(relay)
    with ExitStack() as stack:
        bystanders = stack.enter_context(Bystanders(relay))
        raws = [stack.enter_context(RawSocket(relay.port, "/w", source="127.0.0.14")) for _ in range(30)]
        codes = []
        for raw in raws:
            raw.frame(bytes(3 * MB), fin=False)
        for raw in raws:
            raw.socket.settimeout(1)
            try:
                codes.append(raw.until_closed())
            except TimeoutError:
                codes.append(0)
        assert codes.count(1013) >= 25  # half of 16 MB is one address's
        assert codes.count(0) >= 1
        with RawSocket(relay.port, "/w", source="127.0.0.15") as other:
            other.sync()
            other.send(SyncUpdate(update("whole", "x" * (3 * MB))), Barrier(1))
            other.hear(Barrier)
        assert memory_bytes(relay) - before < 120 * MB
    assert bystanders.slowest_s < 5
    assert logged(relay, "WAITING_BYTES") >= 25


def test_who_never_speaks_stays(relay: RelayProcess) -> None:
    with RawSocket(relay.port, "/silent") as silent, RawSocket(relay.port, "/silent") as other:
        other.sync()
        threading.Event().wait(LIMITS["handshake-s"] + LIMITS["unread-s"] + 1)
        other.send(Awareness((AwarenessEntry(1, 1, "1"),)))
        assert silent.hear(Awareness).entries == (AwarenessEntry(1, 1, "1"),)


def test_half_closed_sockets_and_a_storm_of_closes_leave_nothing_open(relay: RelayProcess) -> None:
    with Bystanders(relay) as bystanders:
        for kind in ("half", "reset", "close frame"):
            raws = [RawSocket(relay.port, f"/storm{number % 7}", source="127.0.0.16") for number in range(50)]
            for raw in raws:
                raw.send(SyncStep1(b"\x00"), SyncStep2(b"\x00\x00"))
            for raw in raws:
                if kind == "half":
                    raw.socket.shutdown(socket.SHUT_WR)
                elif kind == "reset":
                    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                    raw.socket.close()
                else:
                    raw.frame(b"\x03\xe8", opcode=8)
            if kind != "reset":
                assert all(is_cut(raw) for raw in raws)
            for raw in raws:
                raw.socket.close()
            until(lambda: client_sockets(relay.pid) == BYSTANDERS)
    assert bystanders.slowest_s < 5


def test_rooms_of_one_address_and_in_all_are_bounded_and_idle_ones_give_way(tmp_path: Path) -> None:
    bounds = limits(**{"max-rooms": 60, "max-rooms-per-address": 40})
    with RelayProcess(tmp_path, *bounds) as relay:
        with ExitStack() as stack:
            bystanders = stack.enter_context(Bystanders(relay))
            for number in range(40):
                stack.enter_context(RawSocket(relay.port, f"/r{number}", source="127.0.0.2"))
            refused = stack.enter_context(RawSocket(relay.port, "/r40", source="127.0.0.2"))
            assert (refused.until_closed(), "address" in refused.reason) == (1013, True)
            for number in range(19):
                stack.enter_context(RawSocket(relay.port, f"/s{number}", source="127.0.0.3"))
            refused = stack.enter_context(RawSocket(relay.port, "/s19", source="127.0.0.3"))
            assert (refused.until_closed(), "address" in refused.reason) == (1013, False)
            with RawSocket(relay.port, "/r0", source="127.0.0.4") as known:
                known.sync()  # a room that is here takes anyone
        for number in range(2000):  # one address, a room each: idle rooms go, nobody is refused
            with RawSocket(relay.port, f"/t{number}", source="127.0.0.2") as raw:
                if number % 100 == 0:
                    raw.sync()
                    raw.send(SyncUpdate(update("k", number)), Barrier(1))
                    raw.hear(Barrier)
        assert logged(relay, "ROOMS_PER_ADDRESS") <= 5
        assert bystanders.slowest_s < 5
    assert stored(tmp_path, "t1900") == {"k": 1900.0}


def test_rooms_are_closed_by_bytes_and_no_more_are_loaded_while_they_hold_too_much(tmp_path: Path) -> None:
    with RelayProcess(tmp_path, "--room-quota-bytes", str(2 * MB), *limits(**{"max-room-bytes": 3 * MB})) as relay:
        for number in range(6):  # each goes idle: it has to give way long before its 30 s
            with RawSocket(relay.port, f"/b{number}") as raw:
                raw.sync()
                raw.send(SyncUpdate(update("k", "x" * MB)), Barrier(1))
                raw.hear(Barrier)

        def comes_in(name: str) -> bool:
            with RawSocket(relay.port, f"/{name}") as raw:
                raw.send(SyncStep1(b"\x00"))
                return raw.receive() is not None

        until(lambda: comes_in("new"))
        with RawSocket(relay.port, "/b0") as full:
            full.sync()
            full.send(SyncUpdate(update("l", "x" * MB)))
            assert full.until_closed() == 4413
            assert "full" in full.reason
        with ExitStack() as stack:
            for number in range(4):
                stack.enter_context(RawSocket(relay.port, f"/b{number}")).sync()
            until(lambda: not comes_in("newer"))
            until(lambda: logged(relay, "ROOM_BYTES") >= 1)
        until(lambda: comes_in("newer"))
    assert stored(tmp_path, "b5")["k"] == "x" * MB


@pytest.mark.parametrize(
    ("wrong", "words"), [("nonsense=1", "max-rooms"), ("max-rooms=0", "1 to"), ("max-rooms=many", "whole number")]
)
def test_a_bound_that_makes_no_sense_is_one_line_and_status_1(tmp_path: Path, wrong: str, words: str) -> None:
    command = [sys.executable, "-m", "crdt_sync_server", "serve", "--data", str(tmp_path), "--limit", wrong]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert words in done.stderr


def test_health_is_told_while_all_places_are_taken(relay: RelayProcess) -> None:
    with ExitStack() as stack:
        for number in range(100):
            stack.enter_context(RawSocket(relay.port, "/h", source=f"127.0.0.{20 + number // 50}"))
        assert httpx.get(f"{relay.url.replace('ws:', 'http:')}/healthz", timeout=10).json() == {"status": "alive"}

"""The relay as an operator meets it: a process, its sockets, its signals, its words."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from httpx_ws import WebSocketDisconnect, WebSocketSession, connect_ws
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import (
    Barrier,
    Message,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    decode,
    encode,
)
from crdt_sync.protocol.update import EMPTY_UPDATE
from tests.relay import RelayProcess

COMMAND = [sys.executable, "-m", "crdt_sync_server"]


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path_factory.mktemp("relay"), "--max-message-bytes", "100000") as relay:
        yield relay


def http(relay: RelayProcess) -> str:
    return relay.url.replace("ws:", "http:")


def close_code(session: WebSocketSession) -> int:
    """Read until the relay closes, and return its code."""
    try:
        while True:
            session.receive_bytes(timeout=10)
    except WebSocketDisconnect as error:
        assert error.reason
        return error.code


def hear(session: WebSocketSession, wanted: type[Message]) -> Message:
    while True:
        for message in decode(session.receive_bytes(timeout=10)):
            if isinstance(message, wanted):
                return message


def update(key: str, value: object = 1) -> bytes:
    doc: Doc[Map[object]] = Doc()
    doc.get("m", type=Map)[key] = value
    return doc.get_update()


def test_health(relay: RelayProcess) -> None:
    assert httpx.get(f"{http(relay)}/healthz").json() == {"status": "alive"}
    assert httpx.get(f"{http(relay)}/readyz").json() == {"status": "ready"}
    assert httpx.head(f"{http(relay)}/healthz").status_code == 200
    assert httpx.post(f"{http(relay)}/healthz").status_code == 405
    assert "WebSocket" in httpx.get(f"{http(relay)}/somewhere").json()["error"]


def test_compression_is_declined_and_the_subprotocol_is_ours(relay: RelayProcess) -> None:
    with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as raw:
        raw.sendall(
            b"GET /room?token=hunter2 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: token.hunter2, crdt-sync\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        )
        answer = raw.recv(4096).lower()
    assert b"101" in answer
    assert b"sec-websocket-protocol: crdt-sync" in answer
    assert b"extensions" not in answer
    assert b"hunter2" not in answer
    assert not any("hunter2" in line for line in relay.output)


def test_a_message_above_the_bound_is_told_4413(relay: RelayProcess) -> None:
    with httpx.Client() as client, connect_ws(f"{http(relay)}/big", client) as session:
        session.send_bytes(encode(SyncUpdate(update("k", "x" * 200_000))))
        assert close_code(session) == 4413


def test_text_is_told_4400(relay: RelayProcess) -> None:
    with httpx.Client() as client, connect_ws(f"{http(relay)}/text", client) as session:
        session.send_text("hello")
        assert close_code(session) == 4400


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("room", {"origin": "https://evil.example"}, 4403),
        ("room", {"host": "evil.example"}, 4403),
        ("a//b", {}, 4403),
    ],
)
def test_who_may_not_come_in_learns_why(relay: RelayProcess, path: str, headers: dict[str, str], code: int) -> None:
    with httpx.Client() as client, connect_ws(f"{http(relay)}/{path}", client, headers=headers) as session:
        assert close_code(session) == code


def test_sigterm_commits_closes_with_1001_and_ends_with_0(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path)
    relay.start()
    with httpx.Client() as client, connect_ws(f"{http(relay)}/room", client) as session:
        session.send_bytes(encode(SyncStep1(b"\x00")))
        session.send_bytes(encode(SyncStep2(EMPTY_UPDATE)))
        hear(session, SyncStep2)
        session.send_bytes(encode(SyncUpdate(update("last"))))
        statuses: list[int] = []
        stopping = threading.Thread(target=lambda: statuses.append(relay.terminate()))
        hear(session, SyncUpdate)
        stopping.start()
        assert close_code(session) == 1001
    stopping.join(20)
    assert statuses == [0], "".join(relay.output)
    assert not any("Traceback" in line for line in relay.output)
    relay.start()
    with httpx.Client() as client, connect_ws(f"{http(relay)}/room", client) as session:
        session.send_bytes(encode(SyncStep1(b"\x00")))
        answer = hear(session, SyncStep2)
        assert isinstance(answer, SyncStep2)
        assert b"last" in answer.update
    assert relay.terminate() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "--allow-anyone"),
        (["--port", "99999"], "65535"),
        (["--poll-wait", "0"], "--poll-wait"),
        (["--max-poll-sessions", "-1"], "--max-poll-sessions"),
        (["--data", "{file}"], ""),
        (["--port", "{taken}"], "--port"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_status_1(
    relay: RelayProcess, tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    known = {"{file}": str(tmp_path / "file"), "{taken}": str(relay.port)}
    given = [known.get(argument, argument) for argument in arguments]
    data = [] if "--data" in given else ["--data", str(tmp_path / "data")]
    done = subprocess.run([*COMMAND, "serve", *given, *data], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("crdt-sync-server: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_json_logs_are_json(tmp_path: Path) -> None:
    with RelayProcess(tmp_path, "--log-format", "json") as relay:
        with httpx.Client() as client, connect_ws(f"{http(relay)}/room?token=hunter2", client) as session:
            hear(session, SyncStep1)
        relay.terminate()
        lines = [json.loads(line) for line in relay.output if line.startswith("{")]
    assert any(line["message"].startswith("open room='room'") for line in lines)
    assert not any("hunter2" in line for line in relay.output)


def test_the_disk_has_it_before_anyone_sees_it(tmp_path: Path) -> None:
    """The system calls of the process itself: an fdatasync lies between reading an update and sending it on."""
    strace = shutil.which("strace")
    assert strace, "strace is missing: apt-get install strace"
    trace = tmp_path / "trace"
    calls = "trace=fdatasync,fsync,write,writev,sendto,sendmsg,read,recvfrom,recvmsg,pwrite64"
    marker = "Kilroy-was-here"
    with RelayProcess(tmp_path / "data") as relay:
        command = [strace, "-f", "-s", "4096", "-e", calls, "-o", str(trace), "-p", str(relay.pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline(), "strace may not trace here"
        with httpx.Client() as client, connect_ws(f"{http(relay)}/room", client) as session:
            session.send_bytes(encode(SyncStep1(b"\x00")))
            session.send_bytes(encode(SyncStep2(EMPTY_UPDATE)))
            hear(session, SyncStep2)
            session.send_bytes(encode(SyncUpdate(update("k", marker))))
            session.send_bytes(encode(Barrier(7)))
            hear(session, Barrier)
        tracer.terminate()
        tracer.communicate(timeout=20)
    lines = trace.read_text(errors="replace").splitlines()
    stored = next(n for n, line in enumerate(lines) if "pwrite64(" in line and marker in line)
    sends = re.compile(r" (write|writev|sendto|sendmsg)\(")
    sent = next(n for n, line in enumerate(lines) if sends.search(line) and marker in line)
    assert stored < sent
    assert any("fdatasync" in line for line in lines[stored:sent]), "\n".join(lines[stored : sent + 1])

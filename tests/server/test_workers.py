"""`serve --workers N` as an operator meets it: real processes on a real PostgreSQL, killed, stopped and replaced."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
from httpx_ws import WebSocketDisconnect, WebSocketNetworkError, WebSocketSession, connect_ws
from pycrdt import Doc, Map

from crdt_sync import blocking
from crdt_sync.protocol.messages import Barrier, Message, SyncStep1, SyncStep2, SyncUpdate, decode, encode
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server import workers as workers_module
from crdt_sync_server.config import Config
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.serving import listen
from tests.relay import RelayProcess

COMMAND = [sys.executable, "-m", "crdt_sync_server"]
URL = "CRDT_SYNC_SERVER_DATABASE_URL"
WITHIN_S = 30.0


def several(data: Path, url: str, *arguments: str, count: int = 2) -> RelayProcess:
    return RelayProcess(data, "--workers", str(count), *arguments, environment={URL: url})


@pytest.fixture
def relay(tmp_path: Path, postgres_url: str) -> Iterator[RelayProcess]:
    with several(tmp_path, postgres_url) as relay:
        yield relay


def http(relay: RelayProcess) -> str:
    return relay.url.replace("ws:", "http:")


def workers(relay: RelayProcess) -> list[psutil.Process]:
    return psutil.Process(relay.pid).children()


def until(holds: Callable[[], bool], words: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, words
        time.sleep(0.01)


def hear(session: WebSocketSession, wanted: type[Message]) -> Message:
    while True:
        for message in decode(session.receive_bytes(timeout=10)):
            if isinstance(message, wanted):
                return message


def close_code(session: WebSocketSession) -> int:
    try:
        while True:
            session.receive_bytes(timeout=10)
    except WebSocketDisconnect as error:
        return error.code


def sync(session: WebSocketSession) -> bytes:
    session.send_bytes(encode(SyncStep1(b"\x00")))
    session.send_bytes(encode(SyncStep2(EMPTY_UPDATE)))
    answer = hear(session, SyncStep2)
    assert isinstance(answer, SyncStep2)
    return answer.update


def stored(relay: RelayProcess, room: str) -> set[str]:
    """Return the keys that somebody finds there who comes now."""
    doc: Doc[Map[object]] = Doc()
    with httpx.Client() as client, connect_ws(f"{http(relay)}/{room}", client) as session:
        doc.apply_update(sync(session))
    return set(doc.get("m", type=Map).to_py() or ())


def free_ports(count: int) -> int:
    """Return the first of so many ports in a row that were free a moment ago."""
    while True:
        with ExitStack() as stack:
            first = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            try:
                for number in range(1, count):
                    stack.enter_context(socket.create_server(("127.0.0.1", first + number)))
            except (OSError, OverflowError):
                continue
            return int(first)


def connections(port: int) -> int:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    (found,) = re.findall(r'^crdt_sync_connections\{transport="websocket"\} (\d+)', text, re.MULTILINE)
    return int(found)


def test_several_workers_serve_one_port(tmp_path: Path, postgres_url: str) -> None:
    first = free_ports(3)
    arguments = ("--metrics-port", str(first), "--log-format", "json")
    relay = several(tmp_path, postgres_url, *arguments, count=3)
    relay.start()
    children = workers(relay)
    assert len(children) == 3
    with httpx.Client() as client, ExitStack() as stack:
        sessions = [stack.enter_context(connect_ws(f"{http(relay)}/room{n}", client)) for n in range(40)]
        for session in sessions:
            hear(session, SyncStep1)
        counts = [connections(first + number) for number in range(3)]
        assert sum(counts) == 40
        assert all(counts), counts
        statuses: list[int] = []
        stopping = threading.Thread(target=lambda: statuses.append(relay.terminate()))
        stopping.start()
        assert {close_code(session) for session in sessions} == {1012}
    stopping.join(WITHIN_S)
    assert statuses == [0]
    assert not psutil.wait_procs(children, timeout=1)[1]
    ready = [line for line in relay.output if "listens on" in line]
    assert len(ready) == 1
    assert "3 workers" in ready[0]
    assert [line.strip() for line in relay.output if line.startswith("metrics on")] == [
        f"metrics on http://127.0.0.1:{first + number}/metrics" for number in range(3)
    ]
    lines = [json.loads(line) for line in relay.output if line.startswith("{")]
    assert {line["worker"] for line in lines if line["event"] == "open"} == {0, 1, 2}
    assert not any("Traceback" in line for line in relay.output)


def test_one_worker_is_no_other_process(tmp_path: Path, postgres_url: str) -> None:
    with several(tmp_path, postgres_url, count=1) as relay:
        assert workers(relay) == []
        assert httpx.get(f"{http(relay)}/readyz").json() == {"status": "ready"}


def test_one_relay_on_a_file_stops_in_order_when_it_is_to_restart(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path)
    relay.start()
    with httpx.Client() as client, connect_ws(f"{http(relay)}/room", client) as session:
        sync(session)
        relay.signal(signal.SIGHUP)
        assert close_code(session) == 1001
    assert relay.wait() == 0
    assert not any("Traceback" in line for line in relay.output)


def test_a_relay_among_several_takes_nobody_any_more_once_it_says_goodbye(tmp_path: Path, postgres_url: str) -> None:
    """Or who comes back at once, to the port of several, could meet the same worker again."""
    relay = several(tmp_path, postgres_url, count=1)
    relay.start()
    statuses: list[int] = []
    stopping = threading.Thread(target=lambda: statuses.append(relay.terminate()))
    with httpx.Client() as client, connect_ws(f"{http(relay)}/room", client) as session:
        sync(session)
        stopping.start()
        assert close_code(session) == 1012  # it is not answered yet, so the relay is still there to wait for that
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", relay.port)) != 0
        assert not statuses
    stopping.join(WITHIN_S)
    assert statuses == [0]


def test_lines_for_people_name_the_worker(relay: RelayProcess) -> None:
    with httpx.Client() as client, connect_ws(f"{http(relay)}/room", client) as session:
        hear(session, SyncStep1)
    relay.until_said("open room='room'")
    assert any(re.search(r"INFO +\[worker [01]\] open room='room'", line) for line in relay.output)


def test_what_was_acknowledged_survives_the_death_of_all_workers(relay: RelayProcess) -> None:
    acknowledged: list[str] = []
    enough = threading.Event()

    def write(writer: int) -> None:
        doc: Doc[Map[object]] = Doc()
        keys = doc.get("m", type=Map)
        with httpx.Client() as client, connect_ws(f"{http(relay)}/burst", client) as session:
            sync(session)
            try:
                for number in range(1_000_000):
                    before = doc.get_state()
                    keys[f"{writer}/{number}"] = number
                    session.send_bytes(encode(SyncUpdate(doc.get_update(before))))
                    session.send_bytes(encode(Barrier(number)))
                    while hear(session, Barrier) != Barrier(number):
                        pass
                    acknowledged.append(f"{writer}/{number}")
                    if number >= 30:
                        enough.set()
            except (WebSocketDisconnect, WebSocketNetworkError):
                return

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for each in writers:
        each.start()
    assert enough.wait(WITHIN_S)
    for child in workers(relay):
        child.kill()
    for each in writers:
        each.join(WITHIN_S)
        assert not each.is_alive()
    relay.until_said("serves again", times=2)
    assert sum("has died" in line for line in relay.output) == 2
    assert len(workers(relay)) == 2
    assert len(acknowledged) > 30
    assert set(acknowledged) <= stored(relay, "burst")


def test_a_worker_that_dies_again_and_again_is_started_ever_more_slowly(relay: RelayProcess) -> None:
    for times in (1, 2, 3):
        victim = max(workers(relay), key=lambda each: each.create_time())
        victim.kill()
        relay.until_said("serves again", times=times)
    waits = [float(found) for found in re.findall(r"again_in_s=([\d.]+)", "".join(relay.output))]
    assert waits[-2:] == sorted(waits[-2:])
    assert waits[0] < waits[-1]


def test_without_the_parent_the_workers_stop_too(tmp_path: Path, postgres_url: str) -> None:
    relay = several(tmp_path, postgres_url)
    relay.start()
    children = workers(relay)
    with httpx.Client() as client, connect_ws(f"{http(relay)}/room", client) as session:
        sync(session)
        killed = threading.Thread(target=relay.kill)
        killed.start()
        assert close_code(session) == 1012
        killed.join(WITHIN_S)
    _, alive = psutil.wait_procs(children, timeout=WITHIN_S)
    assert not alive
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", relay.port)) != 0


def test_a_stop_while_they_start_leaves_nobody(tmp_path: Path, postgres_url: str) -> None:
    command = [*COMMAND, "serve", "--workers", "3", "--port", "0", "--data", str(tmp_path)]
    environment = {**os.environ, URL: postgres_url}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        parent = psutil.Process(process.pid)
        until(lambda: bool(parent.children()), "no worker was started")
        children = parent.children()
        process.terminate()
        _, errors = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(children, timeout=1)
    assert not alive


@pytest.mark.parametrize("count", [2, 3])
def test_a_database_that_cannot_be_reached_is_one_line_and_status_1(tmp_path: Path, count: int) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://postgres@127.0.0.1:{nobody.getsockname()[1]}/none"
        done = subprocess.run(
            [*COMMAND, "serve", "--workers", str(count), "--port", "0", "--data", str(tmp_path)],
            env={**os.environ, URL: url}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("crdt-sync-server: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [0, 65])
def test_how_many_workers_there_may_be(number: int) -> None:
    with pytest.raises(ConfigurationError, match="--workers takes 1 to 64"):
        Config(workers=number)


def test_workers_on_sqlite_are_told_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"set database-url to a PostgreSQL database, or leave --workers at 1"):
        Config(workers=2)


def test_workers_whose_metrics_have_no_ports_are_told_so() -> None:
    Config(workers=2, database_url="postgresql://db/x", metrics_port=65534)
    with pytest.raises(ConfigurationError, match="--metrics-port"):
        Config(workers=3, database_url="postgresql://db/x", metrics_port=65534)


def test_a_restart_that_cannot_be_leaves_all_as_it_was(tmp_path: Path, postgres_url: str) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("idle-room = 20\n")
    with several(tmp_path, postgres_url, "--config", str(settings)) as relay:
        before = {child.pid for child in workers(relay)}
        settings.write_text("idle-rom = 10\n")
        relay.signal(signal.SIGHUP)
        relay.until_said("given up")
        assert any("do you mean 'idle-room'" in line for line in relay.output)
        assert {child.pid for child in workers(relay)} == before
        assert httpx.get(f"{http(relay)}/readyz").json() == {"status": "ready"}
        settings.write_text("idle-room = 10\n")
        relay.signal(signal.SIGHUP)
        relay.until_said("restart state=done")
        after = {child.pid for child in workers(relay)}
        assert len(after) == 2
        assert not after & before


def test_polls_find_their_session_whichever_worker_takes_them(tmp_path: Path, postgres_url: str) -> None:
    with several(tmp_path / "relay", postgres_url, count=3) as relay:
        with (
            blocking.open_library(tmp_path / "a", relay=relay.url, room="polled", transport="polling") as one,
            blocking.open_library(tmp_path / "b", relay=relay.url, room="polled", transport="polling") as other,
        ):
            for number in range(10):
                note = one.add_note("body", title=str(number))
                assert one.synced(WITHIN_S), one.status
                until(lambda note=note: other.note(note) is not None, f"{number} did not come")  # type: ignore[misc]
        assert sum("open room='polled'" in line for line in relay.output) == 2
        assert len({found for line in relay.output for found in re.findall(r"\[worker (\d)\] open", line)}) == 1


def test_a_worker_that_does_not_stop_is_killed(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "STOP_WITHIN_S", 0.5)
    monkeypatch.setenv(URL, postgres_url)
    command = [*COMMAND, "serve", "--workers", "2", "--data", str(tmp_path)]
    children: list[psutil.Process] = []

    def started() -> None:
        children.extend(each for each in psutil.Process().children() if each not in before)
        children[0].suspend()
        os.kill(os.getpid(), signal.SIGTERM)

    before = set(psutil.Process().children())
    with listen(Config(port=0)) as listener, workers_module.doors(2) as doors:
        asyncio.run(workers_module.Workers(command, listener, doors, []).run(started))
    assert len(children) == 2
    assert not any(child.is_running() for child in children)

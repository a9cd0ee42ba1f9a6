"""Closing never hangs, and nothing that a call has returned is lost, however the program ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from crdt_sync import Anchor, State, blocking
from crdt_sync.blocking import live
from crdt_sync.errors import LibraryClosed
from tests.blocking.waiting import frozen, until
from tests.relay import RelayProcess

VERSE = Anchor.verse("Gen.1.1", work="KJV")


def kept(path: Path) -> set[str]:
    """Return the ids that stand in the file."""
    with blocking.open_library(path) as library:
        library.verify()
        return {highlight.id for highlight in library.highlights()}


def test_closing_twice_and_from_many_threads_at_once(tmp_path: Path, backend: Any) -> None:
    library = blocking.open_library(tmp_path / "a", backend=backend)
    item_id = library.add_highlight(VERSE)
    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(lambda _: library.close(), range(6)))
    assert library.close()
    assert kept(tmp_path / "a") == {item_id}


@pytest.mark.parametrize("round_", range(5))
def test_calls_under_way_end_and_what_they_returned_stands(tmp_path: Path, backend: Any, round_: int) -> None:
    """Four threads edit while the main thread closes, sooner or later."""
    library = blocking.open_library(tmp_path / "a", backend=backend, durability="normal")
    made: list[str] = []

    def edit() -> None:
        with suppress(LibraryClosed):
            while True:
                made.append(library.add_highlight(VERSE))

    threads = [threading.Thread(target=edit) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(made) >= 7 * round_)
    assert library.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert set(made) == kept(tmp_path / "a"), "what raised was not made"


def test_what_only_waits_ends_at_once(relay: RelayProcess, tmp_path: Path, room: str, backend: Any) -> None:
    library = blocking.open_library(tmp_path / "a", relay=relay.url, room=room, backend=backend)
    assert library.synced(10)
    with frozen(relay.pid), ThreadPoolExecutor(1) as threads:
        library.add_highlight(VERSE)
        waits = threads.submit(library.synced, 600)
        assert library.close(within_s=0.2)
        with pytest.raises(LibraryClosed, match="before this was done"):
            waits.result(20)


def test_a_relay_that_hangs_is_given_its_time_and_no_more(
    relay: RelayProcess, tmp_path: Path, room: str, backend: Any
) -> None:
    library = blocking.open_library(tmp_path / "a", relay=relay.url, room=room, backend=backend)
    assert library.synced(10)
    with frozen(relay.pid):
        item_id = library.add_highlight(VERSE)
        began_s = time.monotonic()
        assert library.close(within_s=0.3)
        assert time.monotonic() - began_s < 0.3 + live.END_WITHIN_S
    with blocking.open_library(tmp_path / "a") as library:
        assert library.status.pending == 1, "it waits for the next time"
    with blocking.open_library(tmp_path / "a", relay=relay.url, room=room) as library:
        assert library.synced(20)
        assert library.highlight(item_id)


def test_closing_lets_what_is_pending_reach_the_relay(
    relay: RelayProcess, tmp_path: Path, room: str, backend: Any
) -> None:
    with blocking.open_library(tmp_path / "a", relay=relay.url, room=room, backend=backend) as library:
        assert library.synced(10)
        for _ in range(20):
            library.add_highlight(VERSE)
    with blocking.open_library(tmp_path / "a") as library:
        assert (library.status.state, library.status.pending) == (State.OFFLINE, 0)


def test_a_disk_that_does_not_answer_is_left_after_a_while(
    tmp_path: Path, backend: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The file is held by another connection, so an edit cannot end; whoever waits for it is told what is known."""
    monkeypatch.setattr(live, "END_WITHIN_S", 0.2)
    library = blocking.open_library(tmp_path / "a", backend=backend)
    item_id = library.add_highlight(VERSE)
    other = sqlite3.connect(tmp_path / "a", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as threads:
        edit = threads.submit(library.add_highlight, VERSE)
        until(lambda: any("_writing" in stack(thread) for thread in threading.enumerate()), "the edit's BEGIN")
        assert not library.close(within_s=0)
        assert "still busy" in caplog.text
        with pytest.raises(LibraryClosed, match="may have been done"):
            edit.result(20)
    other.execute("ROLLBACK")
    other.close()
    until(library.close)
    assert item_id in kept(tmp_path / "a")


def stack(thread: threading.Thread) -> list[str]:
    """Return the names of the functions that a thread is in."""
    frame = sys._current_frames().get(thread.ident or 0)
    names = []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


def test_an_error_of_the_block_is_not_hidden_by_one_of_closing(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="mine"), blocking.open_library(tmp_path / "a"):
        raise KeyError("mine")


def test_closing_inside_a_coroutine_that_is_cancelled(tmp_path: Path, backend: Any) -> None:
    async def cell() -> None:
        with blocking.open_library(tmp_path / "a", backend=backend) as library:
            library.add_highlight(VERSE)
            await asyncio.sleep(600)

    async def program() -> None:
        task = asyncio.create_task(cell())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    assert len(kept(tmp_path / "a")) == 1


# Programs that end without closing: a process each, that says which ids it was given.

BEGIN = """
import atexit, os, sys, threading
from crdt_sync import Anchor, blocking

relay, room, backend = sys.argv[1:]
relay = relay.replace("127.0.0.1", "localhost")  # a name is looked up on threads of asyncio's own
VERSE = Anchor.verse("Gen.1.1", work="KJV")
library = blocking.open_library(
    "a", relay=relay, room=room, backend=backend, close_within_s=0.3, deliver=lambda callback: callback()
)
library.on_status(lambda status: None)
library.on_change(lambda changes: None)

def add():
    print(library.add_highlight(VERSE), flush=True)

library.synced(10)
add()
"""
ENDINGS = {
    "it forgets": "",
    "sys.exit": "sys.exit()",
    "it is closed by an exit handler": "atexit.register(library.close)",
    "an exit handler edits": "atexit.register(add)",
    "a daemon thread waits": "threading.Thread(target=lambda: library.synced(600), daemon=True).start()",
    "a daemon thread edits": """
def edit():
    while True:
        os.write(1, f"{library.add_highlight(VERSE)}\\n".encode())
threading.Thread(target=edit, daemon=True).start()
""",
    "a signal handler closes in the middle of calls": """
import signal
from crdt_sync.errors import LibraryClosed
signal.signal(signal.SIGALRM, lambda *_: library.close())
for round_ in range(30):
    signal.setitimer(signal.ITIMER_REAL, 0.003 + round_ / 3000)
    try:
        while True:
            library.counts()
    except LibraryClosed:
        library = blocking.open_library("b", durability="normal", backend=backend)
signal.setitimer(signal.ITIMER_REAL, 0)
""",
    "a thread goes on when the main thread has ended": """
def work():
    threading.main_thread().join()
    for _ in range(3):
        add()
threading.Thread(target=work).start()
""",
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_a_program_that_does_not_close_ends_and_loses_nothing(
    relay: RelayProcess, tmp_path: Path, room: str, backend: str, ending: str
) -> None:
    command = [sys.executable, "-W", "error", "-c", BEGIN + ending, relay.url, room, backend]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    told = set(done.stdout.split())
    assert told
    assert told <= kept(tmp_path / "a")


def test_a_program_that_does_not_close_ends_though_the_relay_hangs(tmp_path: Path, room: str, backend: str) -> None:
    with RelayProcess(tmp_path / "relay") as relay:
        script = BEGIN + "os.kill(int(os.environ['RELAY']), 19)\nadd()"
        command = [sys.executable, "-W", "error", "-c", script, relay.url, room, backend]
        environment = {**os.environ, "RELAY": str(relay.pid)}
        try:
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        finally:
            os.kill(relay.pid, signal.SIGCONT)
    assert (done.returncode, done.stderr) == (0, "")
    told = set(done.stdout.split())
    assert len(told) == 2
    assert told == kept(tmp_path / "a")


def test_ctrl_c_in_a_program_that_waits_ends_it(relay: RelayProcess, tmp_path: Path, room: str, backend: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + "threading.Event().wait()", relay.url, room, backend],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        item_id = process.stdout.readline().strip()
        os.kill(process.pid, signal.SIGINT)
        try:
            _, error = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:  # it came just before the wait, which Python sees after it: as with a person
            os.kill(process.pid, signal.SIGINT)
            try:
                _, error = process.communicate(timeout=30)
            finally:
                process.kill()
    assert process.returncode == -signal.SIGINT
    assert error.strip().endswith("KeyboardInterrupt")
    assert error.count("Traceback") == 1, "the program's own, and nothing of ours"
    assert kept(tmp_path / "a") == {item_id}

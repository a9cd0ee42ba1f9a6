"""The blocking library with real files and a real relay, on both loops, from threads and beside other loops."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trio

from crdt_sync import Anchor, State, blocking
from crdt_sync.errors import BoundElsewhere, InvalidEdit, LibraryClosed, NotALibrary, NotFound, WrongThread
from tests.blocking.waiting import until
from tests.relay import RelayProcess

VERSE = Anchor.verse("Gen.1.1", work="KJV", quote="In the beginning")


def test_calls_return_values_or_raise(tmp_path: Path, backend: Any) -> None:
    with blocking.open_library(tmp_path / "a", author="Ada", backend=backend) as library:
        item_id = library.add_highlight(VERSE, color="green", tags=["creation"])
        note_id = library.add_note("one", highlight_id=item_id)
        library.append_to_note(note_id, "two")
        found = library.highlight(item_id)
        assert found is not None
        assert (found.color, found.tags, found.created_by) == ("green", ("creation",), "Ada")
        assert library.highlights(within="Gen.1") == [found]
        assert [note.text for note in library.notes(highlight_id=item_id)] == ["one\ntwo"]
        assert [hit.item_id for hit in library.search("begin").hits] == [item_id]
        library.delete(item_id)
        assert library.counts().trashed == 1
        with pytest.raises(NotFound):
            library.restore("nobody")
        assert (library.status.state, library.status.pending) == (State.OFFLINE, 4)
        assert not library.synced(1)
        library.verify()
    with pytest.raises(LibraryClosed, match="open it again"):
        library.counts()
    assert library.status.pending == 4


def test_what_opening_raises_comes_out_as_it_was_raised(tmp_path: Path, backend: Any) -> None:
    (tmp_path / "a").write_bytes(b"hello, I am no database" * 50)
    with pytest.raises(NotALibrary):
        blocking.open_library(tmp_path / "a", backend=backend)
    with pytest.raises(InvalidEdit, match="room"):
        blocking.open_library(tmp_path / "b", relay="ws://127.0.0.1:1", backend=backend)
    with pytest.raises(InvalidEdit, match="asyncio"):
        blocking.open_library(tmp_path / "b", backend="gevent")  # type: ignore[arg-type]


def test_two_devices_converge_and_see_each_other(relay: RelayProcess, tmp_path: Path, room: str, backend: Any) -> None:
    with (
        blocking.open_library(tmp_path / "a", relay=relay.url, room=room, backend=backend) as a,
        blocking.open_library(tmp_path / "b", relay=relay.url, room=room, backend=backend) as b,
    ):
        item_id = a.add_highlight(VERSE)
        assert a.synced(10)
        until(lambda: b.highlight(item_id) == a.highlight(item_id), "the highlight")
        a.presence.set({"name": "Ada"})
        until(lambda: b.presence.others() == {a.presence.client_id: {"name": "Ada"}}, "Ada")
        with pytest.raises(InvalidEdit):
            a.presence.set({"x": object()})
        assert (a.status.state, a.status.pending) == (State.CONNECTED, 0)
    with pytest.raises(BoundElsewhere):
        blocking.open_library(tmp_path / "a", relay=relay.url, room="another", backend=backend)


def test_reconnect_goes_before_the_back_off(tmp_path: Path, backend: Any) -> None:
    relay = RelayProcess(tmp_path / "relay")
    relay.start()
    relay.kill()
    with blocking.open_library(tmp_path / "a", relay=relay.url, room="r", backend=backend) as library:
        library.add_highlight(VERSE)
        until(lambda: library.status.state is State.WAITING, "a failed attempt")
        with relay:
            until(lambda: library.reconnect() or library.synced(0.5), "the relay")
            assert library.status.pending == 0
            library.close()


def test_any_thread_may_call(tmp_path: Path, backend: Any) -> None:
    with (
        blocking.open_library(tmp_path / "a", durability="normal", backend=backend) as library,
        ThreadPoolExecutor(8) as threads,
    ):
        ids = list(threads.map(lambda _: library.add_highlight(VERSE), range(80)))
        assert {highlight.id for highlight in library.highlights()} == set(ids)
        assert len(set(ids)) == 80


def test_it_works_on_the_thread_of_a_running_asyncio_loop(tmp_path: Path, backend: Any) -> None:
    async def cell() -> int:
        with blocking.open_library(tmp_path / "a", backend=backend) as library:
            library.add_highlight(VERSE)
            await asyncio.sleep(0)
            return library.counts().highlights

    assert asyncio.run(cell()) == 1


def test_it_works_on_the_thread_of_a_running_trio_loop(tmp_path: Path, backend: Any) -> None:
    async def cell() -> int:
        with blocking.open_library(tmp_path / "a", backend=backend) as library:
            library.add_highlight(VERSE)
            await trio.lowlevel.checkpoint()
            return library.counts().highlights

    assert trio.run(cell) == 1


def test_a_call_on_the_librarys_own_thread_raises_and_callers_learn_why(
    relay: RelayProcess, tmp_path: Path, room: str, backend: Any
) -> None:
    """A token callable is the program's code on the loop. That it calls the library is a bug, and no deadlock."""
    raised: list[WrongThread] = []
    opened = threading.Event()

    def token() -> str:
        assert opened.wait(20)
        for call in (library.counts, library.close):
            with pytest.raises(WrongThread, match="wait for itself") as caught:
                call()
            raised.append(caught.value)
        raise raised[0]

    library = blocking.open_library(tmp_path / "a", relay=relay.url, room=room, token=token, backend=backend)
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(library.synced, 600)
        opened.set()
        with pytest.raises(LibraryClosed, match="has stopped: this is the library's own thread") as stopped:
            waits.result(20)
    assert isinstance(stopped.value.__cause__, WrongThread)
    assert len(raised) == 2
    with pytest.raises(LibraryClosed, match="has stopped: this is the library's own thread"):
        library.counts()
    assert library.status.state is State.STOPPED
    assert "own thread" in str(library.status.last_error)
    with pytest.raises(LibraryClosed, match="had stopped"):
        library.close()
    assert library.close()


def test_ctrl_c_leaves_the_call_and_what_was_begun_is_written_whole(tmp_path: Path, backend: Any) -> None:
    """The main thread waits for an edit, which waits for the file: the edit stands though the call raised."""
    path = tmp_path / "a"
    with blocking.open_library(path, backend=backend) as library:
        library.add_highlight(VERSE)
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        main = threading.main_thread().ident
        assert main is not None

        def interrupt() -> None:
            def is_waiting() -> bool:
                frame = sys._current_frames()[main]
                while frame is not None and frame.f_code.co_qualname != "_Call.result":
                    frame = frame.f_back  # type: ignore[assignment]
                return frame is not None

            until(is_waiting)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            library.add_highlight(VERSE)
        thread.join()
        other.execute("ROLLBACK")
        other.close()
        assert library.counts().highlights == 2, "calls are done in order, so this one came after it"


FORKED = """
import os, sys
from crdt_sync import Anchor, blocking
from crdt_sync.errors import LibraryClosed

library = blocking.open_library("a")
library.add_highlight(Anchor.verse("Gen.1.1", work="KJV"))
child = os.fork()
if not child:
    try:
        library.counts()
    except LibraryClosed as error:
        assert "forked" in str(error)
    else:
        os._exit(1)
    library.close()  # nothing of the parent's is closed
    os._exit(0)
_, status = os.waitpid(child, 0)
library.add_highlight(Anchor.verse("Gen.1.2", work="KJV"))
assert library.counts().highlights == 2
library.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_process_is_told_to_open_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")

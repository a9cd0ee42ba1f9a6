"""News comes where the program wants it, in order, bounded, and never after the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from crdt_sync import Anchor, Change, ChangeKind, State, Status, blocking
from crdt_sync.errors import InvalidEdit, LibraryClosed
from crdt_sync.sync.presence import PresenceChange, PresenceKind
from tests.blocking.waiting import until
from tests.relay import RelayProcess

VERSE = Anchor.verse("Gen.1.1", work="KJV")


def drained(queue: blocking.CallbackQueue, condition: Callable[[], object]) -> None:
    """Run what comes in, on this thread, until `condition()` holds; fail if nothing comes."""
    while not condition():
        assert queue.wait(20)
        queue.drain()


def test_changes_come_in_order_on_the_thread_that_drains(tmp_path: Path, backend: Any) -> None:
    queue = blocking.CallbackQueue()
    told: list[Change] = []
    threads: set[threading.Thread] = set()

    def listen(changes: tuple[Change, ...]) -> None:
        threads.add(threading.current_thread())
        told.extend(changes)

    with blocking.open_library(tmp_path / "a", backend=backend, deliver=queue.put) as library:
        library.on_change(listen)
        ids = [library.add_highlight(VERSE) for _ in range(20)]
        assert not told, "nothing runs by itself"
        drained(queue, lambda: len(told) == 20)
        assert [change.item_id for change in told] == ids
        assert threads == {threading.current_thread()}


def test_a_listener_that_is_slow_has_one_delivery_waiting_and_sees_what_matters(tmp_path: Path, backend: Any) -> None:
    waiting: list[Callable[[], None]] = []
    told: list[tuple[Change, ...]] = []
    with blocking.open_library(tmp_path / "a", backend=backend, durability="normal", deliver=waiting.append) as library:
        library.on_change(told.append)
        item_id = library.add_highlight(VERSE)
        until(lambda: waiting)
        for _ in range(200):
            library.delete(item_id)
            library.restore(item_id)
        assert len(waiting) == 1
        waiting.pop()()
        until(lambda: waiting)
        waiting.pop()()
        assert [[change.kind for change in changes] for changes in told] == [[ChangeKind.ADDED], [ChangeKind.RESTORED]]
        assert not waiting


def test_what_a_callback_raises_comes_out_where_it_ran_and_stops_nothing(tmp_path: Path, backend: Any) -> None:
    queue = blocking.CallbackQueue()
    told: list[Change] = []

    def fail(changes: tuple[Change, ...]) -> None:
        raise KeyError("mine")

    with blocking.open_library(tmp_path / "a", backend=backend, deliver=queue.put) as library:
        library.on_change(fail)
        library.on_change(told.extend)
        for count in (1, 2):
            library.add_highlight(VERSE)
            with pytest.raises(KeyError, match="mine"):
                drained(queue, lambda: False)
            drained(queue, lambda count=count: len(told) == count)


def test_the_status_comes_at_once_and_ends_with_the_latest(
    relay: RelayProcess, tmp_path: Path, room: str, backend: Any
) -> None:
    queue = blocking.CallbackQueue()
    told: list[Status] = []
    with blocking.open_library(
        tmp_path / "a", relay=relay.url, room=room, backend=backend, deliver=queue.put
    ) as library:
        library.on_status(told.append)
        drained(queue, lambda: told)
        library.add_highlight(VERSE)
        assert library.synced(timeout_s=20)  # the word for the first barrier alone also says that nothing is pending
        drained(queue, lambda: told[-1] == library.status)
        assert told[-1].state is State.CONNECTED
        assert told[-1].durable_at_ms
        assert not told[-1].pending
        assert all(one != two for one, two in pairwise(told))


def test_presence_tells_who_was_here_who_comes_and_who_leaves(
    relay: RelayProcess, tmp_path: Path, room: str, backend: Any
) -> None:
    queue = blocking.CallbackQueue()
    told: list[PresenceChange] = []
    with blocking.open_library(tmp_path / "a", relay=relay.url, room=room, backend=backend, deliver=queue.put) as a:
        with blocking.open_library(tmp_path / "b", relay=relay.url, room=room, backend=backend) as b:
            b.presence.set({"name": "Bo"})
            until(a.presence.others)
            a.on_presence(told.extend)
            drained(queue, lambda: told)
            assert told == [PresenceChange(b.presence.client_id, PresenceKind.JOINED, {"name": "Bo"})]
        drained(queue, lambda: told[-1].kind is PresenceKind.LEFT)


def test_none_comes_after_unsubscribing_or_closing(tmp_path: Path, backend: Any) -> None:
    waiting: list[Callable[[], None]] = []
    told: list[object] = []
    library = blocking.open_library(tmp_path / "a", backend=backend, deliver=waiting.append)
    unsubscribe = library.on_change(told.append)
    library.add_highlight(VERSE)
    until(lambda: waiting)
    unsubscribe()
    unsubscribe()
    waiting.pop()()
    assert not told
    library.on_status(told.append)
    until(lambda: waiting)
    library.close()
    waiting.pop()()
    assert not told
    with pytest.raises(LibraryClosed):
        library.on_change(told.append)
    unsubscribe()


@pytest.mark.parametrize("ending", ["unsubscribe", "close"])
def test_the_end_waits_for_a_callback_that_another_thread_is_in(tmp_path: Path, ending: str) -> None:
    queue = blocking.CallbackQueue()
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def listen(changes: object) -> None:
        if ending == "close":
            unsubscribe()  # which changes nothing for who closes
        begun.set()
        assert go_on.wait(20)
        order.append("callback")

    with blocking.open_library(tmp_path / "a", deliver=queue.put) as library:
        unsubscribe = library.on_change(listen)
        library.add_highlight(VERSE)

        def end() -> None:
            unsubscribe() if ending == "unsubscribe" else library.close()
            order.append("end")
            ended.set()

        assert queue.wait(20)
        drainer, ender = threading.Thread(target=queue.drain), threading.Thread(target=end)
        drainer.start()
        assert begun.wait(20)
        ender.start()
        assert not ended.wait(0.1)
        go_on.set()
        drainer.join(20)
        ender.join(20)
        assert order == ["callback", "end"]


def test_a_callback_may_call_unsubscribe_and_close(tmp_path: Path, backend: Any) -> None:
    """`deliver` that runs callbacks at once has them on a thread beside the loop, so no call waits for itself."""
    seen: list[int] = []
    done = threading.Event()

    def listen(changes: tuple[Change, ...]) -> None:
        seen.append(library.counts().highlights)
        unsubscribe()
        library.close()
        done.set()

    library = blocking.open_library(tmp_path / "a", backend=backend, deliver=lambda callback: callback())
    unsubscribe = library.on_change(listen)
    library.add_highlight(VERSE)
    assert done.wait(20)
    assert seen == [1]
    with pytest.raises(LibraryClosed):
        library.counts()


def test_a_deliver_that_raises_is_logged_and_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, backend: Any
) -> None:
    """As a toolkit does whose window is gone."""
    told: list[Change] = []
    broken = [True]

    def deliver(callback: Callable[[], None]) -> None:
        if broken:
            broken.clear()
            raise RuntimeError("Internal C++ object already deleted")
        callback()

    with blocking.open_library(tmp_path / "a", backend=backend, deliver=deliver) as library:
        library.on_change(told.extend)
        with caplog.at_level(logging.ERROR, "crdt_sync"):
            library.add_highlight(VERSE)
            until(lambda: "already deleted" in caplog.text)
        second = library.add_highlight(VERSE)
        until(lambda: told)
        assert [change.item_id for change in told] == [second]


def test_a_deliver_that_blocks_stops_neither_calls_nor_closing(tmp_path: Path, backend: Any) -> None:
    go_on = threading.Event()
    library = blocking.open_library(tmp_path / "a", backend=backend, deliver=lambda callback: go_on.wait(60))
    library.on_change(lambda changes: None)
    for count in range(1, 4):
        library.add_highlight(VERSE)
        assert library.counts().highlights == count
    assert library.close()
    go_on.set()


def test_a_listener_without_a_way_to_it_is_refused(tmp_path: Path) -> None:
    with blocking.open_library(tmp_path / "a") as library, pytest.raises(InvalidEdit, match="deliver="):
        library.on_change(lambda changes: None)


def test_a_queue_waits_no_longer_than_it_is_told() -> None:
    queue = blocking.CallbackQueue()
    assert not queue.wait(0.01)
    assert queue.drain() == 0

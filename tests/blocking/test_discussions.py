"""The blocking discussions with real files and a real relay, on both loops: calls, callbacks, and their end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from crdt_sync import State, blocking
from crdt_sync.discussions import DiscussionStatus, PostState
from crdt_sync.errors import BoundElsewhere, InvalidEdit, LibraryClosed, NotFound, WrongThread
from tests.blocking.waiting import WAIT_S, until
from tests.discussions.test_together import group_of
from tests.relay import RelayProcess
from tests.server.api.tokens import token, token_relay


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


def opened(
    path: Path, relay: RelayProcess, group: str, subject: str, backend: Any, deliver: Any = None
) -> blocking.Discussions:
    return blocking.open_discussions(
        path,
        relay=relay.url,
        group=group,
        subject=subject,
        token=lambda: token(subject),
        backend=backend,
        deliver=deliver,
    )


def test_two_talk_and_news_come_on_the_thread_that_drains(relay: RelayProcess, tmp_path: Path, backend: Any) -> None:
    group = group_of(relay, bob="editor")
    queue = blocking.CallbackQueue()
    changed: list[str] = []
    told: list[DiscussionStatus] = []
    threads: set[threading.Thread] = set()

    def listen(ids: tuple[str, ...]) -> None:
        threads.add(threading.current_thread())
        changed.extend(ids)

    with (
        opened(tmp_path / "ada", relay, group, "ada", backend, queue.put) as ada,
        opened(tmp_path / "bob", relay, group, "bob", backend) as bob,
    ):
        unsubscribe = ada.on_change(listen)
        ada.on_status(told.append)
        thread = bob.open_thread("h", "Why a wood?")
        while not ada.posts(thread):
            assert queue.wait(WAIT_S)
            queue.drain()
        until(lambda: queue.drain() >= 0 and thread in changed, "the callback")
        assert threads == {threading.current_thread()}
        assert ada.unread() == {thread: 1}
        ada.mark_read(thread)
        assert ada.unread() == {}
        answer = ada.reply(thread, "Ask Virgil.", parent=thread)
        ada.react(thread, "👍")
        ada.resolve(thread)
        assert ada.sent(WAIT_S)
        until(lambda: [post.id for post in bob.posts(thread)] == [thread, answer])
        until(lambda: bob.threads("h")[0].resolved_by == "ada")
        until(lambda: queue.drain() >= 0 and told and told[-1].state is State.CONNECTED)
        unsubscribe()
        before = len(changed)
        bob.reply(thread, "after that")
        until(lambda: len(ada.posts(thread)) == 3)
        queue.drain()
        assert len(changed) == before
    assert ada.status.waiting == 0
    with pytest.raises(LibraryClosed, match="the file of discussions is closed"):
        ada.threads()


def test_calls_raise_what_the_asynchronous_ones_raise(relay: RelayProcess, tmp_path: Path, backend: Any) -> None:
    group = group_of(relay)
    with opened(tmp_path / "ada", relay, group, "ada", backend) as ada:
        with pytest.raises(InvalidEdit, match="this is empty"):
            ada.open_thread("h", " ")
        with pytest.raises(NotFound):
            ada.discard("nothing")
        with pytest.raises(InvalidEdit, match="deliver="):
            ada.on_change(lambda ids: None)
    with pytest.raises(BoundElsewhere):
        opened(tmp_path / "ada", relay, group, "bob", backend)
    with pytest.raises(InvalidEdit, match="event loop 'gevent'"):
        opened(tmp_path / "b", relay, group, "ada", "gevent")


def test_posts_of_many_threads_wait_offline_and_go_out_each_once(
    relay: RelayProcess, tmp_path: Path, backend: Any
) -> None:
    group = group_of(relay)
    away = blocking.open_discussions(
        tmp_path / "ada",
        relay=relay.url,
        group=group,
        subject="ada",
        token="none",
        close_within_s=0,
        client=httpx.AsyncClient(transport=httpx.MockTransport(_no_network)),
        backend=backend,
    )
    with away, ThreadPoolExecutor(4) as pool:
        thread = away.open_thread("h", "one")
        replies = list(pool.map(lambda number: away.reply(thread, f"{number}"), range(20)))
        posts = away.posts(thread)
        assert {post.state for post in posts} == {PostState.PENDING}
        assert {post.id for post in posts} == {thread, *replies}
        assert away.status.waiting == 21
        assert not away.sent(0.01)
    with opened(tmp_path / "ada", relay, group, "ada", backend) as back:
        assert back.sent(WAIT_S)
        until(lambda: all(post.number for post in back.posts(thread)), "the last post")
        assert [post.id for post in back.posts(thread)] == [post.id for post in posts]


def _no_network(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no network", request=request)


def test_a_token_callable_that_calls_its_own_discussions_is_told(
    relay: RelayProcess, tmp_path: Path, backend: Any
) -> None:
    ready = threading.Event()

    def get_token() -> str:
        ready.wait(WAIT_S)
        discussions.threads()
        return ""

    discussions = blocking.open_discussions(
        tmp_path / "ada", relay=relay.url, group="g/none", subject="ada", token=get_token, backend=backend
    )
    ready.set()
    until(lambda: discussions.status.state is State.STOPPED, "the end")
    assert "own thread" in (discussions.status.last_error or "")
    with pytest.raises(LibraryClosed, match="had stopped") as caught:
        discussions.close()
    assert isinstance(caught.value.__cause__, WrongThread)

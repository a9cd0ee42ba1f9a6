"""A file of discussions: what comes is kept and shown or neither, whatever comes in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt_sync.errors import GapError, NotFound, RemoteProtocolError, StorageError
from crdt_sync.storage import discussion_file
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.discussion_file import DiscussionFile
from crdt_sync.storage.discussion_views import Post, Thread, posts_of, threads
from crdt_sync_server.actions import NEEDS, Do
from crdt_sync_server.errors import RelayError
from tests.server.test_authorship import taken_out
from tests.server.test_discussion import ADA, BOB, Threads

VERSION_1 = """
CREATE TABLE threads (
    id TEXT PRIMARY KEY, highlight TEXT NOT NULL, author TEXT NOT NULL, name TEXT, at_ms INTEGER NOT NULL,
    number INTEGER NOT NULL, resolved_by TEXT, resolved_at_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX threads_of_highlight ON threads (highlight);
CREATE TABLE posts (
    id TEXT PRIMARY KEY, thread TEXT NOT NULL, parent TEXT, author TEXT NOT NULL, name TEXT,
    at_ms INTEGER NOT NULL, number INTEGER NOT NULL, text TEXT, edited_at_ms INTEGER, is_hidden INTEGER NOT NULL,
    is_removed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX posts_of_thread ON posts (thread, number);
CREATE TABLE reactions (
    post TEXT NOT NULL, subject TEXT NOT NULL, reaction TEXT NOT NULL, PRIMARY KEY (post, reaction, subject)
) WITHOUT ROWID;
PRAGMA user_version = 1
"""
BINDING = Binding("ws://relay", "g/group", "ada")


@contextmanager
def opened(path: Path) -> Iterator[DiscussionFile]:
    file = DiscussionFile(path, BINDING)
    try:
        yield file
    finally:
        file.close()


def shown(file: DiscussionFile) -> list[tuple[Thread, list[Post]]]:
    return [(thread, posts_of(file, "ada", thread.id)) for thread in threads(file, "ada", None)]


class Written(Threads):
    """Threads whose updates are kept, as the relay would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.updates: list[bytes] = []
        self.subscription = self.doc.observe(lambda event: self.updates.append(event.update))


STEP = st.tuples(
    st.sampled_from([ADA, BOB]), st.sampled_from(Do), st.integers(0, 9), st.sampled_from(["x", "y"]), st.booleans()
)


@settings(max_examples=30)
@given(steps=st.lists(STEP, min_size=5, max_size=25), size=st.integers(1, 4), data=st.data())
def test_what_is_shown_is_what_the_document_says_however_it_came(
    steps: list[Any], size: int, data: st.DataObject
) -> None:
    written = Written()
    for actor, do, which, text, _ in steps:
        ids = sorted(written.root("posts")) or ["none"]  # a document gives them in any order
        one = ids[which % len(ids)]
        values = {"highlight": "h", "thread": one, "post": one, "text": text, "reaction": text}
        try:
            written.do(actor, do, **{name: values[name] for name in NEEDS[do]})
        except RelayError:
            continue
    with TemporaryDirectory() as folder:
        at = Path(folder)
        with opened(at / "whole") as whole, opened(at / "pieces") as pieces:
            whole.take([written.doc.get_update()])
            for begin in range(0, len(written.updates), size):
                batch = written.updates[max(begin - data.draw(st.integers(0, 2)), 0) : begin + size]  # some come twice
                assert pieces.take(batch).failure is None
            assert shown(pieces) == shown(whole)
            assert {post.id for _, posts in shown(whole) for post in posts} == set(written.root("posts"))
            for _, posts in shown(whole):
                for post in posts:
                    assert post.text == written.text(post.id)
            before = shown(pieces)
        with opened(at / "pieces") as again:
            assert shown(again) == before
            assert again.state_vector() == written.doc.get_state()


@pytest.fixture
def written() -> Written:
    return Written()


def test_an_update_with_a_gap_is_not_taken_and_those_before_it_are(written: Written, tmp_path: Path) -> None:
    thread = written.do(ADA, Do.OPEN, highlight="h", text="one")
    for text in ("two", "three"):
        written.do(ADA, Do.REPLY, thread=thread, text=text)
    with opened(tmp_path / "f") as file:
        came = file.take([written.updates[0], written.updates[2]])
        assert isinstance(came.failure, GapError)
        assert came.failure.taken == 1
        assert came.threads == {thread}
        assert [post.text for post in posts_of(file, "ada", thread)] == ["one"]
        assert isinstance(file.take([b"no update"]).failure, RemoteProtocolError)
        assert file.take(written.updates[1:]).failure is None
        assert [post.text for post in posts_of(file, "ada", thread)] == ["one", "two", "three"]


def test_what_adds_nothing_takes_no_room(written: Written, tmp_path: Path) -> None:
    post = written.do(ADA, Do.OPEN, highlight="h", text="one")
    written.do(ADA, Do.DELETE, post=post)
    with opened(tmp_path / "f") as file:
        for _ in range(3):  # as a relay answers each time that it is asked
            file.take([written.doc.get_update(), b"\x00\x00"])
        assert file.connection.execute("SELECT count(*) FROM updates").fetchone() == (1,)


def test_what_cannot_be_stored_is_not_taken_and_can_come_again(written: Written, tmp_path: Path) -> None:
    thread = written.do(ADA, Do.OPEN, highlight="h", text="one")
    with opened(tmp_path / "f") as file:
        file.connection.execute("CREATE TEMP TRIGGER full BEFORE INSERT ON posts BEGIN SELECT raise(ABORT, 'no'); END")
        with pytest.raises(StorageError):
            file.take(written.updates)
        assert shown(file) == []
        assert file.state_vector() == b"\x00"  # the document was dropped with it
        file.connection.execute("DROP TRIGGER full")
        assert file.take(written.updates).failure is None
        assert [post.text for post in posts_of(file, "ada", thread)] == ["one"]


def test_what_was_deleted_is_not_in_a_file_that_was_closed(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discussion_file, "COMPACT_AFTER_UPDATES", 5)
    post = written.do(ADA, Do.OPEN, highlight="h", text="what I never wanted to say")
    with opened(tmp_path / "f") as file:
        file.take(written.updates)
        written.do(ADA, Do.DELETE, post=post)
        file.take(written.updates[1:])
        assert posts_of(file, "ada", post)[0].text is None
    found = [path.name for path in tmp_path.iterdir() if b"never wanted" in path.read_bytes()]
    assert found == []
    with opened(tmp_path / "f") as file:
        for number in range(12):
            written.do(ADA, Do.EDIT, post=written.do(ADA, Do.OPEN, highlight="h", text="a"), text=f"{number}")
        for update in written.updates:
            file.take([update])
        assert file.connection.execute("SELECT count(*) FROM updates").fetchone()[0] <= 5
        before = shown(file)
    with opened(tmp_path / "f") as file:
        assert shown(file) == before
        assert file.state_vector() == written.doc.get_state()


def test_a_deleted_user_leaves_the_rows_that_were_stored(written: Written, tmp_path: Path) -> None:
    thread = written.do(BOB, Do.OPEN, highlight="h", text="what I never wanted to say")
    answer = written.do(ADA, Do.REPLY, thread=thread, text="I see")
    written.do(BOB, Do.REACT, post=answer, reaction="+")
    written.do(BOB, Do.RESOLVE, thread=thread)
    with opened(tmp_path / "f") as file:
        file.take(written.updates)
        (_, reacted) = posts_of(file, "ada", thread)
        assert reacted.reactions == {"+": ["bob"]}
        seen = len(written.updates)
        taken_out(written, BOB)
        came = file.take(written.updates[seen:])
        assert came.threads == {thread}
        ((only, (gone, kept)),) = shown(file)
        assert (only.author, only.author_name, only.resolved_by, only.resolved_at_ms) == (None, None, None, 4)
        assert (gone.author, gone.author_name, gone.text, gone.number) == (None, None, None, 1)
        assert (kept.author, kept.text, kept.reactions) == ("ada", "I see", {})
        assert only.unread == 0
    found = [path.name for path in tmp_path.iterdir() if b"Bob" in path.read_bytes() or b"bob" in path.read_bytes()]
    assert found == []


def test_a_file_of_version_1_shows_what_its_log_has_and_keeps_what_is_its_own(written: Written, tmp_path: Path) -> None:
    """That version had passed over authors who are nobody, and kept their names in its tables."""
    thread = written.do(BOB, Do.OPEN, highlight="h", text="hello")
    written.do(ADA, Do.REACT, post=thread, reaction="+")
    with opened(tmp_path / "f") as file:
        file.take(written.updates)
        file.put({"id": "a0", "do": "open", "highlight": "h", "text": "waits"}, 1)
        file.mark_read(thread)
        seen = len(written.updates)
        taken_out(written, BOB)
        file.take(written.updates[seen:])
        now = shown(file)
    with closing(sqlite3.connect(tmp_path / "f", isolation_level=None)) as connection:
        for name in ("threads", "posts", "reactions"):
            connection.execute(f"DROP TABLE {name}")
        connection.executescript(VERSION_1)
        insert = "INSERT INTO posts VALUES (?1, ?1, NULL, 'bob', 'Bob', 1, 1, 'hello', NULL, 0, 0)"
        connection.execute(insert, (thread,))
    with opened(tmp_path / "f") as file:
        assert shown(file) == now
        assert [each.id for each in file.waiting()] == ["a0"]
    assert b"Bob" not in (tmp_path / "f").read_bytes()


def test_only_what_was_refused_is_tried_again_or_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path / "f") as file:
        for number in range(3):
            file.put({"id": f"a{number}", "do": "open", "highlight": "h", "text": f"{number}"}, number)
        first = file.next_action()
        assert first is not None
        for wrong in (file.retry, file.discard):
            with pytest.raises(NotFound):
                wrong("nothing")
        with pytest.raises(NotFound, match="outbox"):
            file.discard(first.id)  # it may be on its way
        file.refused(first, "no")
        assert file.counts() == (2, 1)
    with opened(tmp_path / "f") as file:
        assert [(each.id, each.refusal) for each in file.waiting()] == [("a0", "no"), ("a1", None), ("a2", None)]
        second = file.next_action()
        assert second is not None
        assert second.id == "a1"
        file.retry("a0")
        assert file.next_action() == first
        file.refused(first, "no")
        file.discard("a0")
        assert [each.id for each in file.waiting()] == ["a1", "a2"]

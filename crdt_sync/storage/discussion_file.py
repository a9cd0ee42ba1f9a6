"""A group's discussions on this device: what came from the relay, what waits to be sent, and what was read.

What comes is one transaction: the log grows, the tables of threads and posts follow, or nothing happens. Use it from
one thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from crdt_sync.document.threads import ThreadsDocument, ThreadsTouched
from crdt_sync.errors import GapError, NotFound, RemoteProtocolError, StorageError
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.database import reading_back
from crdt_sync.storage.discussion_schema import open_discussion

__all__ = ["Came", "DiscussionFile", "Waiting"]

COMPACT_AFTER_UPDATES = 256

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Came:
    """What `take` has kept: the threads that changed, and why it stopped, if it did."""

    threads: frozenset[str] = frozenset()
    failure: GapError | RemoteProtocolError | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An action that is not done yet. `refusal` says why it never will be, unless it is tried again."""

    id: str
    action: Mapping[str, Any]
    at_ms: int
    refusal: str | None = None


class DiscussionFile:
    """The open file of one group, relay and subject."""

    def __init__(self, path: Path, binding: Binding) -> None:
        """Open or make the file. Raises `BoundElsewhere`, `LibraryBusy` and other `StorageError`s."""
        self._file = open_discussion(path, binding)
        self._document: ThreadsDocument | None = None  # until it is first needed, and after a failure
        self.connection = self._file.connection
        """For queries alone, on this thread (`discussion_views`)."""
        try:
            self._fill()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Put the log together, so that what was deleted is no longer in it, and close the file."""
        try:
            with suppress(StorageError), self._file.transaction() as connection:  # a full disk loses nothing by it
                (rows,) = connection.execute("SELECT count(*) FROM updates").fetchone()
                if rows > 1:
                    self._compact(connection)
        finally:
            if self._document is not None:
                self._document.close()
            self._file.close()

    # What the relay sends

    def state_vector(self) -> bytes:
        """Return the encoded state vector of what is here."""
        return self._loaded().state_vector()

    def take(self, updates: Sequence[bytes]) -> Came:
        """Keep updates, up to one that does not fit or cannot be read. Raises `StorageError`."""
        document = self._loaded()
        try:
            touched = document.take(updates)
            with self._file.transaction() as connection:
                rows = [(update,) for update in touched.updates]
                connection.executemany("INSERT INTO updates (data) VALUES (?)", rows)
                _project_all(connection, document, touched)
                connection.execute("DELETE FROM outbox WHERE is_done AND id IN (SELECT id FROM posts)")
                (count,) = connection.execute("SELECT count(*) FROM updates").fetchone()
                if count >= COMPACT_AFTER_UPDATES:
                    self._compact(connection)
        except BaseException:  # a document has no rollback
            document.close()
            self._document = None
            raise
        return Came(frozenset(_threads_of(document, touched)), touched.failure)

    def counts(self) -> tuple[int, int]:
        """Return how many actions wait to be sent, and how many were refused."""
        with reading_back(self._file.path):
            query = "SELECT count(*) - count(refusal), count(refusal) FROM outbox WHERE NOT is_done"
            waiting, refused = self.connection.execute(query).fetchone()
        return waiting, refused

    def query(self, read: Callable[[], Result]) -> Result:
        """Return what `read` returns, as of one moment. Raises `StorageError`."""
        with reading_back(self._file.path):
            return read()

    # What is to be sent

    def put(self, action: Mapping[str, Any], at_ms: int) -> None:
        """Keep an action that is to be sent, behind those that wait. It is durable on return."""
        with self._file.transaction() as connection:
            row = (action["id"], json.dumps(action), at_ms)
            connection.execute("INSERT INTO outbox (id, action, at_ms) VALUES (?, ?, ?)", row)

    def next_action(self) -> Waiting | None:
        """Return the first action that waits and was not refused."""
        waiting = self.waiting("NOT is_done AND refusal IS NULL", most=1)
        return waiting[0] if waiting else None

    def waiting(self, which: str = "NOT is_done", *, most: int = -1) -> list[Waiting]:
        """Return the actions that wait, in their order, the refused ones among them."""
        with reading_back(self._file.path):
            query = f"SELECT id, action, at_ms, refusal FROM outbox WHERE {which} ORDER BY number LIMIT ?"
            rows = self.connection.execute(query, (most,)).fetchall()
            return [Waiting(key, json.loads(action), at_ms, refusal) for key, action, at_ms, refusal in rows]

    def done(self, action: Waiting) -> None:
        """Say that the relay has done an action. One that makes a post stays until the post has come."""
        with self._file.transaction() as connection:
            if action.action["do"] in ("open", "reply"):
                connection.execute("UPDATE outbox SET is_done = 1 WHERE id = ?", (action.id,))
                connection.execute("DELETE FROM outbox WHERE id = ? AND id IN (SELECT id FROM posts)", (action.id,))
            else:
                connection.execute("DELETE FROM outbox WHERE id = ?", (action.id,))

    def refused(self, action: Waiting, reason: str) -> None:
        """Keep why the relay will not do an action. It stays until somebody says what to do with it."""
        with self._file.transaction() as connection:
            connection.execute("UPDATE outbox SET refusal = ? WHERE id = ?", (reason, action.id))

    def retry(self, action_id: str) -> None:
        """Send a refused action again, in its old place. Raises `NotFound`."""
        with self._file.transaction() as connection:
            update = "UPDATE outbox SET refusal = NULL WHERE id = ? AND refusal IS NOT NULL"
            found = connection.execute(update, (action_id,))
            _check_found(found, action_id)

    def discard(self, action_id: str) -> None:
        """Forget a refused action. Raises `NotFound`; one that was not refused may be on its way."""
        with self._file.transaction() as connection:
            found = connection.execute("DELETE FROM outbox WHERE id = ? AND refusal IS NOT NULL", (action_id,))
            _check_found(found, action_id)

    # What was read

    def mark_read(self, thread: str, number: int | None = None) -> None:
        """Keep that a thread was read up to a post's number, or to its end. A mark never goes back."""
        with self._file.transaction() as connection:
            (last,) = connection.execute("SELECT max(number) FROM posts WHERE thread = ?", (thread,)).fetchone()
            if last is None:
                return
            row = (thread, last if number is None else min(number, last))
            connection.execute(
                "INSERT INTO marks (thread, number) VALUES (?, ?) "
                "ON CONFLICT (thread) DO UPDATE SET number = max(number, excluded.number)",
                row,
            )

    # Inside

    def _fill(self) -> None:
        """Fill the tables from the log where a newer version has just made them."""
        with reading_back(self._file.path):
            query = "SELECT EXISTS (SELECT 1 FROM updates) AND NOT EXISTS (SELECT 1 FROM posts)"
            (is_missing,) = self.connection.execute(query).fetchone()
        if is_missing:
            document = self._loaded()
            with self._file.transaction() as connection:
                _project_all(connection, document, document.everything())

    def _loaded(self) -> ThreadsDocument:
        if self._document is None:
            with reading_back(self._file.path):
                rows = self.connection.execute("SELECT data FROM updates ORDER BY seq").fetchall()
                self._document = ThreadsDocument(bytes(data) for (data,) in rows)
        return self._document

    def _compact(self, connection: sqlite3.Connection) -> None:
        whole = self._loaded().whole()
        connection.execute("DELETE FROM updates")
        connection.execute("INSERT INTO updates (data) VALUES (?)", (whole,))


def _threads_of(document: ThreadsDocument, touched: ThreadsTouched) -> set[str]:
    found = {item for item in touched.items if document.value("threads", item) is not None}
    for item in touched.items | {post for post, _ in touched.reactions}:
        if (post := document.value("posts", item)) is not None:
            found.add(post["thread"])
    return found


def _check_found(changed: sqlite3.Cursor, action_id: str) -> None:
    if not changed.rowcount:
        raise NotFound(f"no action {action_id!r} was refused; `outbox()` lists them")


def _project_all(connection: sqlite3.Connection, document: ThreadsDocument, touched: ThreadsTouched) -> None:
    for item in touched.items:
        _project(connection, document, item)
    for post, person in touched.reactions:
        _project_reactions(connection, document, post, person)


def _project(connection: sqlite3.Connection, document: ThreadsDocument, item: str) -> None:
    """Bring the rows of one thread or post up to date, or leave out what this version cannot make sense of."""
    fields = {name: document.value("fields", f"{item}/{name}") for name in ("text", "edited", "hidden", "removed")}
    resolved = document.value("fields", f"{item}/resolved")
    match document.value("threads", item):
        case {"highlight": str(highlight), "by": str() | None as author, "name": name, "at": at_ms, "number": number}:
            by, at = (resolved["by"], int(resolved["at"])) if resolved else (None, None)
            row = (item, highlight, author, name, int(at_ms), int(number), by, at)
            connection.execute("INSERT OR REPLACE INTO threads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    match document.value("posts", item):
        case {
            "thread": str(thread), "parent": parent, "by": str() | None as author, "name": name,
            "at": at_ms, "number": number,
        }:  # fmt: skip
            edited_at_ms = None if fields["edited"] is None else int(fields["edited"])
            marks = (fields["text"], edited_at_ms, fields["hidden"] is not None, fields["removed"] is not None)
            post = (item, thread, parent, author, name, int(at_ms), int(number), *marks)
            connection.execute("INSERT OR REPLACE INTO posts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", post)


def _project_reactions(connection: sqlite3.Connection, document: ThreadsDocument, post: str, person: str) -> None:
    connection.execute("DELETE FROM reactions WHERE post = ? AND person = ?", (post, person))
    match document.value("reactions", f"{post}/{person}"):
        case {"by": str(subject), "reactions": [*reactions]}:
            rows = [(post, person, str(reaction), subject) for reaction in reactions]
            connection.executemany("INSERT OR IGNORE INTO reactions VALUES (?, ?, ?, ?)", rows)

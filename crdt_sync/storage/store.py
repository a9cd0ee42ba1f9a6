"""One library's durable state: its document, its log and its read model, in one SQLite file.

Every change is one transaction: take what other processes appended, change the document, append what that made, project
what it touched, commit. Only then may anything be told to anyone. A document has no rollback, so whatever fails once it
has changed drops it; the file says what it was, and the next call loads it again, under a new client id.

Use a store from one thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random, SystemRandom
from typing import TypeVar

from crdt_sync.document.edits import Edit
from crdt_sync.document.events import Change, ChangeKind, ItemKind
from crdt_sync.document.library_document import LibraryDocument, Touch, Touched
from crdt_sync.errors import (
    BoundElsewhere,
    CrdtSyncError,
    GapError,
    LibraryDamaged,
    LibraryError,
    RemoteProtocolError,
)
from crdt_sync.protocol.split import split_update
from crdt_sync.storage.database import Durability, open_database, translated
from crdt_sync.storage.read_model import ReadModel

__all__ = ["Applied", "Binding", "LibraryStore", "Outgoing"]

logger = logging.getLogger("crdt_sync")

Result = TypeVar("Result")

COMPACT_AFTER_UPDATES = 2_000
COMPACT_CHECK_EVERY = 100
MAX_UPDATE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Applied:
    """What a call changed, other processes' changes that it met included; `ids` are the items of its own edits.

    `failure` is why `apply_updates` stopped, if it did.
    """

    changes: tuple[Change, ...] = ()
    ids: tuple[str, ...] = ()
    appended: bool = False
    failure: GapError | RemoteProtocolError | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Updates to send, in order; they reach to the log's position `seq` and hold all edits up to `edits_made`."""

    updates: tuple[bytes, ...]
    seq: int
    edits_made: int


@dataclass(frozen=True, slots=True)
class Binding:
    """The relay, room and account that a file belongs to."""

    relay: str
    room: str
    subject: str | None


class LibraryStore:
    """Open it with `LibraryStore(path)`, and `close` it. Every method raises `CrdtSyncError`s only.

    `now_ms` gives the time that is shown, and `random` the bits of ids; a test hands in its own.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "full",
        author: str = "",
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        random: Random | None = None,
    ) -> None:
        self._path = path
        self._author = author
        self._now_ms = now_ms
        self._random = random or SystemRandom()
        self._connection = open_database(path, durability)
        self._loaded: LibraryDocument | None = None
        self._position = 0
        self._data_version = -1
        self._edited: dict[str, int] = {}  # items edited here → the number of the edit
        self.read = ReadModel(self._connection)

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._loaded = None
        with translated(self._path):
            self._connection.close()

    # Changing

    def edit(self, *edits: Edit) -> Applied:
        """Make the edits, all or none, and return once they are durable."""

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            return document.edit(
                edits,
                now_ms=self._now_ms(),
                author=self._author,
                new_id=lambda: f"{self._random.getrandbits(128):032x}",
            )

        return self._write(change, received_by=None)

    def apply_updates(self, updates: Sequence[bytes], received_by: str) -> Applied:
        """Take updates that a connection received, durably; `received_by` is the connection's random name.

        It stops at one that cannot be taken and says why in `failure`; those before it are in.
        """
        failure: GapError | RemoteProtocolError | None = None

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            nonlocal failure
            touched, failure = document.receive(updates)
            return touched, ()

        applied = self._write(change, received_by=received_by)
        return replace(applied, failure=failure)

    def load(self) -> None:
        """Load the document now, and not when it is first needed: `follow` tells what changed from then on."""
        with translated(self._path), self._reading():
            self._document()

    def follow(self) -> Applied:
        """Take what other processes have appended; cheap if that is nothing."""
        with translated(self._path):
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            if version == self._data_version or self._loaded is None:
                return Applied()
            with self._reading():
                changes = self._catch_up(self._loaded)
            self._data_version = version
        return Applied(tuple(changes))

    # Syncing

    def state_vector(self) -> bytes:
        """Return the document's encoded state vector."""
        with translated(self._path), self._reading():
            return self._document().state_vector()

    def diff(self, state_vector: bytes, max_bytes: int = MAX_UPDATE_BYTES) -> Outgoing:
        """Return what a peer at `state_vector` lacks, cut into updates of about `max_bytes`."""
        with translated(self._path), self._reading():
            document = self._document()
            self._catch_up(document)
            edits_made = self._state("edits_made")
            return Outgoing(tuple(split_update(document.diff(state_vector), max_bytes)), self._position, edits_made)

    def outgoing(self, after_seq: int, not_received_by: str) -> Outgoing | None:
        """Return the log after `after_seq` without what that connection brought; None if it was compacted away."""
        with translated(self._path), self._reading():
            if self._snapshot_through() > after_seq:
                return None
            rows = self._connection.execute(
                "SELECT seq, data, received_by FROM updates WHERE seq > ? ORDER BY seq", (after_seq,)
            ).fetchall()
            updates = tuple(data for _, data, received_by in rows if received_by != not_received_by)
            return Outgoing(updates, rows[-1][0] if rows else after_seq, self._state("edits_made"))

    def acknowledge(self, edits_made: int) -> None:
        """Say that the first `edits_made` edits are durable on the relay. The count never goes down."""
        with self._writing():
            self._connection.execute(
                "UPDATE state SET edits_acknowledged = max(edits_acknowledged, min(?, edits_made)), durable_at_ms = ?",
                (edits_made, self._now_ms()),
            )
        self._edited = {item_id: number for item_id, number in self._edited.items() if number > edits_made}

    def query(self, read: Callable[[ReadModel], Result]) -> Result:
        """Return what `read` finds in the read model. It loads no document."""
        with translated(self._path):
            return read(self.read)

    def counters(self) -> tuple[int, int | None]:
        """Return `pending` and `durable_at_ms`."""
        return self.pending, self.durable_at_ms

    @property
    def pending(self) -> int:
        """How many edits, of all processes, are not yet known to be durable on the relay."""
        with translated(self._path):
            return self._state("edits_made - edits_acknowledged")

    @property
    def durable_at_ms(self) -> int | None:
        """When the relay last confirmed, in milliseconds since 1970."""
        with translated(self._path):
            row = self._connection.execute("SELECT durable_at_ms FROM state").fetchone()
        return None if row[0] is None else int(row[0])

    @property
    def binding(self) -> Binding | None:
        """What the file belongs to; None until its first completed sync."""
        with translated(self._path):
            relay, room, subject = self._connection.execute("SELECT relay, room, subject FROM state").fetchone()
        return None if relay is None else Binding(relay, room, subject)

    def check_binding(self, wanted: Binding) -> None:
        """Raise `BoundElsewhere` if the file belongs to something else."""
        bound = self.binding
        if bound is not None and bound != wanted:
            raise BoundElsewhere(
                f"{self._path} belongs to {_words(bound)} and was to be synced with {_words(wanted)}; two libraries "
                "that have merged cannot be parted. Use another file, or make a new one"
            )

    def bind(self, wanted: Binding) -> None:
        """Bind the file, if it is not bound yet. Raises `BoundElsewhere`."""
        self.check_binding(wanted)
        with self._writing():
            self._connection.execute(
                "UPDATE state SET relay = ?, room = ?, subject = ? WHERE relay IS NULL",
                (wanted.relay, wanted.room, wanted.subject),
            )

    # Looking after the file

    def compact(self) -> None:
        """Put the document's own encoding in the place of the log. What was synced, and what was not, stays so."""
        with self._writing():
            document = self._document()
            self._catch_up(document)
            self._connection.execute("DELETE FROM snapshots")
            self._connection.executemany(
                "INSERT INTO snapshots (part, through, data) VALUES (?, ?, ?)",
                [(n, self._position, part) for n, part in enumerate(split_update(document.diff(b"\x00"), 2**20))],
            )
            self._connection.execute("DELETE FROM updates WHERE seq <= ?", (self._position,))

    def rebuild_read_model(self) -> None:
        """Throw the read model away and make it again from the document."""
        with self._writing():
            document = self._document()
            self._catch_up(document)
            self.read.rebuild(document)

    def verify(self) -> None:
        """Check the file: SQLite's own check, and that the read model is what the log says. Raises `LibraryDamaged`."""
        with translated(self._path):
            (answer,) = self._connection.execute("PRAGMA quick_check").fetchone()
        if answer != "ok":
            raise LibraryDamaged(f"{self._path}: {answer}; keep a copy before anything else")
        with self._writing(keep=False):
            kept = self.read.content()
            self.read.rebuild(self._document())
            if self.read.content() != kept:
                raise LibraryDamaged(f"the read model of {self._path} is not what its log says; rebuild it")

    # Inside

    def _write(
        self, change: Callable[[LibraryDocument], tuple[Touched, tuple[str, ...]]], received_by: str | None
    ) -> Applied:
        with self._writing():
            document = self._document()
            changes = self._catch_up(document)
            touched, ids = change(document)
            if touched.update is None:
                return Applied(tuple(changes), ids)
            row = self._connection.execute(
                "INSERT INTO updates (data, received_by) VALUES (?, ?)", (touched.update, received_by)
            )
            position = row.lastrowid
            assert position is not None
            if received_by is None:
                (number,) = self._connection.execute(
                    "UPDATE state SET edits_made = edits_made + 1 RETURNING edits_made"
                ).fetchone()
                self._edited.update(dict.fromkeys(ids, number))
            with document.reading():
                self.read.project(document, {item_id: touch.tags for item_id, touch in touched.items.items()})
            changes += self._changes(document, touched, here=received_by is None)
        self._position = position
        if position % COMPACT_CHECK_EVERY == 0:
            self._compact_if_long()
        return Applied(tuple(changes), ids, appended=True)

    def _compact_if_long(self) -> None:
        """The edit is committed already, so nothing that goes wrong here may look as if it were not."""
        try:
            if self._log_length() > COMPACT_AFTER_UPDATES:
                self.compact()
        except CrdtSyncError as error:
            logger.warning("the log was not compacted: %s", error)

    @contextmanager
    def _writing(self, *, keep: bool = True) -> Iterator[None]:
        """One write transaction. What fails in it is rolled back, and drops the document if that may have changed."""
        with translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT" if keep else "ROLLBACK")
            except BaseException as error:
                if not isinstance(error, LibraryError):  # those are raised before anything changes
                    self._loaded = None
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One read transaction: all that is read in it is of one moment."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._loaded = None
            raise
        finally:
            self._connection.execute("ROLLBACK")

    def _document(self) -> LibraryDocument:
        """Return the document, loaded if need be; call it inside a transaction."""
        if self._loaded is None:
            snapshot = [data for (data,) in self._connection.execute("SELECT data FROM snapshots ORDER BY part")]
            rows = self._connection.execute("SELECT seq, data FROM updates ORDER BY seq").fetchall()
            position = rows[-1][0] if rows else self._snapshot_through()
            try:
                self._loaded = LibraryDocument(
                    [*snapshot, *(data for _, data in rows)], lambda: self._random.getrandbits(53)
                )
            except ValueError as error:
                raise LibraryDamaged(f"the log of {self._path} cannot be read: {error}") from error
            self._position = position
        return self._loaded

    def _catch_up(self, document: LibraryDocument) -> list[Change]:
        """Take the rows that other processes have committed. Each has projected its own already."""
        through, last = self._connection.execute(
            "SELECT (SELECT through FROM snapshots LIMIT 1), (SELECT max(seq) FROM updates)"
        ).fetchone()
        if max(through or 0, last or 0) <= self._position:
            return []
        updates: list[bytes] = []
        if (through or 0) > self._position:
            updates += [data for (data,) in self._connection.execute("SELECT data FROM snapshots ORDER BY part")]
        rows = self._connection.execute(
            "SELECT seq, data FROM updates WHERE seq > ? ORDER BY seq", (self._position,)
        ).fetchall()
        updates += [data for _, data in rows]
        touched = document.replay(updates)
        self._position = rows[-1][0] if rows else through
        return self._changes(document, touched, here=False)

    def _changes(self, document: LibraryDocument, touched: Touched, *, here: bool) -> list[Change]:
        acknowledged = self._state("edits_acknowledged") if self._edited and not here else 0
        changes = []
        for item_id, touch in touched.items.items():
            item = document.kind(item_id)
            if item is None and not touch.purged:
                continue  # a field without its item is kept and not shown
            kind = _kind(touch)
            gone = kind in (ChangeKind.TRASHED, ChangeKind.PURGED)
            unsaved = gone and not here and self._edited.get(item_id, 0) > acknowledged
            changes.append(Change(item_id, item or ItemKind.HIGHLIGHT, kind, here, unsaved))
        return changes

    def _snapshot_through(self) -> int:
        row = self._connection.execute("SELECT through FROM snapshots LIMIT 1").fetchone()
        return int(row[0]) if row else 0

    def _log_length(self) -> int:
        with translated(self._path):
            (length,) = self._connection.execute(
                "SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM updates"  # seq has no holes worth counting
            ).fetchone()
        return int(length)

    def _state(self, expression: str) -> int:
        (value,) = self._connection.execute(f"SELECT {expression} FROM state").fetchone()
        return int(value)


def _kind(touch: Touch) -> ChangeKind:
    if touch.purged:
        return ChangeKind.PURGED
    if touch.made:
        return ChangeKind.ADDED
    if touch.trashed:
        return ChangeKind.TRASHED
    return ChangeKind.RESTORED if touch.restored else ChangeKind.EDITED


def _words(binding: Binding) -> str:
    account = f" as {binding.subject}" if binding.subject is not None else ""
    return f"room {binding.room!r} of {binding.relay}{account}"

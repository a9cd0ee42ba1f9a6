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
    CrdtSyncError,
    GapError,
    LibraryDamaged,
    LibraryError,
    RemoteProtocolError,
)
from crdt_sync.protocol.split import split_update
from crdt_sync.storage import binding
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.database import Durability, open_database, translated
from crdt_sync.storage.log import Log
from crdt_sync.storage.read_model import ReadModel

__all__ = ["Applied", "LibraryStore", "Outgoing"]

logger = logging.getLogger("crdt_sync")

Result = TypeVar("Result")

COMPACT_AFTER_UPDATES = 2_000
COMPACT_CHECK_EVERY = 100
SNAPSHOT_PART_BYTES = 1024 * 1024
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
        self._met: list[Change] = []  # other processes' changes that nobody has been told yet
        self._log = Log(self._connection)
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
            if version != self._data_version and self._loaded is not None:
                with self._reading():
                    self._catch_up(self._loaded)
                self._data_version = version
        return Applied(self._take_met())

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
            found = self._log.outgoing(after_seq, not_received_by)
            if found is None:
                return None
            updates, seq = found
            return Outgoing(tuple(updates), seq, self._state("edits_made"))

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
            return binding.bound_to(self._connection)

    def check_binding(self, wanted: Binding) -> None:
        """Raise `BoundElsewhere` if the file belongs to something else."""
        with translated(self._path):
            binding.check(self._connection, wanted)

    def bind(self, wanted: Binding) -> None:
        """Bind the file, if it is not bound yet. Raises `BoundElsewhere`."""
        with self._writing():
            binding.bind(self._connection, wanted)

    # Looking after the file

    def compact(self) -> None:
        """Put the document's own encoding in the place of the log. What was synced, and what was not, stays so."""
        with self._writing():
            document = self._document()
            self._catch_up(document)
            self._log.compact(split_update(document.diff(b"\x00"), SNAPSHOT_PART_BYTES), self._position)

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
            self._catch_up(document)
            touched, ids = change(document)
            if touched.update is None:
                return Applied(self._take_met(), ids)
            position = self._log.append(touched.update, received_by)
            if received_by is None:
                (number,) = self._connection.execute(
                    "UPDATE state SET edits_made = edits_made + 1 RETURNING edits_made"
                ).fetchone()
                self._edited.update(dict.fromkeys(ids, number))
            with document.reading():
                self.read.project(document, {item_id: touch.tags for item_id, touch in touched.items.items()})
            changes = self._changes(document, touched, here=received_by is None)
        self._position = position
        if position % COMPACT_CHECK_EVERY == 0:
            self._compact_if_long()
        return Applied((*self._take_met(), *changes), ids, appended=True)

    def _compact_if_long(self) -> None:
        """The edit is committed already, so nothing that goes wrong here may look as if it were not."""
        try:
            if self._log.length() > COMPACT_AFTER_UPDATES:
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
            updates, position = self._log.after(0)
            try:
                self._loaded = LibraryDocument(updates, lambda: self._random.getrandbits(53))
            except ValueError as error:
                raise LibraryDamaged(f"the log of {self._path} cannot be read: {error}") from error
            self._position = position
        return self._loaded

    def _catch_up(self, document: LibraryDocument) -> None:
        """Take the rows that other processes have committed. Each has projected its own already."""
        updates, position = self._log.after(self._position)
        if updates:
            touched = document.replay(updates)
            self._position = position
            self._met += self._changes(document, touched, here=False)

    def _take_met(self) -> tuple[Change, ...]:
        met, self._met = tuple(self._met), []
        return met

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

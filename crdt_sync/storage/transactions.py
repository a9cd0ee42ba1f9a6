"""A library's document and its file, changed together: one SQLite transaction each, or not at all.

Every change is one transaction: take what other processes appended, change the document, append what that made, project
what it touched, commit. Only then may anything be told to anyone. A document has no rollback, so whatever fails once it
has changed drops it; the file says what it was, and the next call loads it again, under a new client id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom

from crdt_sync.document.events import Change, ChangeKind
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.document.observed import Touch, Touched
from crdt_sync.errors import CrdtSyncError, GapError, LibraryDamaged, LibraryError, RemoteProtocolError
from crdt_sync.protocol.split import split_update
from crdt_sync.storage.aside import Aside
from crdt_sync.storage.binding import Partner
from crdt_sync.storage.database import REPAIR, Durability, open_database, reading_back, translated, wal_of
from crdt_sync.storage.journal import Journal
from crdt_sync.storage.log import Log
from crdt_sync.storage.read_model import ReadModel
from crdt_sync.storage.state import State

__all__ = ["Applied", "Transactions"]

logger = logging.getLogger("crdt_sync")

COMPACT_AFTER_UPDATES = 2_000
"""So many are put together, once they have a quarter of the snapshot's bytes: what that costs goes with its size."""
MOST_UPDATES = 20_000
COMPACT_AFTER_BYTES = 8 * 1024 * 1024
"""A log of so many bytes that is also longer than the snapshot is compacted, however few updates it has."""
COMPACT_CHECK_EVERY = 100
SNAPSHOT_PART_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Applied:
    """What a call changed, other processes' changes that it met included; `ids` are the items of its own edits.

    `failure` is why `apply_updates` stopped, if it did.
    """

    changes: tuple[Change, ...] = ()
    ids: tuple[str, ...] = ()
    appended: bool = False
    failure: GapError | RemoteProtocolError | None = None


class Transactions:
    """What `LibraryStore` is made of: an open file, the document once it is loaded, and changes to the two."""

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "full",
        author: str = "",
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        random: Random | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._author = author
        self._now_ms = now_ms
        self._now_s = now_s
        self._random = random or SystemRandom()
        self._database = open_database(path, durability)
        self._connection = self._database.connection
        self._loaded: LibraryDocument | None = None
        self._position = 0
        self._data_version = -1
        self._met: list[Change] = []  # other processes' changes that nobody has been told yet
        self._log = Log(self._connection)
        self._state = State(self._connection)
        self._aside = Aside(self._connection)
        self._journal = Journal(self._connection)
        self._partner = Partner(self._connection)
        self.read = ReadModel(self._connection)
        self._bring_up_to_date()

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._drop()
        with translated(self._path):
            self._connection.close()

    def _bring_up_to_date(self) -> None:
        """Project a file of an older version anew. A damaged one is left as it is: an edit says what is wrong."""
        try:
            with reading_back(self._path):
                if self._database.read_only or self.read.is_current():
                    return
            with self._writing():
                self.read.rebuild(self._document())
        except LibraryDamaged as error:
            logger.warning("the tables for queries were not made anew: %s", error)
        except BaseException:
            self.close()
            raise
        self._drop()  # a library opens without its document
        self._position = 0

    def compact(self) -> None:
        """Put the document's own encoding in the place of the log. What was synced, and what was not, stays so."""
        with self._writing():
            document = self._document()
            self._catch_up(document)
            self._log.compact(split_update(document.diff(b"\x00"), SNAPSHOT_PART_BYTES), self._position)

    def size_bytes(self) -> int:
        """Return how many bytes the file and its write-ahead log have."""
        with translated(self._path):
            return sum(each.stat().st_size for each in (self._path, wal_of(self._path)) if each.exists())

    def vacuum(self) -> None:
        """Give the disk back what the file no longer needs. Raises `LibraryBusy` if another process reads or writes.

        The full text keeps words of texts that are gone until its parts are merged, so they are.
        """
        self._database.check_writable()
        with translated(self._path):
            self._connection.execute("INSERT INTO search (search) VALUES ('optimize')")
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _write(
        self,
        change: Callable[[LibraryDocument], tuple[Touched, tuple[str, ...]]],
        received_by: str | None,
        *,
        here: bool = True,
    ) -> Applied:
        """Make a change; without `received_by` it is one that the relay does not have, and counts as an edit."""
        with self._writing():
            document = self._document()
            self._catch_up(document)
            touched, ids = change(document)
            if touched.update is None:
                return Applied(self._take_met(), ids)
            position = self._log.append(touched.update, received_by)
            if received_by is None:
                self._state.edited(touched.items)
            self._note(touched, here=here)
            self.read.project(document, touched.items)
            self.read.places.project(document, touched.positions)
            changes = self._changes(document, touched, here=here)
        self._position = position
        if position % COMPACT_CHECK_EVERY == 0 or len(touched.update) > COMPACT_AFTER_BYTES:
            self._compact_if_long()
        return Applied((*self._take_met(), *changes), ids, appended=True)

    def _note(self, touched: Touched, *, here: bool) -> None:
        """Note what an edit did, to take it back, and forget what was purged, here or elsewhere."""
        if purged := [item_id for item_id, touch in touched.items.items() if touch.purged]:
            self._journal.forget(purged)
        if not here:
            self._journal.overtake(touched.fields)
        elif touched.done:
            self._journal.record(touched.done, self._now_s())

    def _compact_if_long(self) -> None:
        """The edit is committed already, so nothing that goes wrong here may look as if it were not."""
        try:
            updates = self._log.length()
            snapshot_bytes, log_bytes = self._log.sizes()
            worth_it = updates > COMPACT_AFTER_UPDATES and log_bytes > snapshot_bytes // 4
            if worth_it or updates > MOST_UPDATES or log_bytes > max(snapshot_bytes, COMPACT_AFTER_BYTES):
                self.compact()
        except CrdtSyncError as error:
            logger.warning("the log was not compacted: %s", error)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One write transaction. What fails in it is rolled back, and drops the document if that may have changed."""
        self._database.check_writable()
        with translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException as error:
                if not isinstance(error, LibraryError):  # those are raised before anything changes
                    self._drop()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One read transaction: all that is read in it is of one moment."""
        with reading_back(self._path):
            self._connection.execute("BEGIN")
            try:
                yield
                self._database.check()
            except BaseException:
                self._drop()
                raise
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _drop(self) -> None:
        """Forget the document; the file says what it is."""
        self._journal.forget_last()
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None

    def _document(self) -> LibraryDocument:
        """Return the document, loaded if need be; call it inside a transaction."""
        if self._loaded is None:
            try:
                if holes := self._log.holes():  # or what follows a hole would be applied without what it needs
                    raise LibraryDamaged("; ".join(holes))
                updates, position = self._stored()
                self._loaded = LibraryDocument(updates, lambda: self._random.getrandbits(53))
            except ValueError as error:
                raise LibraryDamaged(f"the log of {self._path} cannot be read: {error}. {REPAIR}") from error
            except LibraryDamaged as error:
                raise LibraryDamaged(f"{self._path} is damaged: {error}. {REPAIR}") from error
            self._position = position
        return self._loaded

    def _stored(self) -> tuple[list[bytes], int]:
        """Return what to load, and the position that the document then has.

        One that was dropped starts again where it was, if that can be had: `_catch_up` then tells what came since.
        """
        updates, position = self._log.after(0)
        since = self._log.after(self._position)[0] if self._position else updates
        known = len(updates) - len(since)
        return (updates[:known], self._position) if known else (updates, position)

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
        changes = []
        with document.reading():
            kinds = {item_id: document.kind(item_id) for item_id in touched.items}
        for item_id, touch in touched.items.items():
            item = kinds[item_id] or touch.purged
            if item is None:
                continue  # a field without its item is kept and not shown
            kind = _kind(touch)
            gone = kind in (ChangeKind.TRASHED, ChangeKind.PURGED)
            unsaved = gone and not here and self._state.is_unsaved(item_id)
            changes.append(Change(item_id, item, kind, here, unsaved))
        return changes


def _kind(touch: Touch) -> ChangeKind:
    if touch.purged:
        return ChangeKind.PURGED
    if touch.made:
        return ChangeKind.ADDED
    if touch.trashed:
        return ChangeKind.TRASHED
    return ChangeKind.RESTORED if touch.restored else ChangeKind.EDITED

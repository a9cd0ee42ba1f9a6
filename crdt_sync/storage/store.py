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

from crdt_sync.document.edits import Adopt, Edit
from crdt_sync.document.events import Change, ChangeKind, ItemKind
from crdt_sync.document.library_document import LibraryDocument, Touch, Touched
from crdt_sync.document.values import Highlight, Note
from crdt_sync.errors import (
    CrdtSyncError,
    GapError,
    LibraryDamaged,
    LibraryError,
    RemoteProtocolError,
)
from crdt_sync.protocol.exchange import Export
from crdt_sync.protocol.fitting import in_fitting_order
from crdt_sync.protocol.split import split_update
from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.storage import binding, check
from crdt_sync.storage.aside import Aside, Rescued
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.database import REPAIR, Durability, open_database, reading_back, translated, wal_of
from crdt_sync.storage.log import Log
from crdt_sync.storage.read_model import ReadModel
from crdt_sync.storage.state import State

__all__ = ["Applied", "LibraryStore", "Outgoing"]

logger = logging.getLogger("crdt_sync")

Result = TypeVar("Result")

COMPACT_AFTER_UPDATES = 2_000
COMPACT_AFTER_BYTES = 8 * 1024 * 1024
"""A log of so many bytes that is also longer than the snapshot is compacted, however few updates it has."""
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
        self._database = open_database(path, durability)
        self._connection = self._database.connection
        self._loaded: LibraryDocument | None = None
        self._position = 0
        self._data_version = -1
        self._met: list[Change] = []  # other processes' changes that nobody has been told yet
        self._log = Log(self._connection)
        self._state = State(self._connection)
        self._aside = Aside(self._connection)
        self.read = ReadModel(self._connection)

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._loaded = None
        with translated(self._path):
            self._connection.close()

    # Changing

    def edit(self, *edits: Edit) -> Applied:
        """Make the edits, all or none, and return once they are durable."""

        return self._write(lambda document: self._edit(document, edits), received_by=None)

    def apply_updates(self, updates: Sequence[bytes], received_by: str) -> Applied:
        """Take updates that a connection received, durably; `received_by` is the connection's random name.

        It stops at one that cannot be taken and says why in `failure`; those before it are in.
        """
        failure: GapError | RemoteProtocolError | None = None

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            nonlocal failure
            touched, failure = document.receive(updates)
            return touched, ()

        applied = self._write(change, received_by=received_by, here=False)
        return replace(applied, failure=failure)

    def apply_export(self, export: Export) -> Applied:
        """Take what another device exported, all or nothing. It counts as an edit: no relay is known to have it.

        Raises `GapError` if the export goes on from what is not here, `RemoteProtocolError` if it is malformed, and
        `BoundElsewhere` if it comes from a library that belongs elsewhere; this one belongs there from now on.
        """

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            if export.origin is not None:
                binding.bind(self._connection, Binding(*export.origin))
            since = decode_state_vector(export.since)
            touched, failure = Touched(), None
            lacks = any(clock > document.vector.get(client, 0) for client, clock in since.items())
            if not lacks:
                touched, failure = document.receive(export.updates)
            if lacks or isinstance(failure, GapError):
                raise GapError(
                    "the export goes on from what this library does not have; have the other device export with "
                    "--since and the state of this one (crdt-sync state-vector), or everything, without --since",
                    taken=0,
                )
            if failure is not None:
                raise failure
            return touched, ()

        applied = self._write(change, received_by=None, here=False)
        waited = self.take_waiting()
        return Applied((*applied.changes, *waited.changes), (), applied.appended or waited.appended)

    def take_waiting(self) -> Applied:
        """Take what a repair had to put aside because its predecessor was lost, if that has arrived meanwhile."""
        if not self._aside.waits():
            return Applied()

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            updates = self._aside.waiting()
            fitting, _ = in_fitting_order(updates, document.vector)
            touched, failure = document.receive(fitting)
            if failure is not None:
                raise failure
            self._aside.taken(fitting)
            return touched, ()

        return self._write(change, received_by=None, here=False)

    def rescued(self) -> list[Rescued]:
        """Return the items that a repair found in the tables alone, or there otherwise than they are here now."""
        with reading_back(self._path):
            items = self._aside.rescued()
            return [Rescued(item, now) for item in items if (now := self.read.item(item.id)) != item]

    def take_rescued(self) -> Applied:
        """Write into the library, as new edits, the rescued items that it does not have."""
        missing = [rescued.item for rescued in self.rescued() if rescued.now is None]

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            self._aside.done(item.id for item in missing)
            return self._edit(document, [Adopt(item) for item in missing])

        return self._write(change, received_by=None)

    def keep_aside(
        self, wanted: Binding | None, edits_made: int, waiting: Sequence[bytes], rescued: Sequence[Highlight | Note]
    ) -> None:
        """Finish a repair: what the old file belonged to, and what has no place. No relay is known to have it."""
        with self._writing():
            if wanted is not None:
                binding.bind(self._connection, wanted)
            self._aside.wait(waiting)
            self._aside.rescue(rescued)
            self._state.nothing_is_saved(at_least=edits_made)

    def load(self) -> None:
        """Load the document now, and not when it is first needed: `follow` tells what changed from then on."""
        with self._reading():
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
        with self._reading():
            return self._document().state_vector()

    def diff(self, state_vector: bytes, max_bytes: int = MAX_UPDATE_BYTES) -> Outgoing:
        """Return what a peer at `state_vector` lacks, cut into updates of about `max_bytes`."""
        with self._reading():
            document = self._document()
            self._catch_up(document)
            edits_made = self._state.number("edits_made")
            return Outgoing(tuple(split_update(document.diff(state_vector), max_bytes)), self._position, edits_made)

    def outgoing(self, after_seq: int, not_received_by: str) -> Outgoing | None:
        """Return the log after `after_seq` without what that connection brought; None if it was compacted away."""
        with self._reading():
            found = self._log.outgoing(after_seq, not_received_by)
            if found is None:
                return None
            updates, seq = found
            return Outgoing(tuple(updates), seq, self._state.number("edits_made"))

    def acknowledge(self, edits_made: int) -> None:
        """Say that the first `edits_made` edits are durable on the relay. The count never goes down."""
        with self._writing():
            self._state.acknowledge(edits_made, self._now_ms())

    def query(self, read: Callable[[ReadModel], Result]) -> Result:
        """Return what `read` finds in the read model. It loads no document."""
        with reading_back(self._path):
            found = read(self.read)
            self._database.check()
            return found

    def counters(self) -> tuple[int, int | None]:
        """Return `pending` and `durable_at_ms`."""
        return self.pending, self.durable_at_ms

    @property
    def pending(self) -> int:
        """How many edits, of all processes, are not yet known to be durable on the relay."""
        with reading_back(self._path):
            return self._state.number("edits_made - edits_acknowledged")

    @property
    def durable_at_ms(self) -> int | None:
        """When the relay last confirmed, in milliseconds since 1970."""
        with reading_back(self._path):
            return self._state.durable_at_ms()

    def unsaved(self) -> list[str]:
        """Return the items with edits that are not known to be durable on the relay, the latest edit first."""
        with reading_back(self._path):
            return self._state.unsaved()

    @property
    def binding(self) -> Binding | None:
        """What the file belongs to; None until its first completed sync."""
        with reading_back(self._path):
            return binding.bound_to(self._connection)

    def check_binding(self, wanted: Binding) -> None:
        """Raise `BoundElsewhere` if the file belongs to something else."""
        with translated(self._path):
            binding.check(self._connection, wanted)

    def bind(self, wanted: Binding) -> None:
        """Bind the file, if it is not bound yet. Raises `BoundElsewhere`."""
        with self._writing():
            binding.bind(self._connection, wanted)

    def unbind(self) -> None:
        """Let the file belong to nobody. To the next relay nothing in it is saved."""
        with self._writing():
            binding.unbind(self._connection)
            self._state.nothing_is_saved()

    # Looking after the file

    def check_writable(self) -> None:
        """Raise `ReadOnlyFile` if the file may be read and not written."""
        self._database.check_writable()

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
        """Give the disk back what the file no longer needs. Raises `LibraryBusy` if another process reads or writes."""
        self._database.check_writable()
        with translated(self._path):
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def rebuild_read_model(self) -> None:
        """Throw the read model away and make it again from the document."""
        with self._writing():
            document = self._document()
            self._catch_up(document)
            self.read.rebuild(document)

    def verify(self) -> None:
        """Check the whole file. Raises `LibraryDamaged`, whose `findings` say each thing that is wrong.

        It checks what SQLite can check, that every update is there, unchanged and fits, and that the tables and the
        full text are what the log says. Nothing is changed, and other processes may go on.
        """
        with self._reading():
            found = check.file(self._connection) or check.log(self._log)
            if not found:
                found = check.read_model(self._log, self.read, lambda: self._random.getrandbits(53))
        if not found and not self._database.read_only:
            with translated(self._path):
                found = check.full_text(self._connection)
        if found:
            raise LibraryDamaged(f"{self._path} is damaged: {'; '.join(found)}. {REPAIR}", findings=found)

    # Inside

    def _edit(self, document: LibraryDocument, edits: Sequence[Edit]) -> tuple[Touched, tuple[str, ...]]:
        return document.edit(
            edits,
            now_ms=self._now_ms(),
            author=self._author,
            new_id=lambda: f"{self._random.getrandbits(128):032x}",
        )

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
            with document.reading():
                self.read.project(document, {item_id: touch.tags for item_id, touch in touched.items.items()})
            changes = self._changes(document, touched, here=here)
        self._position = position
        if position % COMPACT_CHECK_EVERY == 0 or len(touched.update) > COMPACT_AFTER_BYTES:
            self._compact_if_long()
        return Applied((*self._take_met(), *changes), ids, appended=True)

    def _compact_if_long(self) -> None:
        """The edit is committed already, so nothing that goes wrong here may look as if it were not."""
        try:
            snapshot_bytes, log_bytes = self._log.sizes()
            if self._log.length() > COMPACT_AFTER_UPDATES or log_bytes > max(snapshot_bytes, COMPACT_AFTER_BYTES):
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
                    self._loaded = None
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
                self._loaded = None
                raise
            finally:
                self._connection.execute("ROLLBACK")

    def _document(self) -> LibraryDocument:
        """Return the document, loaded if need be; call it inside a transaction."""
        if self._loaded is None:
            try:
                if holes := self._log.holes():  # or what follows a hole would be applied without what it needs
                    raise LibraryDamaged("; ".join(holes))
                updates, position = self._log.after(0)
                self._loaded = LibraryDocument(updates, lambda: self._random.getrandbits(53))
            except ValueError as error:
                raise LibraryDamaged(f"the log of {self._path} cannot be read: {error}. {REPAIR}") from error
            except LibraryDamaged as error:
                raise LibraryDamaged(f"{self._path} is damaged: {error}. {REPAIR}") from error
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
        changes = []
        for item_id, touch in touched.items.items():
            item = document.kind(item_id)
            if item is None and not touch.purged:
                continue  # a field without its item is kept and not shown
            kind = _kind(touch)
            gone = kind in (ChangeKind.TRASHED, ChangeKind.PURGED)
            unsaved = gone and not here and self._state.is_unsaved(item_id)
            changes.append(Change(item_id, item or ItemKind.HIGHLIGHT, kind, here, unsaved))
        return changes


def _kind(touch: Touch) -> ChangeKind:
    if touch.purged:
        return ChangeKind.PURGED
    if touch.made:
        return ChangeKind.ADDED
    if touch.trashed:
        return ChangeKind.TRASHED
    return ChangeKind.RESTORED if touch.restored else ChangeKind.EDITED

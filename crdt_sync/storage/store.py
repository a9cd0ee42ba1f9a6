"""One library's durable state: its document, its log and its read model, in one SQLite file. Use it from one thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from crdt_sync.document.contents import Contents
from crdt_sync.document.edits import Adopt, Edit, ImportItem
from crdt_sync.document.events import ItemKind
from crdt_sync.document.importing import ImportOutcome, Verdict
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.document.observed import Touched
from crdt_sync.document.rich import Blocks
from crdt_sync.document.values import Highlight, Note
from crdt_sync.errors import GapError, LibraryDamaged, NotFound, RemoteProtocolError, StorageError
from crdt_sync.protocol.exchange import Export
from crdt_sync.protocol.fitting import in_fitting_order
from crdt_sync.protocol.split import split_update
from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.storage import binding, check
from crdt_sync.storage.aside import Rescued
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.database import REPAIR, reading_back, translated
from crdt_sync.storage.past import Past
from crdt_sync.storage.read_model import ReadModel
from crdt_sync.storage.reading import ReadingPlaces
from crdt_sync.storage.transactions import Applied
from crdt_sync.storage.versions import Kept, Versions

__all__ = ["Applied", "LibraryStore", "Outgoing"]

Result = TypeVar("Result")

logger = logging.getLogger("crdt_sync")

MAX_UPDATE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Updates to send, in order; they reach to the log's position `seq` and hold all edits up to `edits_made`."""

    updates: tuple[bytes, ...]
    seq: int
    edits_made: int


class LibraryStore(Past, ReadingPlaces):
    """Open it with `LibraryStore(path)`, and `close` it. Every method raises `CrdtSyncError`s only.

    `now_ms` gives the time that is shown, and `random` the bits of ids; a test hands in its own.
    """

    # Changing

    def edit(self, *edits: Edit) -> Applied:
        """Make the edits, all or none, and return once they are durable."""

        return self._write(lambda document: self._edit(document, edits), received_by=None)

    def import_items(self, edits: Sequence[ImportItem]) -> tuple[Applied, tuple[ImportOutcome, ...]]:
        """Write what a foreign file says, all or nothing; return what came of each item."""
        outcomes: tuple[ImportOutcome, ...] = ()

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            nonlocal outcomes
            outcomes = document.judge(edits)
            pairs = zip(edits, outcomes, strict=True)
            return self._edit(document, [edit for edit, outcome in pairs if outcome.verdict is not Verdict.THERE])

        return self._write(change, received_by=None), outcomes

    def take_contents(self, contents: Contents) -> Applied:
        """Write what a bundle has and the library has not, all or nothing."""
        return self._write(lambda document: (document.take_contents(contents), ()), received_by=None)

    def judge_import(self, edits: Sequence[ImportItem]) -> tuple[ImportOutcome, ...]:
        """Return what `import_items` would come to."""
        return self.look(lambda document: document.judge(edits))

    def look(self, read: Callable[[LibraryDocument], Result]) -> Result:
        """Return what `read` finds in the document, which is loaded for it. It must not change anything."""
        with self._reading():
            document = self._document()
            self._catch_up(document)
            return read(document)

    def apply_updates(self, updates: Sequence[bytes], received_by: str) -> Applied:
        """Take updates that a connection received, durably; `received_by` is the connection's random name.

        It stops at one that cannot be taken and says why in `failure`; those before it are in.
        """
        failure: GapError | RemoteProtocolError | None = None

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            nonlocal failure
            self._partner.check()
            touched, failure = document.receive(updates)
            return touched, ()

        applied = self._write(change, received_by=received_by, here=False)
        return replace(applied, failure=failure)

    def apply_export(self, export: Export, wanted: Binding | None = None) -> Applied:
        """Take what another device exported, all or nothing. It counts as an edit: no relay is known to have it.

        `wanted` is what this library is being synced with, though it may not be bound to it yet.

        Raises `GapError` if the export goes on from what is not here, `RemoteProtocolError` if it is malformed, and
        `BoundElsewhere` if it comes from a library that belongs elsewhere; this one belongs there from now on.
        """

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            self._partner.check()
            if export.origin is not None:
                origin = Binding(*export.origin)
                if wanted is not None and wanted != origin:
                    raise binding.elsewhere(wanted, origin)
                binding.bind(self._connection, origin)
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

        try:
            return self._write(change, received_by=None, here=False)
        except (RemoteProtocolError, StorageError) as error:
            # it waits on; what brought us here is done, and must be told
            logger.warning("what a repair put aside cannot be taken now: %s", error)
            return Applied()

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
        self,
        wanted: Binding | None,
        edits_made: int,
        waiting: Sequence[bytes],
        rescued: Sequence[Highlight | Note],
        versions: Sequence[Kept] = (),
    ) -> None:
        """Finish a repair: what the old file belonged to and kept, what has no place. No relay is known to have it."""
        with self._writing():
            if wanted is not None:
                binding.bind(self._connection, wanted)
            self._aside.wait(waiting)
            self._aside.rescue(rescued)
            Versions(self._connection).take(versions)
            self._state.nothing_is_saved(at_least=edits_made)

    def load(self) -> None:
        """Load the document now, and not when it is first needed: `follow` tells what changed from then on."""
        with self._reading():
            self._document()

    def follow(self) -> Applied:
        """Take what other processes have appended; cheap if that is nothing."""
        with translated(self._path):
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        was_loaded = self._loaded is not None or self._position > 0  # then somebody may listen
        if version != self._data_version and was_loaded:
            self._data_version = version
            with self._reading():
                self._catch_up(self._document())
        return Applied(self._take_met())

    # Syncing

    def state_vector(self) -> bytes:
        """Return the document's encoded state vector."""
        with self._reading():
            return self._document().state_vector()

    def diff(self, state_vector: bytes, max_bytes: int = MAX_UPDATE_BYTES, *, for_partner: bool = False) -> Outgoing:
        """Return what a peer at `state_vector` lacks, cut into updates of about `max_bytes`.

        `for_partner` raises `BoundElsewhere` if the file does not belong any more to what it is being synced with.
        """
        with self._reading():
            if for_partner:
                self._partner.check()
            document = self._document()
            self._catch_up(document)
            edits_made = self._state.number("edits_made")
            return Outgoing(tuple(split_update(document.diff(state_vector), max_bytes)), self._position, edits_made)

    def outgoing(self, after_seq: int, not_received_by: str) -> Outgoing | None:
        """Return the log after `after_seq` without what that connection brought; None if it was compacted away."""
        with self._reading():
            self._partner.check()
            found = self._log.outgoing(after_seq, not_received_by)
            if found is None:
                return None
            rows, seq = found
            updates = [part for row in rows for part in _sendable(row)]
            return Outgoing(tuple(updates), seq, self._state.number("edits_made"))

    def acknowledge(self, edits_made: int) -> None:
        """Say that the first `edits_made` edits are durable on the relay. The count never goes down."""
        with self._writing():
            self._partner.check()
            self._state.acknowledge(edits_made, self._now_ms())

    def query(self, read: Callable[[ReadModel], Result]) -> Result:
        """Return what `read` finds in the read model. It loads no document."""
        with reading_back(self._path):
            found = read(self.read)
            self._database.check()
            return found

    def body(self, note_id: str) -> Blocks:
        """Return a note's body, which only the document has. Raises `NotFound` if there is no such note."""
        with self._reading():
            document = self._document()
            self._catch_up(document)
            if document.kind(note_id) is not ItemKind.NOTE:
                raise NotFound(f"there is no note {note_id!r}")
            return document.body(note_id)

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

    def sync_with(self, wanted: Binding) -> None:
        """Say what this library is being synced with. Raises `BoundElsewhere` if the file belongs to something else.

        From now on the same is raised by whatever would exchange something with it once the file is signed out, by
        another process perhaps, or belongs elsewhere.
        """
        with translated(self._path):
            self._partner.meet(wanted)

    def bind(self, wanted: Binding) -> None:
        """Bind the file, if it is not bound yet. Raises `BoundElsewhere`."""
        with self._writing():
            self._partner.check()
            binding.bind(self._connection, wanted)
        self._partner.is_bound = True

    def unbind(self) -> None:
        """Let the file belong to nobody. To the next relay nothing in it is saved."""
        with self._writing():
            binding.unbind(self._connection)
            self._state.nothing_is_saved()

    # Looking after the file

    def check_writable(self) -> None:
        """Raise `ReadOnlyFile` if the file may be read and not written."""
        self._database.check_writable()

    def rebuild_read_model(self) -> None:
        """Throw the read model away and make it again from the document."""
        with self._writing():
            document = self._document()
            self._catch_up(document)
            self.read.rebuild(document)

    def verify(self) -> None:
        """Check the whole file. Raises `LibraryDamaged`, whose `findings` say each thing that is wrong.

        It checks what SQLite can check, that every update is there, unchanged and fits, that the versions are what was
        saved, and the tables and the full text what the log says. Nothing is changed, and other processes may go on.
        """
        with self._reading():
            found = check.file(self._connection) or check.log(self._log)
            found += Versions(self._connection).findings()
            if not found:
                found = check.read_model(self._log, self.read, lambda: self._random.getrandbits(53))
        if not found and not self._database.read_only:
            with translated(self._path):
                found = check.full_text(self._connection)
        if found:
            raise LibraryDamaged(f"{self._path} is damaged: {'; '.join(found)}. {REPAIR}", findings=found)


def _sendable(row: bytes) -> Sequence[bytes]:
    """A row of the log may be larger than a message: an import is one."""
    return split_update(row, MAX_UPDATE_BYTES) if len(row) > MAX_UPDATE_BYTES else (row,)

"""Going back: undo and redo of this file's own edits, an emptied trash, and versions of the whole library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from crdt_sync.document.edits import Edit, Purge
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.document.observed import Touched
from crdt_sync.document.undoing import Done, Undone
from crdt_sync.storage import check
from crdt_sync.storage.database import reading_back
from crdt_sync.storage.journal import Steps
from crdt_sync.storage.read_model import Counts, ReadModel
from crdt_sync.storage.transactions import Applied, Transactions
from crdt_sync.storage.versions import Kept, Version, Versions, pack

__all__ = ["Look", "Past"]


class Look:
    """A library as it once was, to read. `close` it; one thread at a time may use it."""

    def __init__(self, document: LibraryDocument) -> None:
        self._connection = check.projected(document)
        self.read = ReadModel(self._connection)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


class Past(Transactions):
    """The part of `LibraryStore` that goes back."""

    # Undo and redo

    def undo(self, *, redo: bool = False) -> tuple[Applied, Undone | None]:
        """Take the last step back, or make the last one again that was taken back; None if there is none."""
        undone: Undone | None = None

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            nonlocal undone
            step = self._journal.pop(is_redo=redo)
            if step is None:
                return Touched(), ()
            touched, undone = document.take_back(*step, now_ms=self._now_ms())
            if touched.done:  # to take an undo back is to redo, with what others have changed left out
                self._journal.push(touched.done, is_redo=not redo)
            touched.done = Done()
            return touched, undone.ids

        return self._write(change, received_by=None), undone

    def steps(self) -> Steps:
        """Return how many steps can be undone and redone."""
        with reading_back(self._path):
            return self._journal.steps()

    def forget_steps(self) -> None:
        """Forget what could be undone and redone."""
        with self._writing():
            self._journal.clear()

    # The trash

    def empty_trash(self, not_after_ms: int | None = None) -> Applied:
        """Purge what is in the trash, or what was put there at `not_after_ms` or earlier, by the clocks that did."""

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            purges = [Purge(item_id) for item_id in self.read.trashed_ids(not_after_ms)]
            return self._edit(document, purges) if purges else (Touched(), ())

        return self._write(change, received_by=None)

    def purge_everywhere(self, item_ids: Sequence[str]) -> Applied:
        """Purge items, of which some may be gone already, and take them out of every version too."""

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            versions = Versions(self._connection)
            for version in versions.all():
                self._take_out(versions, version, item_ids)
            with document.reading():
                purges = [Purge(item_id) for item_id in item_ids if document.kind(item_id) is not None]
            return self._edit(document, purges) if purges else (Touched(), ())

        return self._write(change, received_by=None)

    # Versions

    def save_version(self, name: str) -> int:
        """Keep the library as it is now, under a name; return the version's number. Raises `InvalidEdit`."""
        with self._writing():
            versions = Versions(self._connection)
            versions.check_room(name)
            document = self._document()
            self._catch_up(document)
            counts = self.read.counts()
            kept = Kept(name, self._now_ms(), counts.highlights, counts.notes, pack(document.diff(b"\x00")))
            return versions.save(kept)

    def versions(self) -> list[Version]:
        """Return the versions, the newest first."""
        with reading_back(self._path):
            return Versions(self._connection).all()

    def delete_version(self, version_id: int) -> None:
        """Forget a version. Raises `NotFound`."""
        with self._writing():
            Versions(self._connection).delete(version_id)

    def look_at(self, version_id: int) -> Look:
        """Return the library as it was. Raises `NotFound` and `LibraryDamaged`."""
        with reading_back(self._path), closing(self._version(version_id)) as then:
            return Look(then)

    def restore_version(self, version_id: int) -> Applied:
        """Bring the library back to what it was, by an edit; `ids` are the items that it changes.

        Raises `NotFound`, `LibraryDamaged` and `ReadOnlyLibrary`.
        """

        def change(document: LibraryDocument) -> tuple[Touched, tuple[str, ...]]:
            self._journal.forget_last()  # a step of its own, however soon it follows an edit
            with closing(self._version(version_id)) as then:
                return document.restore(then.content(), now_ms=self._now_ms())

        return self._write(change, received_by=None)

    def _version(self, version_id: int) -> LibraryDocument:
        update = Versions(self._connection).update(version_id)
        return LibraryDocument([update], lambda: self._random.getrandbits(53))

    def _take_out(self, versions: Versions, version: Version, item_ids: Sequence[str]) -> None:
        with closing(self._version(version.id)) as then:
            with then.reading():
                there = [Purge(item_id) for item_id in item_ids if then.kind(item_id) is not None]
            if not there:
                return
            self._edit(then, there)
            with closing(check.projected(then)) as memory:
                counts: Counts = ReadModel(memory).counts()
            # what was deleted is no longer in the encoding of the document that was loaded from this one
            versions.rewrite(version.id, then.diff(b"\x00"), counts.highlights, counts.notes)

    def _edit(self, document: LibraryDocument, edits: Sequence[Edit]) -> tuple[Touched, tuple[str, ...]]:
        return document.edit(
            edits,
            now_ms=self._now_ms(),
            author=self._author,
            new_id=lambda: f"{self._random.getrandbits(128):032x}",
            members=self.read.member_ids,
        )

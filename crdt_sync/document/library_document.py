"""One library as a Yjs document: updates and typed edits go in, what they touched comes out.

A document has no rollback. If a method raises anything but `InvalidEdit`, `NotFound`, `ReadOnlyLibrary`, `GapError` or
`RemoteProtocolError`, it may be half changed: drop it and load it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from crdt_sync.document import schema
from crdt_sync.document.contents import Contents, fill, read_contents
from crdt_sync.document.document_values import DocumentValues
from crdt_sync.document.edits import Edit, ImportItem
from crdt_sync.document.importing import ImportOutcome, judge
from crdt_sync.document.note_bodies import body_to_keep
from crdt_sync.document.observed import Touched
from crdt_sync.document.restoring import Content, restore
from crdt_sync.document.rich import Blocks
from crdt_sync.document.undoing import Done, Recorder, Undone, take_back
from crdt_sync.document.writing import Writer
from crdt_sync.errors import GapError, ReadOnlyLibrary, RemoteProtocolError
from crdt_sync.protocol.update import reach, read_update

__all__ = ["LibraryDocument"]


class LibraryDocument(DocumentValues):
    """A library's document: what `ObservedDoc` and `DocumentValues` have, and what changes it."""

    def replay(self, updates: Sequence[bytes]) -> Touched:
        """Apply updates that the log holds, in its order."""
        with self._doc.transaction():
            for update in updates:
                self._doc.apply_update(update)
        self._vector = None
        return self._done()

    def receive(self, updates: Sequence[bytes]) -> tuple[Touched, GapError | RemoteProtocolError | None]:
        """Apply updates that came from elsewhere, each checked first; stop at one that has a gap or is malformed."""
        failure: GapError | RemoteProtocolError | None = None
        vector = self.vector
        with self._doc.transaction():
            for taken, update in enumerate(updates):
                try:
                    header = read_update(update)
                    moved = reach(header, vector)
                    if moved is None:
                        failure = GapError("an update needs one that is not here", taken=taken)
                        break
                    self._doc.apply_update(update)
                except RemoteProtocolError as error:
                    failure = error
                    break
                except ValueError as error:
                    failure = RemoteProtocolError(f"an update that the document cannot take: {error}")
                    break
                except BaseException as error:  # a panic of the compiled code is a BaseException
                    if isinstance(error, KeyboardInterrupt | SystemExit):
                        raise
                    raise RemoteProtocolError(f"an update that breaks the document: {error}") from error
                vector.update(moved)
        if failure is not None:
            self._vector = None
        return self._done(), failure

    def edit(
        self,
        edits: Sequence[Edit],
        *,
        now_ms: int,
        author: str,
        new_id: Callable[[], str],
        members: Callable[[str], Iterable[str]] = lambda _: (),
    ) -> tuple[Touched, tuple[str, ...]]:
        """Make the edits in one transaction; return what it did and the id of each edit's item.

        `members` tells who is in a collection: the read model knows without a look at every key.

        Raises `InvalidEdit`, `NotFound` or `ReadOnlyLibrary` before anything is changed.
        """
        self._check_writer()
        writer = Writer(self._doc, self._items, self._fields, now_ms, author, members)
        planned = writer.plan(edits, new_id)

        def make() -> None:
            for edit, item_id in planned:
                writer.make(edit, item_id)
            if writer.wrote:
                self._sign()

        return self._record(make, {item_id for _, item_id in planned}), tuple(item_id for _, item_id in planned)

    def take_contents(self, contents: Contents) -> Touched:
        """Write what `contents` has and the document has not. Raises `ReadOnlyLibrary`."""
        self._check_writer()
        empty = not self.vector
        with self._doc.transaction():
            fill(self._doc, contents, empty=empty)
        self._vector = None
        return self._done()

    def contents(self) -> Contents:
        """Return all that the document holds."""
        return read_contents(self._doc.get_update())

    def judge(self, edits: Sequence[ImportItem]) -> tuple[ImportOutcome, ...]:
        """Say what each of these imports will do, and change nothing."""
        with self.reading():
            return tuple(
                judge(edit, self._notes if edit.anchor is None else self._highlights, self._fields) for edit in edits
            )

    def take_back(self, done: Done, theirs: set[str], *, now_ms: int) -> tuple[Touched, Undone]:
        """Take an edit back but for the keys that are `theirs`. Raises `ReadOnlyLibrary`."""
        self._check_writer()
        undone = Undone(())

        def make() -> None:
            nonlocal undone
            undone = take_back(done, theirs, self._doc, self._items.values(), self._fields, now_ms)

        return self._record(make, done.bodies), undone

    def restore(self, then: Content, *, now_ms: int) -> tuple[Touched, tuple[str, ...]]:
        """Bring everything back to `then`; return the items that changed. Raises `ReadOnlyLibrary`."""
        self._check_writer()
        changed: set[str] = set()

        def make() -> None:
            changed.update(restore(then, self._doc, self._items, self._fields, now_ms))
            self._sign()

        return self._record(make, then.bodies), tuple(sorted(changed))

    def set_positions(self, values: Mapping[str, Mapping[str, Any] | None]) -> Touched:
        """Put reading positions under their keys, or take away those that are None. Raises `ReadOnlyLibrary`."""
        self._check_writer()
        with self._doc.transaction():
            for key, value in values.items():
                if value is not None:
                    self._positions[key] = dict(value)
                elif key in self._positions:
                    del self._positions[key]
            if any(values.values()):
                self._sign()
        self._vector = None
        return self._done()

    def _check_writer(self) -> None:
        needed = self._meta.get(schema.META_MIN_WRITER, 0)
        if isinstance(needed, int | float) and needed > schema.SCHEMA:
            raise ReadOnlyLibrary(
                f"this library asks for schema {int(needed)} and this version of crdt-sync writes {schema.SCHEMA}; "
                "install a newer one to edit it (reading and syncing go on)"
            )

    def _sign(self) -> None:
        """Say, once, which layout this is."""
        if schema.META_SCHEMA not in self._meta:
            self._meta[schema.META_SCHEMA] = schema.SCHEMA
            self._meta[schema.META_MIN_WRITER] = schema.SCHEMA

    def _record(self, make: Callable[[], None], item_ids: Iterable[str]) -> Touched:
        """Run `make`, which touches the bodies of no other notes than these, in one transaction, and note what it did.

        A note that is not there yet has no body to come back to.
        """
        with self._doc.transaction():
            notes = [item_id for item_id in item_ids if item_id in self._notes]
            bodies = {note_id: blocks for note_id in notes if (blocks := self._body(note_id)) is not None}
            recorder = self._recorder = Recorder(bodies)
            make()
        self._recorder = None
        self._vector = None
        touched = self._done()
        if touched.update is not None:
            with self.reading():
                touched.done = recorder.done(self._doc, self._fields)
        return touched

    def _body(self, note_id: str) -> Blocks | None:
        return body_to_keep(self._doc, self._fields, note_id)

    def content(self) -> Content:
        """Return all of it as values, for `restore`."""
        with self.reading():
            items = {name: dict(root.to_py() or {}) for name, root in self._items.items()}
            bodies = {note_id: blocks for note_id in self._notes if (blocks := self._body(note_id)) is not None}
            return Content(items, dict(self._fields.to_py() or {}), bodies)

"""One library as a Yjs document: updates and typed edits go in, what they touched comes out.

A document has no rollback. If a method raises anything but `InvalidEdit`, `NotFound`, `ReadOnlyLibrary`, `GapError` or
`RemoteProtocolError`, it may be half changed: drop it and load it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from pycrdt import Doc, Map, MapEvent, Subscription, TransactionEvent, XmlEvent, XmlFragment

from crdt_sync.document import schema
from crdt_sync.document.anchors import Anchor
from crdt_sync.document.contents import Contents, fill, read_contents
from crdt_sync.document.edits import Edit, ImportItem
from crdt_sync.document.events import ItemKind
from crdt_sync.document.imported import Imported, said, tags_said, whole
from crdt_sync.document.importing import ImportOutcome, judge
from crdt_sync.document.values import Highlight, Note
from crdt_sync.document.writing import Writer, body_text
from crdt_sync.errors import GapError, ReadOnlyLibrary, RemoteProtocolError
from crdt_sync.protocol.update import decode_state_vector, reach, read_update

__all__ = ["LibraryDocument", "Touch", "Touched"]


@dataclass(slots=True)
class Touch:
    """What happened to one item: its tags that were touched, whether it was made or purged, trashed or restored."""

    tags: set[str] = field(default_factory=set)
    made: bool = False
    purged: bool = False
    trashed: bool = False
    restored: bool = False


@dataclass(slots=True)
class Touched:
    """What one transaction did: the update to store (None if it added nothing), and the items it touched."""

    update: bytes | None = None
    items: dict[str, Touch] = field(default_factory=dict)

    def item(self, item_id: str) -> Touch:
        """Return what is noted of an item, made if there is nothing yet."""
        return self.items.setdefault(item_id, Touch())


class LibraryDocument:
    """A Doc and what is known about it. Use it from one thread only."""

    def __init__(self, updates: Iterable[bytes], random_id: Callable[[], int]) -> None:
        """Load the document from `updates`; `random_id` draws 53 random bits for the Yjs client id of its edits.

        The id is new each time: one that a restored backup had used already would give two operations one name.
        """
        stored = list(updates)
        while True:
            self._doc: Doc[Any] = Doc(client_id=random_id())
            with self._doc.transaction():
                for update in stored:
                    self._doc.apply_update(update)
            self._vector: dict[int, int] | None = None
            if self._doc.client_id not in self.vector:
                break
        self._meta = self._doc.get(schema.META, type=Map)
        self._highlights = self._doc.get(schema.HIGHLIGHTS, type=Map)
        self._notes = self._doc.get(schema.NOTES, type=Map)
        self._fields = self._doc.get(schema.FIELDS, type=Map)
        self._touched = Touched()
        self._bodies: dict[str, XmlFragment] = {}
        self._subscriptions: list[Subscription] = [
            self._doc.observe(self._on_transaction),
            self._highlights.observe(self._on_items),
            self._notes.observe(self._on_items),
            self._fields.observe(self._on_fields),
        ]
        with self.reading():
            for note_id in list(self._notes):
                self._watch(note_id)

    def close(self) -> None:
        """Let go of the document; without this its observers and it hold one another for ever, unseen by Python."""
        for subscription in self._subscriptions:
            subscription.drop()
        self._subscriptions.clear()
        self._bodies.clear()

    # Observers copy and never raise; the work is done after the transaction.

    def _on_transaction(self, event: TransactionEvent) -> None:
        self._touched.update = event.update

    def _on_items(self, event: MapEvent) -> None:
        keys: dict[str, dict[str, Any]] = event.keys  # type: ignore[attr-defined]  # not in pycrdt's stub
        for item_id, what in keys.items():
            touch = self._touched.item(item_id)
            touch.made |= what["action"] == "add"
            touch.purged |= what["action"] == "delete"

    def _on_fields(self, event: MapEvent) -> None:
        keys: dict[str, dict[str, Any]] = event.keys  # type: ignore[attr-defined]
        for key, what in keys.items():
            item_id, name, tag = schema.split_field_key(key)
            touch = self._touched.item(item_id)
            if name == schema.TAG:
                touch.tags.add(tag)
            elif name == schema.DELETED_AT:
                was, is_now = (_is_trashed(what.get(when)) for when in ("oldValue", "newValue"))
                touch.trashed |= is_now and not was
                touch.restored |= (was or what["action"] == "add") and not is_now

    def _watch(self, note_id: str) -> None:
        """A body is a root of its own, and only its own events tell that it changed."""
        if note_id not in self._bodies:
            body = self._bodies[note_id] = self._doc.get(schema.note_root(note_id), type=XmlFragment)

            def on_body(events: list[XmlEvent]) -> None:  # pycrdt hands a second parameter the transaction
                self._touched.item(note_id)

            self._subscriptions.append(body.observe_deep(on_body))

    def _done(self) -> Touched:
        touched, self._touched = self._touched, Touched()
        with self.reading():
            for item_id in touched.items:
                if item_id in self._notes:
                    self._watch(item_id)
        return touched

    # Changing

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
        self, edits: Sequence[Edit], *, now_ms: int, author: str, new_id: Callable[[], str]
    ) -> tuple[Touched, tuple[str, ...]]:
        """Make the edits in one transaction; return what it did and the id of each edit's item.

        Raises `InvalidEdit`, `NotFound` or `ReadOnlyLibrary` before anything is changed.
        """
        self._check_writer()
        writer = Writer(self._doc, self._highlights, self._notes, self._fields, now_ms, author)
        planned = writer.plan(edits, new_id)
        with self._doc.transaction():
            for edit, item_id in planned:
                writer.make(edit, item_id)
            if writer.wrote and schema.META_SCHEMA not in self._meta:
                self._meta[schema.META_SCHEMA] = schema.SCHEMA
                self._meta[schema.META_MIN_WRITER] = schema.SCHEMA
        self._vector = None
        return self._done(), tuple(item_id for _, item_id in planned)

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

    def _check_writer(self) -> None:
        needed = self._meta.get(schema.META_MIN_WRITER, 0)
        if isinstance(needed, int | float) and needed > schema.SCHEMA:
            raise ReadOnlyLibrary(
                f"this library asks for schema {int(needed)} and this version of crdt-sync writes {schema.SCHEMA}; "
                "install a newer one to edit it (reading and syncing go on)"
            )

    # Reading

    def tags(self, item_id: str, tags: Iterable[str]) -> tuple[str, ...]:
        """Return which of `tags`, and of those that a file gave, an item has; one that is not there may have some."""
        made = self._highlights.get(item_id) or self._notes.get(item_id)
        given = () if made is None else tags_said(made, self._field(item_id, schema.IMPORTED))
        states = {tag: self._fields.get(schema.tag_key(item_id, tag)) for tag in {*tags, *given}}
        return tuple(sorted(tag for tag, state in states.items() if (tag in given if state is None else state)))

    def imported(self, item_id: str) -> Imported | None:
        """Return what a foreign file says of an item, None if it was never imported or is not there."""
        made = self._highlights.get(item_id) or self._notes.get(item_id)
        return None if made is None else said(made, self._field(item_id, schema.IMPORTED))

    def imported_of(self, item_ids: Iterable[str]) -> list[Imported | None]:
        """Return what foreign files say of several items."""
        with self.reading():
            return [self.imported(item_id) for item_id in item_ids]

    def highlight(self, item_id: str, tags: tuple[str, ...]) -> Highlight | None:
        """Return a highlight, or None; `tags` are its `tags`."""
        made = self._highlights.get(item_id)
        if not isinstance(made, dict):
            return None
        imported = said(made, self._field(item_id, schema.IMPORTED))
        anchor = self._field(item_id, schema.ANCHOR)
        if anchor is None and imported is not None and imported.anchor is not None:
            anchor = imported.anchor.to_json()
        return Highlight(
            id=item_id,
            anchor=Anchor.from_json(whole(made.get("anchor") if anchor is None else anchor)),
            color=self._text(item_id, schema.COLOR, imported),
            style=self._text(item_id, schema.STYLE, imported),
            tags=tags,
            comment=self._text(item_id, schema.COMMENT, imported),
            created_at_ms=_milliseconds(made.get("createdAt")) or 0,
            created_by=str(made.get("createdBy", "")),
            updated_at_ms=self._updated_at(item_id, imported),
            deleted_at_ms=self._deleted_at(item_id, imported),
            kind="bookmark" if made.get(schema.KIND) == "bookmark" else "highlight",
        )

    def note(self, item_id: str, tags: tuple[str, ...]) -> Note | None:
        """Return a note, or None; `tags` are its `tags`."""
        made = self._notes.get(item_id)
        if not isinstance(made, dict):
            return None
        imported = said(made, self._field(item_id, schema.IMPORTED))
        highlight_id = made.get("highlight")
        return Note(
            id=item_id,
            highlight_id=highlight_id if isinstance(highlight_id, str) else None,
            title=self._text(item_id, schema.TITLE, imported),
            text=body_text(self._doc, item_id) or self._text(item_id, schema.BODY),
            tags=tags,
            created_at_ms=_milliseconds(made.get("createdAt")) or 0,
            created_by=str(made.get("createdBy", "")),
            updated_at_ms=self._updated_at(item_id, imported),
            deleted_at_ms=self._deleted_at(item_id, imported),
        )

    def judge(self, edits: Sequence[ImportItem]) -> tuple[ImportOutcome, ...]:
        """Say what each of these imports will do, and change nothing."""
        with self.reading():
            return tuple(
                judge(edit, self._notes if edit.anchor is None else self._highlights, self._fields) for edit in edits
            )

    def reading(self) -> AbstractContextManager[object]:
        """Return a block in which many reads share one transaction, as each looks at every client id.

        With 6,000 ids, 18,000 notes took 19 s to look at one by one.
        """
        return self._doc.transaction()

    def item_ids(self) -> Iterator[tuple[str, set[str]]]:
        """Yield every item's id and its tags, for a rebuild of the read model; items that have nothing else too."""
        tags: dict[str, set[str]] = {}
        for key in self._fields:
            item_id, name, tag = schema.split_field_key(key)
            if name == schema.TAG:
                tags.setdefault(item_id, set()).add(tag)
        yield from tags.items()
        for items in (self._highlights, self._notes):
            for item_id in items:
                if item_id not in tags:
                    yield item_id, set()  # what a file gave it `tags` finds

    def kind(self, item_id: str) -> ItemKind | None:
        """Return what an item is, or None if it is not there (any more)."""
        if item_id in self._highlights:
            return ItemKind.HIGHLIGHT
        return ItemKind.NOTE if item_id in self._notes else None

    @property
    def vector(self) -> dict[int, int]:
        """The state vector, client id → next clock. It is read anew only when needed: 10,000 ids take 9 ms."""
        if self._vector is None:
            self._vector = decode_state_vector(self._doc.get_state())
        return self._vector

    @property
    def client_id(self) -> int:
        """The Yjs client id under which this document edits."""
        return self._doc.client_id

    def state_vector(self) -> bytes:
        """Return the encoded state vector."""
        return self._doc.get_state()

    def diff(self, state_vector: bytes) -> bytes:
        """Return the update with all that `state_vector` lacks. Raises `RemoteProtocolError` if it is none."""
        decode_state_vector(state_vector)
        return self._doc.get_update(state_vector)

    def _field(self, item_id: str, name: str) -> Any:
        return self._fields.get(schema.field_key(item_id, name))

    def _text(self, item_id: str, name: str, imported: Imported | None = None) -> str:
        """A field that is there hides what a file says, an empty one too."""
        value = self._field(item_id, name)
        if isinstance(value, str):
            return value
        return "" if imported is None else imported.text(name)

    def _updated_at(self, item_id: str, imported: Imported | None) -> int:
        at = _milliseconds(self._field(item_id, schema.UPDATED_AT))
        return at or (imported.updated_at_ms if imported is not None else 0) or 0

    def _deleted_at(self, item_id: str, imported: Imported | None) -> int | None:
        """A file that has an item in its trash gives no time for that; `false` says that a person took it out."""
        value = self._field(item_id, schema.DELETED_AT)
        if value is None and imported is not None and imported.trashed:
            return imported.updated_at_ms or 0
        return _milliseconds(value)


def _milliseconds(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        return None
    return int(value)


def _is_trashed(value: Any) -> bool:
    return value is not None and value is not False

"""Writes the tables that queries read, from what the document says. They can be thrown away and built again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.document.links import link_target, title_key
from crdt_sync.document.observed import Touch
from crdt_sync.document.values import Collection, Highlight, Note
from crdt_sync.document.verses import place_key
from crdt_sync.storage.words import indexed

__all__ = ["PROJECTION", "Projection"]

PROJECTION = 1
"""The version of what is projected. A file with an older one is projected anew when it is opened."""

_HIGHLIGHTS = (
    "id", "work", "source", "color", "style", "comment", "anchor", "created_at_ms", "created_by", "updated_at_ms",
    "deleted_at_ms", "kind", "place",
)  # fmt: skip
_NOTES = (
    "id", "highlight_id", "title", "text", "created_at_ms", "created_by", "updated_at_ms", "deleted_at_ms", "title_key",
)  # fmt: skip
_COLLECTIONS = ("id", "title", "created_at_ms", "created_by", "updated_at_ms", "deleted_at_ms")
_TEXTS = ("title", "quote", "text", "comment", "tags", "heading")
"""The columns of the full text."""
_SEARCHED = ("kind", "trashed", "passage", *_TEXTS)

_CONTENT = {
    "highlights": ", ".join(_HIGHLIGHTS),
    "notes": ", ".join(_NOTES),
    "tags": "item_id, tag",
    "full text": f"item_id, {', '.join(_SEARCHED)}",
    "collections": ", ".join(_COLLECTIONS),
    "members": "collection_id, item_id, order_key",
    "links": "item_id, link, target",
    "tallies": "facet, value, items",
}
"""What is projected, and the columns of each in a fixed order."""
_TABLES = {name: "searched" if name == "full text" else name for name in _CONTENT}

Row = tuple[Any, ...]


class Projection:
    """The part of `ReadModel` that writes. The caller holds the transaction."""

    _connection: sqlite3.Connection

    def project(self, document: LibraryDocument, touched: Mapping[str, Touch]) -> None:
        """Bring items, whole, to what the document says.

        Tags of an item that is not there are projected too, and so are the members of a collection: it may come, or
        come back, and has them then.
        """
        with document.reading():
            for item_id, touch in touched.items():
                self._project(document, item_id, touch)

    def rebuild(self, document: LibraryDocument) -> None:
        """Throw the projection away and make it again from the document."""
        for table in _TABLES.values():
            self._connection.execute(f"DELETE FROM {table}")
        self._connection.execute("INSERT INTO search (search) VALUES ('delete-all')")
        with document.reading():
            touched = document.all_items()
        self.project(document, touched)
        self._connection.execute("UPDATE projected SET version = ?", (PROJECTION,))

    def is_current(self) -> bool:
        """Say whether the tables are of this version; those of an older one are built again when the file is opened."""
        (version,) = self._connection.execute("SELECT version FROM projected").fetchone()
        return bool(version == PROJECTION)

    def content(self) -> dict[str, list[Row]]:
        """Return all that is projected, by the name of what it is, in a fixed order, to compare."""
        return {
            name: self._connection.execute(f"SELECT {columns} FROM {_TABLES[name]} ORDER BY 1, 2").fetchall()
            for name, columns in _CONTENT.items()
        }

    def member_ids(self, collection_id: str) -> list[str]:
        """Return who is in a collection, items that are gone or in the trash included."""
        rows = self._connection.execute("SELECT item_id FROM members WHERE collection_id = ?", (collection_id,))
        return [item_id for (item_id,) in rows]

    def _project(self, document: LibraryDocument, item_id: str, touch: Touch) -> None:
        known = self._known_tags(item_id)
        tags = document.tags(item_id, {*touch.tags, *known})
        highlight = document.highlight(item_id, tags)
        note = None if highlight is not None else document.note(item_id, tags)
        collection = None if highlight is not None or note is not None else document.collection(item_id)
        row = None if highlight is None else _highlight_row(highlight)
        note_row = None if note is None else _note_row(note)
        row_before = self._put("highlights", _HIGHLIGHTS, item_id, row)
        note_before = self._put("notes", _NOTES, item_id, note_row)
        self._put("collections", _COLLECTIONS, item_id, None if collection is None else _collection_row(collection))
        self._put_tags(item_id, set(tags), known)
        self._put_members(document, item_id, touch.members)
        item = highlight or note
        self._put_searched(item_id, None if item is None else _searched(item))
        links = () if item is None else document.links(item)
        self._put_links(item_id, {(link, target) for link in links if (target := link_target(link))})
        was, now = _facets(row_before, note_before, known), _facets(row, note_row, tags)
        self._tally(was - now, -1)
        self._tally(now - was, +1)

    def _put(self, table: str, columns: Sequence[str], item_id: str, row: Row | None) -> Row | None:
        """Write what differs of a row, so that only the indexes of what has changed are written; return the old row."""
        names = ", ".join(columns)
        before: Row | None = self._connection.execute(
            f"SELECT {names} FROM {table} WHERE id = ?", (item_id,)
        ).fetchone()
        if row is None:
            if before is not None:
                self._connection.execute(f"DELETE FROM {table} WHERE id = ?", (item_id,))
        elif before is None:
            self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", row)
        elif before != row:
            changed = [place for place, value in enumerate(row) if before[place] != value]
            setting = ", ".join(f"{columns[place]} = ?" for place in changed)
            values = [row[place] for place in changed]
            self._connection.execute(f"UPDATE {table} SET {setting} WHERE id = ?", (*values, item_id))
        return before

    def _put_tags(self, item_id: str, wanted: set[str], known: set[str]) -> None:
        for tag in known - wanted:
            self._connection.execute("DELETE FROM tags WHERE item_id = ? AND tag = ?", (item_id, tag))
        for tag in wanted - known:
            self._connection.execute("INSERT INTO tags VALUES (?, ?)", (item_id, tag))

    def _put_members(self, document: LibraryDocument, collection_id: str, members: Iterable[str]) -> None:
        for item_id in members:
            key = document.order_key(collection_id, item_id)
            if key is None:
                of = (collection_id, item_id)
                self._connection.execute("DELETE FROM members WHERE collection_id = ? AND item_id = ?", of)
            else:
                row = (collection_id, item_id, key)
                self._connection.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", row)

    def _put_searched(self, item_id: str, row: Row | None) -> None:
        """Full text costs more than all the rest, so it is touched only when the words have changed."""
        names = ", ".join(_SEARCHED)
        found = self._connection.execute(
            f"SELECT rowid, {names} FROM searched WHERE item_id = ?", (item_id,)
        ).fetchone()
        rowid, before = (found[0], found[1:]) if found else (None, None)
        if before == row:
            return
        if before is not None and row is not None and before[3:] == row[3:]:
            values = (*row[:3], rowid)
            self._connection.execute("UPDATE searched SET kind = ?, trashed = ?, passage = ? WHERE rowid = ?", values)
            return
        texts, holes = ", ".join(_TEXTS), ", ".join("?" * len(_TEXTS))
        if before is not None:
            delete = f"INSERT INTO search (search, rowid, {texts}) VALUES ('delete', ?, {holes})"
            self._connection.execute(delete, (rowid, *before[3:]))
            self._connection.execute("DELETE FROM searched WHERE rowid = ?", (rowid,))
        if row is not None:
            insert = f"INSERT INTO searched (item_id, {names}) VALUES (?, ?, ?, ?, {holes})"
            made = self._connection.execute(insert, (item_id, *row))
            insert = f"INSERT INTO search (rowid, {texts}) VALUES (?, {holes})"
            self._connection.execute(insert, (made.lastrowid, *row[3:]))

    def _put_links(self, item_id: str, wanted: set[tuple[str, str]]) -> None:
        known = set(self._connection.execute("SELECT link, target FROM links WHERE item_id = ?", (item_id,)))
        for link, _ in known - wanted:
            self._connection.execute("DELETE FROM links WHERE item_id = ? AND link = ?", (item_id, link))
        for link, target in wanted - known:
            self._connection.execute("INSERT OR REPLACE INTO links VALUES (?, ?, ?)", (item_id, link, target))

    def _tally(self, facets: Iterable[tuple[str, str]], by: int) -> None:
        """Count items by what they have: a look at 100,000 rows would take a hundred times as long as an answer may."""
        for facet in facets:
            self._connection.execute(
                "INSERT INTO tallies VALUES (?, ?, ?) "
                "ON CONFLICT (facet, value) DO UPDATE SET items = items + excluded.items",
                (*facet, by),
            )
            if by < 0:
                self._connection.execute("DELETE FROM tallies WHERE facet = ? AND value = ? AND items = 0", facet)

    def _known_tags(self, item_id: str) -> set[str]:
        rows = self._connection.execute("SELECT tag FROM tags WHERE item_id = ?", (item_id,))
        return {tag for (tag,) in rows}


def _highlight_row(item: Highlight) -> Row:
    return (
        item.id,
        item.anchor.work_id,
        item.anchor.source or "",
        item.color,
        item.style,
        item.comment,
        json.dumps(item.anchor.to_json(), ensure_ascii=False, sort_keys=True),
        item.created_at_ms,
        item.created_by,
        item.updated_at_ms,
        item.deleted_at_ms,
        item.kind,
        _place(item.anchor),
    )


def _note_row(item: Note) -> Row:
    return (
        item.id,
        item.highlight_id,
        item.title,
        item.text,
        item.created_at_ms,
        item.created_by,
        item.updated_at_ms,
        item.deleted_at_ms,
        title_key(item.title),
    )


def _collection_row(item: Collection) -> Row:
    return (item.id, item.title, item.created_at_ms, item.created_by, item.updated_at_ms, item.deleted_at_ms)


_place_key: Callable[[str | None], str] = lru_cache(maxsize=4096)(place_key)


def _place(anchor: Anchor) -> str:
    """Return what sorts a highlight in its work: the source's place, then how far it is in the work, then where."""
    progression = "" if anchor.progression is None else f"{anchor.progression:.9f}"
    position = "" if anchor.position is None else f"{anchor.position.start:016}"
    return f"{_place_key(anchor.source)}\x01{progression}\x01{position}"


def _searched(item: Highlight | Note) -> Row:
    """Return the row of `searched`, in the order of `_SEARCHED`."""
    tags = "\n".join(item.tags)
    if isinstance(item, Highlight):
        whose: Row = (item.kind, int(item.is_deleted), item.id)
        quote = item.anchor.quote.exact if item.anchor.quote else ""
        texts = ("", quote, "", item.comment, tags, item.anchor.heading or "")
    else:
        whose = ("note", int(item.is_deleted), item.highlight_id or "")
        texts = (item.title, "", item.text, "", tags, "")
    return (*whose, *(indexed(text) if text else "" for text in texts))


def _facets(highlight: Row | None, note: Row | None, tags: Iterable[str]) -> set[tuple[str, str]]:
    """Return what an item counts for; nothing while it is in the trash."""
    if highlight is not None and highlight[10] is None:
        return {("work", highlight[1]), ("color", highlight[3]), *(("tag", tag) for tag in tags)}
    if highlight is None and note is not None and note[7] is None:
        return {("tag", tag) for tag in tags}
    return set()

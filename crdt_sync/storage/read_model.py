"""The tables that queries read: a projection of the document, which can be thrown away and built again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crdt_sync.document.anchors import Anchor
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.document.values import Highlight, Note

__all__ = ["Author", "Counts", "ReadModel", "SearchHit"]

_HIGHLIGHT = (
    "SELECT id, anchor, color, style, comment, created_at_ms, created_by, updated_at_ms, deleted_at_ms, kind "
    "FROM highlights"
)
_NOTE = "SELECT id, highlight_id, title, text, created_at_ms, created_by, updated_at_ms, deleted_at_ms FROM notes"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many items there are, and how many of them are in the trash."""

    highlights: int
    notes: int
    trashed: int


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An item that a search found; the words found are between `[` and `]` in `snippet`."""

    item_id: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Author:
    """A name, the items that bear it as their maker's, those in the trash included, and when the last was made.

    The time is milliseconds since 1970, by the clock of the device that made it.
    """

    name: str
    highlights: int
    notes: int
    last_made_at_ms: int


class ReadModel:
    """Writes and reads the projection through one connection. The caller holds the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # Projecting

    def project(self, document: LibraryDocument, tags_of: Mapping[str, Iterable[str]]) -> None:
        """Bring items, whole, to what the document says; `tags_of` each are the tags that may be new.

        Tags of an item that is not there are projected too: it may come, or come back, and has them then.
        """
        with document.reading():
            for item_id, touched in tags_of.items():
                known = self._tags(item_id)
                tags = document.tags(item_id, {*touched, *known})
                highlight = document.highlight(item_id, tags)
                note = None if highlight is not None else document.note(item_id, tags)
                self._put_highlight(item_id, highlight)
                self._put_note(item_id, note)
                item = highlight or note
                self._put_tags(item_id, set(tags), set(known))
                self._put_searched(item_id, _searchable(item))

    def rebuild(self, document: LibraryDocument) -> None:
        """Throw the projection away and make it again from the document."""
        for table in ("highlights", "notes", "tags", "searched"):
            self._connection.execute(f"DELETE FROM {table}")
        self._connection.execute("INSERT INTO search (search) VALUES ('delete-all')")
        with document.reading():
            tags_of = dict(document.item_ids())
        self.project(document, tags_of)

    def content(self) -> list[list[tuple[Any, ...]]]:
        """Return all that is projected, in a fixed order, to compare."""
        queries = (
            f"{_HIGHLIGHT} ORDER BY id",
            f"{_NOTE} ORDER BY id",
            "SELECT item_id, tag FROM tags ORDER BY item_id, tag",
            "SELECT item_id, text FROM searched ORDER BY item_id",
        )
        return [self._connection.execute(query).fetchall() for query in queries]

    def _put_highlight(self, item_id: str, item: Highlight | None) -> None:
        if item is None:
            self._connection.execute("DELETE FROM highlights WHERE id = ?", (item_id,))
            return
        self._connection.execute(
            "INSERT OR REPLACE INTO highlights VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item_id,
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
            ),
        )

    def _put_note(self, item_id: str, item: Note | None) -> None:
        if item is None:
            self._connection.execute("DELETE FROM notes WHERE id = ?", (item_id,))
            return
        self._connection.execute(
            "INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item_id,
                item.highlight_id,
                item.title,
                item.text,
                item.created_at_ms,
                item.created_by,
                item.updated_at_ms,
                item.deleted_at_ms,
            ),
        )

    def _put_tags(self, item_id: str, wanted: set[str], known: set[str]) -> None:
        for tag in known - wanted:
            self._connection.execute("DELETE FROM tags WHERE item_id = ? AND tag = ?", (item_id, tag))
        for tag in wanted - known:
            self._connection.execute("INSERT INTO tags VALUES (?, ?)", (item_id, tag))

    def _put_searched(self, item_id: str, text: str) -> None:
        """Full text costs more than all the rest, so it is touched only when the words have changed."""
        row = self._connection.execute("SELECT rowid, text FROM searched WHERE item_id = ?", (item_id,)).fetchone()
        if (row[1] if row else "") == text:
            return
        if row:
            self._connection.execute("INSERT INTO search (search, rowid, text) VALUES ('delete', ?, ?)", row)
            self._connection.execute("DELETE FROM searched WHERE rowid = ?", (row[0],))
        if text:
            made = self._connection.execute("INSERT INTO searched (item_id, text) VALUES (?, ?)", (item_id, text))
            self._connection.execute("INSERT INTO search (rowid, text) VALUES (?, ?)", (made.lastrowid, text))

    # Reading

    def highlight(self, item_id: str) -> Highlight | None:
        """Return a highlight, in the trash or not, or None."""
        return next(self._read_highlights("WHERE id = ?", [item_id]), None)

    def note(self, item_id: str) -> Note | None:
        """Return a note, in the trash or not, or None."""
        return next(self._read_notes("WHERE id = ?", [item_id]), None)

    def item(self, item_id: str) -> Highlight | Note | None:
        """Return a highlight or note, in the trash or not, or None."""
        return self.highlight(item_id) or self.note(item_id)

    def highlights(
        self,
        *,
        work: str | None = None,
        within: str | None = None,
        color: str | None = None,
        tag: str | None = None,
        trashed: bool = False,
        limit: int = -1,
        offset: int = 0,
    ) -> list[Highlight]:
        """Return highlights by place; `within` is a source or what it lies in: `Gen.1` finds `Gen.1.1-Gen.1.3`."""
        where, values = ["deleted_at_ms IS NOT NULL" if trashed else "deleted_at_ms IS NULL"], []
        if work is not None:
            where.append("work = ?")
            values.append(work)
        if within is not None:
            # one range for the index, with "/" as what follows "." in Unicode; then no "Gen.1-x" in it
            where.append("source >= ? AND source < ? AND (source = ? OR source >= ?)")
            values += [within, f"{within}/", within, f"{within}."]
        if color is not None:
            where.append("color = ?")
            values.append(color)
        if tag is not None:
            where.append("id IN (SELECT item_id FROM tags WHERE tag = ?)")
            values.append(tag)
        clause = f"WHERE {' AND '.join(where)} ORDER BY work, source, created_at_ms, id LIMIT ? OFFSET ?"
        return list(self._read_highlights(clause, [*values, limit, offset]))

    def notes(
        self, *, highlight_id: str | None = None, trashed: bool = False, limit: int = -1, offset: int = 0
    ) -> list[Note]:
        """Return notes, the newest first, of one highlight or all."""
        where, values = ["deleted_at_ms IS NOT NULL" if trashed else "deleted_at_ms IS NULL"], []
        if highlight_id is not None:
            where.append("highlight_id = ?")
            values.append(highlight_id)
        clause = f"WHERE {' AND '.join(where)} ORDER BY created_at_ms DESC, id LIMIT ? OFFSET ?"
        return list(self._read_notes(clause, [*values, limit, offset]))

    def search(self, text: str, *, limit: int = 50) -> list[SearchHit]:
        """Return what holds all the words of `text`, the best first; the last word may be unfinished."""
        words = text.split()
        if not words:
            return []
        query = " ".join(f'"{word.replace(chr(34), chr(34) * 2)}"' for word in words) + "*"
        rows = self._connection.execute(
            "SELECT searched.item_id, snippet(search, 0, '[', ']', ' … ', 16) FROM search "
            "JOIN searched ON searched.rowid = search.rowid WHERE search MATCH ? ORDER BY rank LIMIT ?",
            (query, limit),
        )
        return [SearchHit(item_id, snippet) for item_id, snippet in rows]

    def ids_starting_with(self, start: str, *, limit: int = 10) -> list[str]:
        """Return ids of highlights and notes, in the trash or not, that begin like this."""
        rows = self._connection.execute(
            "SELECT id FROM highlights WHERE substr(id, 1, ?) = ? UNION "
            "SELECT id FROM notes WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT ?",
            (len(start), start, len(start), start, limit),
        )
        return [item_id for (item_id,) in rows]

    def counts(self) -> Counts:
        """Return how many items there are."""
        row = self._connection.execute(
            "SELECT (SELECT count(*) FROM highlights), (SELECT count(*) FROM notes), "
            "(SELECT count(*) FROM highlights WHERE deleted_at_ms IS NOT NULL) + "
            "(SELECT count(*) FROM notes WHERE deleted_at_ms IS NOT NULL)"
        ).fetchone()
        return Counts(*row)

    def authors(self) -> list[Author]:
        """Return who made the items, the one who made something last first."""
        rows = self._connection.execute(
            "SELECT created_by, sum(highlight), sum(1 - highlight), max(created_at_ms) AS last FROM ("
            "SELECT created_by, 1 AS highlight, created_at_ms FROM highlights UNION ALL "
            "SELECT created_by, 0, created_at_ms FROM notes) GROUP BY created_by ORDER BY last DESC, created_by"
        )
        return [Author(*row) for row in rows]

    def _read_highlights(self, clause: str, values: list[Any]) -> Iterator[Highlight]:
        for item_id, anchor, color, style, comment, *times in self._connection.execute(
            f"{_HIGHLIGHT} {clause}", values
        ):
            yield Highlight(
                item_id, Anchor.from_json(json.loads(anchor)), color, style, self._tags(item_id), comment, *times
            )

    def _read_notes(self, clause: str, values: list[Any]) -> Iterator[Note]:
        for item_id, highlight_id, title, text, *times in self._connection.execute(f"{_NOTE} {clause}", values):
            yield Note(item_id, highlight_id, title, text, self._tags(item_id), *times)

    def _tags(self, item_id: str) -> tuple[str, ...]:
        rows = self._connection.execute("SELECT tag FROM tags WHERE item_id = ? ORDER BY tag", (item_id,))
        return tuple(tag for (tag,) in rows)


def _searchable(item: Highlight | Note | None) -> str:
    if item is None or item.is_deleted:
        return ""
    match item:
        case Highlight(anchor=anchor, comment=comment):
            parts = [anchor.heading or "", anchor.quote.exact if anchor.quote else "", comment]
        case Note(title=title, text=text):
            parts = [title, text]
    return "\n".join(part for part in (*parts, *item.tags) if part)

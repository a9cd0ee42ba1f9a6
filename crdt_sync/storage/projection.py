"""Writes the tables that queries read, from what the document says. They can be thrown away and built again."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping

from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.document.links import link_target
from crdt_sync.document.observed import Touch
from crdt_sync.document.values import Highlight, Note
from crdt_sync.storage.standing import COLLECTIONS, HIGHLIGHTS, ITEMS, NOTES, Facets, Row, Standing, standing, texts_of

__all__ = ["PROJECTION", "Projection"]

PROJECTION = 2
"""The version of what is projected. A file with an older one is projected anew when it is opened."""

_TEXTS = ("title", "quote", "text", "comment", "tags", "heading")
"""The columns of the full text."""
_CONTENT = {
    "highlights": ", ".join(HIGHLIGHTS),
    "notes": ", ".join(NOTES),
    "tags": "item_id, tag",
    "full text": f"item_id, {', '.join(_TEXTS)}",
    "collections": ", ".join(COLLECTIONS),
    "members": "collection_id, item_id, order_key",
    "links": "item_id, link, target, dangling",
    "tallies": "facet, value, items",
}
"""What is projected, and the columns of each in a fixed order."""
_TABLES = {name: "searched" if name == "full text" else name for name in _CONTENT}

_DANGLES = (
    "CASE substr({0}, 1, 5) WHEN 'osis:' THEN 0 "
    "WHEN 'note:' THEN NOT EXISTS (SELECT 1 FROM notes WHERE id = substr({0}, 6) AND deleted_at_ms IS NULL) "
    "WHEN 'highl' THEN NOT EXISTS (SELECT 1 FROM highlights WHERE id = substr({0}, 11) AND deleted_at_ms IS NULL) "
    "ELSE NOT EXISTS (SELECT 1 FROM notes "
    "WHERE title_key = substr({0}, 3, length({0}) - 4) AND deleted_at_ms IS NULL) END"
)
"""Whether a link's target leads to nothing, or only into the trash. A place always leads somewhere."""


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
                was, now = self._project(document, item_id, touch)
                self._tally(was - now, -1)
                self._tally(now - was, +1)

    def rebuild(self, document: LibraryDocument) -> None:
        """Throw the projection away and make it again from the document.

        Indexes, the full text, tallies and what dangles are made when all rows are there: that takes half the time.
        """
        tables = ", ".join(f"'{table}'" for table in _TABLES.values())
        indexes = self._connection.execute(
            f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ({tables})"
        ).fetchall()
        for name, _ in indexes:
            self._connection.execute(f"DROP INDEX {name}")
        for table in _TABLES.values():
            self._connection.execute(f"DELETE FROM {table}")
        tallies: Counter[tuple[str, str]] = Counter()
        with document.reading():
            for item_id, touch in document.all_items().items():
                tallies.update(self._project(document, item_id, touch, anew=True)[1])
        rows = [(*facet, items) for facet, items in tallies.items()]
        self._connection.executemany("INSERT INTO tallies VALUES (?, ?, ?)", rows)
        self._connection.execute("INSERT INTO search (search) VALUES ('rebuild')")
        for _, statement in indexes:
            self._connection.execute(statement)
        self._connection.execute(f"UPDATE links SET dangling = {_DANGLES.format('target')}")
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

    def _project(
        self, document: LibraryDocument, item_id: str, touch: Touch, *, anew: bool = False
    ) -> tuple[Facets, Facets]:
        """Return what the item counted for and what it counts for now. With `anew` nothing of it stands there yet."""
        known = set() if anew else self._known_tags(item_id)
        was = None if anew else self._standing(item_id)
        tags = document.tags(item_id, {*touch.tags, *known})
        item = document.highlight(item_id, tags) or document.note(item_id, tags) or document.collection(item_id)
        now = None if item is None else standing(item, was)
        same_words = was is not None and now is not None and was.table == now.table and was.words == now.words
        number = was.number if was is not None and was.is_searched else None
        if not same_words or known != set(tags):
            texts = texts_of(item) if isinstance(item, Highlight | Note) else None
            number = self._put_words(number, item_id, texts, index=not anew)
        self._put(was, now, number)
        self._put_tags(item_id, set(tags), known)
        self._put_members(document, item_id, touch.members)
        if not same_words or isinstance(item, Note):  # a link may be a mark, and no part of a note's words
            links = document.links(item) if isinstance(item, Highlight | Note) else ()
            known_links = set() if anew else self._known_links(item_id)
            self._put_links(item_id, {(link, target) for link in links if (target := link_target(link))}, known_links)
        if not anew:
            led = (set() if was is None else was.targets()) ^ (set() if now is None else now.targets())
            for target in led:
                dangles = _DANGLES.format("target")
                self._connection.execute(f"UPDATE links SET dangling = {dangles} WHERE target = ?", (target,))
        return (set() if was is None else was.facets(known)), (set() if now is None else now.facets(tags))

    def _standing(self, item_id: str) -> Standing | None:
        for table, columns in ITEMS.items():
            select = f"SELECT rowid, {', '.join(columns)} FROM {table} WHERE id = ?"
            found = self._connection.execute(select, (item_id,)).fetchone()
            if found is not None:
                return Standing(table, found[1:], found[0])
        return None

    def _put(self, was: Standing | None, now: Standing | None, number: int | None) -> None:
        """Write what differs of a row, so that only the indexes of what has changed are written."""
        if was is not None and now is not None and was.table == now.table:
            columns = ITEMS[now.table]
            changed = [place for place, value in enumerate(now.row) if was.row[place] != value]
            if changed:
                setting = ", ".join(f"{columns[place]} = ?" for place in changed)
                values = [now.row[place] for place in changed]
                self._connection.execute(f"UPDATE {now.table} SET {setting} WHERE rowid = ?", (*values, was.number))
            return
        if was is not None:
            self._connection.execute(f"DELETE FROM {was.table} WHERE rowid = ?", (was.number,))
        if now is not None:
            names, holes = ", ".join(ITEMS[now.table]), ", ?" * len(now.row)
            self._connection.execute(f"INSERT INTO {now.table} (rowid, {names}) VALUES (?{holes})", (number, *now.row))

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

    def _put_words(self, number: int | None, item_id: str, texts: Row | None, *, index: bool) -> int | None:
        """Write the full text of an item; return the number of its row. It costs more than all the rest.

        A row keeps its number, so that the newest items have the highest.
        """
        names, holes = ", ".join(_TEXTS), ", ?" * len(_TEXTS)
        if number is not None:
            before = self._connection.execute(f"SELECT {names} FROM searched WHERE row = ?", (number,)).fetchone()
            if before == texts:
                return number
            if before is not None:
                delete = f"INSERT INTO search (search, rowid, {names}) VALUES ('delete', ?{holes})"
                self._connection.execute(delete, (number, *before))
                self._connection.execute("DELETE FROM searched WHERE row = ?", (number,))
        if texts is None:
            return None
        insert = f"INSERT INTO searched (row, item_id, {names}) VALUES (?, ?{holes})"
        number = self._connection.execute(insert, (number, item_id, *texts)).lastrowid
        if index:
            self._connection.execute(f"INSERT INTO search (rowid, {names}) VALUES (?{holes})", (number, *texts))
        return number

    def _put_links(self, item_id: str, wanted: set[tuple[str, str]], known: set[tuple[str, str]]) -> None:
        for link, _ in known - wanted:
            self._connection.execute("DELETE FROM links WHERE item_id = ? AND link = ?", (item_id, link))
        insert = f"INSERT OR REPLACE INTO links VALUES (?1, ?2, ?3, {_DANGLES.format('?3')})"
        for link, target in wanted - known:
            self._connection.execute(insert, (item_id, link, target))

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

    def _known_links(self, item_id: str) -> set[tuple[str, str]]:
        return set(self._connection.execute("SELECT link, target FROM links WHERE item_id = ?", (item_id,)))

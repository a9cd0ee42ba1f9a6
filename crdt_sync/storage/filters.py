"""What a list or a search is narrowed down to, as conditions of SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict

from crdt_sync.document.verses import osis_source
from crdt_sync.errors import InvalidEdit

__all__ = ["SORTS", "Conditions", "Filters", "ItemFilter", "Narrowing", "Rows", "Sort", "order_by"]

Sort: TypeAlias = Literal["place", "newest", "changed"]
SORTS: tuple[Sort, ...] = ("place", "newest", "changed")
MANY = 25_000
"""So many rows are counted in an index alone in a millisecond."""
FEW = 1_000
"""So many items are looked up, one by one, in as much."""
KINDS = ("highlight", "bookmark", "note")


class Filters(TypedDict, total=False):
    """What `highlights`, `notes` and `search` are narrowed down to; all that is given must hold.

    `kind` is `highlight`, `bookmark` or `note`. `work`, `within` and `color` are those of the highlight; a note has
    those of the highlight that it belongs to. `within` is a source or what it lies in: `Gen.1`, or `GEN 1`, finds
    `Gen.1.1-Gen.1.3`.
    `tag` is a tag or several, which the item must all have; `collection` the id of one. Times are milliseconds since
    1970, by the clocks of the devices: from `since` on and before `until`. `has_note` is True for highlights with a
    note, False for those without. `trashed` gives what is in the trash instead of what is not.
    """

    kind: str | None
    work: str | None
    within: str | None
    color: str | None
    tag: str | Sequence[str] | None
    collection: str | None
    created_since_ms: int | None
    created_until_ms: int | None
    changed_since_ms: int | None
    changed_until_ms: int | None
    has_note: bool | None
    trashed: bool


@dataclass(slots=True)
class Conditions:
    """Conditions to be joined by AND, and the values of their parameters."""

    where: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition with its values."""
        self.where.append(condition)
        self.values += values

    def take(self, other: Conditions) -> None:
        """Add the conditions of another."""
        self.where += other.where
        self.values += other.values

    def __str__(self) -> str:
        return " AND ".join(self.where or ["1"])


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table as an index gives them: what stands after `SELECT`, and the values of its parameters."""

    table: str
    given: str
    values: Sequence[Any]

    def select(self, *names: str) -> str:
        """Return the statement that gives these, in which `{0}` is the number of the row."""
        return f"SELECT {', '.join(names)} {self.given}".format(f"{self.table}.rowid")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What one filter lets pass: rows of `highlights` and `notes`, or of the full text. More than `most` are many."""

    rows: tuple[Rows, ...]
    most: int

    @property
    def select(self) -> str:
        """The statement that gives their numbers."""
        return " UNION ALL ".join(rows.select("{0}") for rows in self.rows)

    @property
    def values(self) -> list[Any]:
        """The values of its parameters."""
        return [value for rows in self.rows for value in rows.values]


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """The values of `Filters`. Raises `InvalidEdit` for a kind that there is none of."""

    kind: str | None = None
    work: str | None = None
    within: str | None = None
    color: str | None = None
    tag: str | Sequence[str] | None = None
    collection: str | None = None
    created_since_ms: int | None = None
    created_until_ms: int | None = None
    changed_since_ms: int | None = None
    changed_until_ms: int | None = None
    has_note: bool | None = None
    trashed: bool = False

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            raise InvalidEdit(f"a kind is one of {', '.join(KINDS)}; this is {self.kind!r}")

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that the item must have."""
        return () if self.tag is None else (self.tag,) if isinstance(self.tag, str) else tuple(self.tag)

    @property
    def asks(self) -> bool:
        """True if anything but the trash is asked of."""
        return self != ItemFilter(trashed=self.trashed)

    @property
    def is_of_the_passage(self) -> bool:
        """True if the highlight must be looked at, a note's too."""
        return any(each is not None for each in (self.work, self.within, self.color))

    def of_highlights(self, *, walk: bool) -> Conditions | None:
        """Return what is asked of a row of `highlights`, the trash left aside; None if none passes.

        With `walk` items are looked at in the order of the list, which is faster where many match; else those with the
        tag are looked up first.
        """
        conditions = Conditions()
        if self.kind == "note":
            return None
        if self.kind is not None:
            conditions.add(f"highlights.kind = '{self.kind}'")  # to the letter, as the index of bookmarks has it
        for part in self._of_the_passage():
            conditions.take(part)
        self._of_the_item(conditions, "highlights", walk=walk)
        if self.has_note is not None:
            notes = "SELECT 1 FROM notes AS own WHERE own.highlight_id = highlights.id AND own.deleted_at_ms IS NULL"
            conditions.add(f"{'' if self.has_note else 'NOT '}EXISTS ({notes})")
        return conditions

    def of_notes(self, *, walk: bool) -> Conditions | None:
        """Return what is asked of a row of `notes`, beside its highlight if it `is_of_the_passage`; else as above."""
        if self.kind not in (None, "note") or self.has_note is not None:
            return None  # only highlights have notes
        conditions = Conditions()
        for part in self._of_the_passage():
            conditions.take(part)
        self._of_the_item(conditions, "notes", walk=walk)
        return conditions

    def narrowings(self) -> list[Narrowing]:
        """Return what an index answers of it; tags are left to the full text, which has them too."""
        found = []
        tables = ("highlights", "notes")
        for times in zip(*map(self._times, tables), strict=True):
            rows = [
                Rows(table, f"FROM {table} WHERE {asked}", asked.values)
                for table, asked in zip(tables, times, strict=True)
            ]
            found.append(Narrowing(tuple(rows), MANY))
        for part in self._of_the_passage():
            highlights = Rows("highlights", f"FROM highlights WHERE {part}", part.values)
            join = "FROM highlights CROSS JOIN notes ON notes.highlight_id = highlights.id"
            found.append(Narrowing((highlights, Rows("notes", f"{join} WHERE {part}", part.values)), FEW))
        if self.collection is not None:
            join = "FROM members CROSS JOIN {0} ON {0}.id = item_id WHERE collection_id = ?"
            rows = [Rows(table, join.format(table), [self.collection]) for table in tables]
            found.append(Narrowing(tuple(rows), FEW))
        return found

    def _times(self, table: str) -> list[Conditions]:
        """Return what is asked of the times in a table, made and changed, each if it is."""
        asked = []
        for column, since, until in (
            ("created_at_ms", self.created_since_ms, self.created_until_ms),
            ("updated_at_ms", self.changed_since_ms, self.changed_until_ms),
        ):
            conditions = Conditions()
            for compared, value in ((">=", since), ("<", until)):
                if value is not None:
                    conditions.add(f"{table}.{column} {compared} ?", value)
            asked += [conditions] if conditions.where else []
        return asked

    def _of_the_passage(self) -> list[Conditions]:
        """Return what `work`, `within` and `color` ask of `highlights`, each if it does."""
        asked = []
        if self.work is not None:
            asked.append(Conditions(["highlights.work = ?"], [self.work]))
        if self.within is not None:
            # one range for the index, with "/" as what follows "." in Unicode; then no "Gen.1-x" in it
            within, conditions = osis_source(self.within), Conditions()
            conditions.add("highlights.source >= ? AND highlights.source < ?", within, f"{within}/")
            conditions.add("(highlights.source = ? OR highlights.source >= ?)", within, f"{within}.")
            asked.append(conditions)
        if self.color is not None:
            asked.append(Conditions(["highlights.color = ?"], [self.color]))
        return asked

    def _of_the_item(self, conditions: Conditions, table: str, *, walk: bool) -> None:
        for times in self._times(table):
            conditions.take(times)
        for tag in self.tags:
            found = "EXISTS (SELECT 1 FROM tags WHERE item_id = {0}.id AND tag = ?)"
            found = found if walk else "{0}.id IN (SELECT item_id FROM tags WHERE tag = ?)"
            conditions.add(found.format(table), tag)
        if self.collection is not None:
            members = "SELECT item_id FROM members WHERE collection_id = ?"
            conditions.add(f"{table}.id IN ({members})", self.collection)


def order_by(sort: str, table: str) -> str:
    """Return what `ORDER BY` takes. Raises `InvalidEdit` if there is no such order."""
    match sort:
        case "place":
            return "highlights.work, highlights.place, highlights.created_at_ms, highlights.id"
        case "newest":
            return f"{table}.created_at_ms DESC, {table}.id"
        case "changed":
            return f"{table}.updated_at_ms DESC, {table}.id"
    raise InvalidEdit(f"a list is sorted by one of {', '.join(SORTS)}; this is {sort!r}")

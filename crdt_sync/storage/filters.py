"""What a list or a search is narrowed down to, as conditions of SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict

from crdt_sync.document.verses import osis_source
from crdt_sync.errors import InvalidEdit

__all__ = ["SORTS", "Conditions", "Filters", "ItemFilter", "Sort", "order_by"]

Sort: TypeAlias = Literal["place", "newest", "changed"]
SORTS: tuple[Sort, ...] = ("place", "newest", "changed")
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

    where: list[str]
    values: list[Any]

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition with its values."""
        self.where.append(condition)
        self.values += values

    def __str__(self) -> str:
        return " AND ".join(self.where)


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
    def is_of_the_passage(self) -> bool:
        """True if the highlight must be looked at, a note's too."""
        return any(each is not None for each in (self.work, self.within, self.color))

    def of_the_passage(self, conditions: Conditions) -> None:
        """Add what `work`, `within` and `color` ask of `highlights`."""
        if self.work is not None:
            conditions.add("highlights.work = ?", self.work)
        if self.within is not None:
            # one range for the index, with "/" as what follows "." in Unicode; then no "Gen.1-x" in it
            within = osis_source(self.within)
            conditions.add("highlights.source >= ? AND highlights.source < ?", within, f"{within}/")
            conditions.add("(highlights.source = ? OR highlights.source >= ?)", within, f"{within}.")
        if self.color is not None:
            conditions.add("highlights.color = ?", self.color)

    def of_the_times(self, conditions: Conditions, created: str, changed: str) -> None:
        """Add what is asked of the times in the columns `created` and `changed`."""
        for column, compared, value in (
            (created, ">=", self.created_since_ms),
            (created, "<", self.created_until_ms),
            (changed, ">=", self.changed_since_ms),
            (changed, "<", self.changed_until_ms),
        ):
            if value is not None:
                conditions.add(f"{column} {compared} ?", value)

    def of_the_item(self, conditions: Conditions, item_id: str, *, walk: bool) -> None:
        """Add what is asked of the item in the column `item_id`.

        With `walk` items are looked at in the order of the list, which is faster where many match; else those with the
        tag, or of the collection, are looked up first.
        """
        for tag in self.tags:
            found = "EXISTS (SELECT 1 FROM tags WHERE item_id = {0} AND tag = ?)"
            found = found if walk else "{0} IN (SELECT item_id FROM tags WHERE tag = ?)"
            conditions.add(found.format(item_id), tag)
        if self.collection is not None:
            conditions.add(f"{item_id} IN (SELECT item_id FROM members WHERE collection_id = ?)", self.collection)
        if self.has_note is not None:
            notes = f"SELECT 1 FROM notes AS own WHERE own.highlight_id = {item_id} AND own.deleted_at_ms IS NULL"
            conditions.add(f"{'' if self.has_note else 'NOT '}EXISTS ({notes})")


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

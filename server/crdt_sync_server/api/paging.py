"""Pages of a list that is sorted by a key: what follows `after`, at most `limit`, and what to ask for next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from crdt_sync_server.api.problems import Problem
from crdt_sync_server.api.routing import Query

__all__ = ["AFTER", "LIMIT", "page_of"]

MAX_PAGE = 500
AFTER = Query("after", "The `next` of the page before; without it the first page.")
LIMIT = Query(
    "limit", "How many at most.", "100", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100}
)

Item = TypeVar("Item")


def page_of(
    items: Sequence[Item], key: Callable[[Item], str], query: Mapping[str, str]
) -> tuple[Sequence[Item], str | None]:
    """Return a page of `items`, which are sorted by `key`, and the `next`, None on the last. Raises `Problem` (400)."""
    limit = query["limit"]
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 9 and 1 <= int(limit) <= MAX_PAGE):
        raise Problem(400, "query", f"limit must be a whole number from 1 to {MAX_PAGE}")
    rest = [each for each in items if key(each) > query["after"]]
    page = rest[: int(limit)]
    return page, key(page[-1]) if len(page) < len(rest) else None

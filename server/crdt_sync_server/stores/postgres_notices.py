"""What the relays of one database tell each other: a row for each notice, written in the transaction that it is about.

Its number comes from one counter, whose row is held until the commit: they are gapless and in the order of the commits.
So a notice is the last thing that a transaction writes. Those of more than two days are pruned as others come, from the
first on, so none is missing in between.
"""

from __future__ import annotations

from collections.abc import Sequence

from crdt_sync_server.errors import StoreError
from crdt_sync_server.ports import Notice, NoticeKind
from crdt_sync_server.stores.postgres_connecting import Row
from crdt_sync_server.stores.postgres_link import Session
from crdt_sync_server.stores.postgres_rows import NOW_MS

__all__ = ["LATER", "announce", "later"]

KEPT_MS = 2 * 24 * 3600 * 1000

ANNOUNCE = f"""
WITH last AS (UPDATE last_notice SET number = number + cardinality(%(about)s::text[]) RETURNING number)
INSERT INTO notices (number, kind, about, node, at_ms)
SELECT last.number - cardinality(%(about)s::text[]) + place, %(kind)s, about, %(node)s, {NOW_MS}
FROM last, unnest(%(about)s::text[]) WITH ORDINALITY AS told (about, place)
"""
PRUNE = f"""
DELETE FROM notices WHERE number < (SELECT min(number) FROM notices WHERE at_ms >= {NOW_MS} - {KEPT_MS})
"""
LATER = """
SELECT last_notice.number, notices.number, kind, about, node
FROM last_notice LEFT JOIN notices ON notices.number > %s ORDER BY notices.number
"""


async def announce(session: Session, node: str, kind: NoticeKind, about: Sequence[str]) -> None:
    """Write notices, as the last that is written before the commit."""
    if about:
        await session.execute(ANNOUNCE, {"about": list(about), "kind": kind.value, "node": node})
        await session.execute(PRUNE)


def later(rows: Sequence[Row], after: int) -> list[Notice] | None:
    """Return the notices that `LATER` has found, None if some after the number `after` are gone.

    That is also so if the last has a lower number: the database was put back to an earlier state. Raises `StoreError`.
    """
    last = rows[0][0]
    found = [(number, kind, about, node) for _, number, kind, about, node in rows if number is not None]
    if last < after or len(found) != last - after:
        return None
    try:
        return [Notice(number, NoticeKind(kind), about, node) for number, kind, about, node in found]
    except ValueError as error:
        raise StoreError("a newer relay tells what this version does not know; install that version") from error

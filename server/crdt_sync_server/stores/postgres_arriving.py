"""A database takes in all that another store holds, in one transaction: all of it is there, or nothing.

The tables are locked against all who write, looked at, and must be empty. So nothing is merged, whoever comes between;
and who is cut off may simply begin again. Rows come in portions by COPY, each with a bound in time: of what is read no
more than a portion is in memory.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import psycopg

from crdt_sync_server.errors import StoreError
from crdt_sync_server.moving import TABLES, Holdings, Moved
from crdt_sync_server.stores.postgres_connecting import (
    ANSWER_S,
    LONG_S,
    SCHEMA,
    Connection,
    Row,
    Target,
    connect,
    deadline,
    is_text,
    rows,
    translate,
    words,
)
from crdt_sync_server.stores.postgres_schema import prepare

__all__ = ["take_in"]

PORTION_BYTES = 4 * 1024 * 1024
PORTION_ROWS = 2_000
WRITE_BYTES_PER_S = 1024 * 1024
"""A portion that goes slower than this is given up."""
BEGIN = (
    "BEGIN",
    "SET LOCAL lock_timeout = '30s'",  # of one that was killed, the server may still have to notice
    "SET LOCAL idle_in_transaction_session_timeout = '60s'",  # a slow disk may read for a while
    f"LOCK TABLE {', '.join(TABLES)} IN SHARE ROW EXCLUSIVE MODE",
)
FILLED = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in TABLES)
PASS_OVER_A_NOTICE = "UPDATE last_notice SET number = number + 1"
"""A relay that has the empty database open misses one notice, and looks at everything again."""
NO_VALUE = (psycopg.DataError, TypeError, ValueError, OverflowError, struct.error)
"""What the driver says to a value that is none of the column's."""


async def take_in(url: str, holdings: Holdings, told: Callable[[int, int], None]) -> Moved:
    """Write all of `holdings` into an empty database. `told` hears how many bytes were sent, and of how many.

    Raises `StoreError`: nothing is written then, unless the connection was lost at the very end, and it says so.
    """
    target = Target.of(url)
    connection = await connect(target)
    try:
        await prepare(connection, target)
        return await _take_in(connection, target, holdings, told)
    except (psycopg.Error, OSError) as error:
        raise translate(error, target) from error
    finally:
        await connection.close()  # which rolls back what is not committed


async def _take_in(
    connection: Connection, target: Target, holdings: Holdings, told: Callable[[int, int], None]
) -> Moved:
    for statement in BEGIN:
        with deadline(connection, target, LONG_S):
            await connection.execute(statement)
    with deadline(connection, target, LONG_S):
        if filled := [table for (table,) in await rows(connection, FILLED, ())]:
            raise StoreError(
                f"the database at {target.where} is not empty, it has {', '.join(filled)}, and nothing is merged; name "
                f"another in database-url, or drop the schema {SCHEMA} there if nobody needs what is in it"
            )
    counts: Counter[str] = Counter()
    tombstones = sent_bytes = 0
    for table in TABLES:
        with deadline(connection, target, ANSWER_S):
            described = (await connection.execute(f"SELECT {TABLES[table]} FROM {table} LIMIT 0")).description or ()
        types = [column.type_code for column in described]
        for portion, size_bytes in _portions(_that_fit(table, holdings.rows(table))):
            with deadline(connection, target, ANSWER_S + size_bytes / WRITE_BYTES_PER_S):
                await _copy(connection, table, types, portion)
            counts[table] += len(portion)
            sent_bytes += size_bytes
            told(sent_bytes, holdings.size_bytes)
            if table == "rooms":
                tombstones += sum(deleted_ms is not None for *_, deleted_ms in portion)
    with deadline(connection, target, ANSWER_S):
        await connection.execute(PASS_OVER_A_NOTICE)
    await _commit(connection, target)
    return Moved(target.where, {table: counts[table] for table in TABLES}, tombstones, holdings.size_bytes)


async def _copy(connection: Connection, table: str, types: Sequence[int], portion: Sequence[Row]) -> None:
    async with connection.cursor().copy(f"COPY {table} ({TABLES[table]}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for row in portion:
            try:
                await copy.write_row(row)
            except NO_VALUE as error:
                raise _does_not_fit(table, row, words(error)) from error


async def _commit(connection: Connection, target: Target) -> None:
    try:
        with deadline(connection, target, LONG_S):
            await connection.execute("COMMIT")
    except (psycopg.OperationalError, StoreError) as error:
        raise StoreError(
            f"{translate(error, target)}; whether all was written is not known: ask again, and it is refused if it was"
        ) from error


def _that_fit(table: str, found: Iterable[Row]) -> Iterator[Row]:
    """Leave out tombstones of names that no room of a database can have, as nobody can come back under one.

    Raises `StoreError` at anything else that a text of PostgreSQL cannot be.
    """
    for row in found:
        if all(is_text(value) for value in row if isinstance(value, str)):
            yield row
        elif table != "rooms" or row[-1] is None:
            raise _does_not_fit(table, row, "a text has a null character")


def _does_not_fit(table: str, row: Row, why: str) -> StoreError:
    return StoreError(f"PostgreSQL takes no such row of {table} as that of {row[0]!r}: {why}")


def _portions(found: Iterable[Row]) -> Iterator[tuple[list[Row], int]]:
    """Return rows in the portions in which they are sent, with the bytes of their data."""
    portion: list[Row] = []
    size_bytes = 0
    for row in found:
        portion.append(row)
        size_bytes += len(row[-1]) if isinstance(row[-1], bytes) else 0
        if size_bytes >= PORTION_BYTES or len(portion) == PORTION_ROWS:
            yield portion, size_bytes
            portion, size_bytes = [], 0
    if portion:
        yield portion, size_bytes

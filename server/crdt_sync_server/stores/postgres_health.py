"""What is wrong with the database, and what can be freed in it. Both take long, so they have a connection of their own.

`damage` reads everything, as every page that is read has its checksum checked, if the database has any. PostgreSQL's
own `amcheck` looks at the indexes, where the extension was made and the relay's user may use it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from crdt_sync_server.stores import postgres_rows
from crdt_sync_server.stores.postgres_connecting import SCHEMA, Connection, Target, connect, rows, translate

__all__ = ["damage", "vacuum"]

MISCOUNTED = "what is stored of it is not what its record says"
AMCHECK = """
SELECT quote_ident(nspname) || '.' || quote_ident(proname)
FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
WHERE proname = 'bt_index_check' AND pronargs = 2 AND has_function_privilege(pg_proc.oid, 'execute')
"""
INDEXES = """
SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = %s::regnamespace ORDER BY 1
"""


async def damage(target: Target) -> list[str]:
    """Return what is wrong, in words. Raises `StoreError` if it cannot be asked for."""
    found: list[str] = []
    async with _patient(target) as connection:
        try:
            found += [f"room {room!r}: {MISCOUNTED}" for (room,) in await rows(connection, postgres_rows.MISCOUNTS, ())]
        except (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted, psycopg.InternalError) as error:
            found.append(str(translate(error, target)))
        checks = await rows(connection, AMCHECK, ())
        indexes = await rows(connection, INDEXES, (SCHEMA,)) if checks else []
        for (index,) in indexes:
            try:
                await connection.execute(f"SELECT {checks[0][0]}(%s::regclass, true)", (index,))
            except (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted, psycopg.InternalError) as error:
                found.append(f"index {index}: {translate(error, target)}")
    return found


async def vacuum(target: Target) -> None:
    """Free the space of rows that were erased. Nobody waits for it."""
    async with _patient(target) as connection:
        for table in ("updates", "segments", "devices", "rooms"):
            await connection.execute(f"VACUUM {table}")


@asynccontextmanager
async def _patient(target: Target) -> AsyncIterator[Connection]:
    """Give a connection on which a statement may take as long as it does; a server that is gone still ends it."""
    connection = await connect(target)
    try:
        await connection.execute("SET statement_timeout = 0")
        yield connection
    except psycopg.Error as error:
        raise translate(error, target) from error
    finally:
        await connection.close()

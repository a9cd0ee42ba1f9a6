"""The relay's tables in PostgreSQL, and their migrations.

They lie in a schema of their own, so the database may be shared with other programs. Several relays start at once: each
migrates under one lock, in one transaction, and those that come later find it done. `postgres_rows` says what the
tables of rooms mean, the other modules their own.

Names are compared by their bytes (the collation "C"), as everywhere in the relay, whatever the database's own is.
"""

from __future__ import annotations

import psycopg

from crdt_sync_server.errors import StoreError
from crdt_sync_server.stores.postgres_connecting import LONG_S, SCHEMA, Connection, Target, deadline, rows, translate

__all__ = ["MIGRATIONS", "SCHEMA_VERSION", "prepare"]

OLDEST_SERVER = 130000
MIGRATION_LOCK = 0x63726474_73796E63  # "crdtsync"

MIGRATIONS = (
    """
CREATE TABLE rooms (
    room text COLLATE "C" PRIMARY KEY, owner text COLLATE "C", bytes bigint NOT NULL DEFAULT 0,
    updates bigint NOT NULL DEFAULT 0, position bigint NOT NULL DEFAULT 0, through bigint NOT NULL DEFAULT 0,
    snapshot bigint NOT NULL DEFAULT 0, parts integer NOT NULL DEFAULT 0, changed_ms bigint, deleted_ms bigint
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX rooms_of_owner ON rooms (owner) WHERE owner IS NOT NULL;
CREATE TABLE updates (
    room text COLLATE "C" NOT NULL, position bigint NOT NULL, data bytea NOT NULL, PRIMARY KEY (room, position)
);
CREATE TABLE segments (
    room text COLLATE "C" NOT NULL, snapshot bigint NOT NULL, part integer NOT NULL, data bytea NOT NULL,
    PRIMARY KEY (room, snapshot, part)
);
CREATE TABLE last_notice (number bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO last_notice VALUES (0);
CREATE TABLE notices (
    number bigint PRIMARY KEY, kind text NOT NULL, about text COLLATE "C" NOT NULL, node text NOT NULL,
    at_ms bigint NOT NULL
);
CREATE TABLE rosters (
    room text COLLATE "C" PRIMARY KEY, name text, made_by text COLLATE "C", made_ms bigint, deleted_ms bigint
);
CREATE TABLE members (
    room text COLLATE "C" NOT NULL, subject text COLLATE "C" NOT NULL, role text NOT NULL, since_ms bigint NOT NULL,
    name text, PRIMARY KEY (room, subject)
);
CREATE INDEX members_of_subject ON members (subject, room);
CREATE TABLE invitations (
    id text COLLATE "C" PRIMARY KEY, room text COLLATE "C" NOT NULL, role text NOT NULL, made_by text COLLATE "C",
    made_ms bigint NOT NULL, expires_ms bigint NOT NULL, uses_left bigint
);
CREATE INDEX invitations_of_room ON invitations (room);
CREATE TABLE invitation_uses (
    invitation text COLLATE "C" NOT NULL, subject text COLLATE "C" NOT NULL, PRIMARY KEY (invitation, subject)
);
CREATE TABLE audit (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at_ms bigint NOT NULL, who text COLLATE "C",
    what text NOT NULL, room text COLLATE "C" NOT NULL, about text COLLATE "C", detail text
);
CREATE INDEX audit_of_room ON audit (room, number);
CREATE TABLE keys (name text PRIMARY KEY, secret bytea NOT NULL);
CREATE TABLE tokens (
    id text COLLATE "C" PRIMARY KEY, subject text COLLATE "C" NOT NULL, name text, made_ms bigint NOT NULL,
    expires_ms bigint, revoked_ms bigint, made_with text COLLATE "C", used_ms bigint, digest bytea NOT NULL UNIQUE
);
CREATE INDEX tokens_of_subject ON tokens (subject);
CREATE INDEX tokens_made_with ON tokens (made_with) WHERE made_with IS NOT NULL;
CREATE TABLE devices (
    room text COLLATE "C" NOT NULL, subject text COLLATE "C" NOT NULL, device text COLLATE "C" NOT NULL,
    transport text COLLATE "C" NOT NULL, first_ms bigint NOT NULL, last_ms bigint NOT NULL, times bigint NOT NULL,
    PRIMARY KEY (room, subject, device, transport)
);
CREATE INDEX devices_of_subject ON devices (subject);
CREATE TABLE webhooks (
    id text COLLATE "C" PRIMARY KEY, url text NOT NULL, room text COLLATE "C", under text COLLATE "C",
    made_ms bigint NOT NULL, secret bytea NOT NULL
)""",
)
"""What brings the schema from each version to the next; a new one takes all. A relay of the version before may run on
beside it, so a migration adds, and takes away only what the version before did not use."""
SCHEMA_VERSION = len(MIGRATIONS)

SERVER = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'),
    pg_encoding_to_char(encoding), pg_is_in_recovery() OR current_setting('transaction_read_only')::bool
FROM pg_database WHERE datname = current_database()
"""
OURS = """
SELECT to_regnamespace(%(schema)s) IS NOT NULL, to_regclass(%(schema)s || '.schema_version') IS NOT NULL,
    EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s))
"""


async def prepare(connection: Connection, target: Target) -> None:
    """Bring a new or older schema to this version; leave one that is not ours, or newer than we are, as it is.

    Raises `StoreError`.
    """
    try:
        with deadline(connection, target, LONG_S):
            await _check_server(connection, target)
            if await _version(connection, target) == SCHEMA_VERSION:  # as nearly always: no lock, and few rights
                return
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '50s'")
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
                await _migrate(connection, await _version(connection, target))
    except psycopg.Error as error:
        raise translate(error, target) from error


async def _check_server(connection: Connection, target: Target) -> None:
    ((number, version, encoding, is_read_only),) = await rows(connection, SERVER, ())
    if number < OLDEST_SERVER:
        raise StoreError(
            f"PostgreSQL at {target.where} is {version}; the relay needs {OLDEST_SERVER // 10000} or later"
        )
    if encoding != "UTF8":
        raise StoreError(
            f"the database at {target.where} is encoded in {encoding}; make one with CREATE DATABASE … ENCODING 'UTF8' "
            "TEMPLATE template0"
        )
    if is_read_only:
        raise StoreError(
            f"PostgreSQL at {target.where} can only be read, as a standby; name the primary in database-url"
        )


async def _version(connection: Connection, target: Target) -> int:
    ((_, is_ours, has_tables),) = await rows(connection, OURS, {"schema": SCHEMA})
    if not is_ours:
        if has_tables:
            raise StoreError(f"the schema {SCHEMA} at {target.where} is another program's; name another database")
        return 0
    ((version,),) = await rows(connection, "SELECT version FROM schema_version", ())
    if version > SCHEMA_VERSION:
        raise StoreError(f"{target.where} was made by a newer version of crdt-sync-server; install that version")
    return int(version)


async def _migrate(connection: Connection, version: int) -> None:
    if version == SCHEMA_VERSION:
        return
    if version == 0:
        ((is_there, _, _),) = await rows(connection, OURS, {"schema": SCHEMA})
        if not is_there:
            await connection.execute(f"CREATE SCHEMA {SCHEMA}")
        await connection.execute("CREATE TABLE schema_version (version integer NOT NULL)")
        await connection.execute("INSERT INTO schema_version VALUES (0)")
    for migration in MIGRATIONS[version:]:
        await connection.execute(migration)
    await connection.execute("UPDATE schema_version SET version = %s", (SCHEMA_VERSION,))

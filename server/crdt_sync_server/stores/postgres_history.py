"""Whether a database still has the history that the relay has seen of it.

It has another one after a restore to an earlier moment, and after a failover to a standby that had not got everything:
positions then begin again from a lower one, and other updates get those that the relay knows. Comparing positions
would miss that as soon as they have risen again. A history is named by the cluster's identifier, its timeline, which
rises with each recovery to a moment and each promotion, and the identities of the database and of a table, which are
others after a dump was loaded.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import errors as pg

from crdt_sync_server.errors import StorePutBack

__all__ = ["History"]

OF_THE_DATABASE = """
SELECT concat_ws('/', (SELECT oid FROM pg_database WHERE datname = current_database()), to_regclass('rooms')::oid)
"""
OF_THE_CLUSTER = """
SELECT concat_ws('/', system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8)) FROM pg_control_system()
"""
NOT_TOLD = (pg.FeatureNotSupported, pg.InsufficientPrivilege, pg.ObjectNotInPrerequisiteState, pg.UndefinedFunction)
"""What a server says that keeps its timeline to itself, as some hosted ones may."""


class History:
    """The history that the relay goes by, those of its connections, and whether a connection has met another."""

    def __init__(self) -> None:
        self._known: str | None = None
        self._found: str | None = None
        self.database = ""
        """Which database it is the history of, whatever has become of it since: a hash in hexadecimal digits."""
        self._of: WeakKeyDictionary[psycopg.AsyncConnection[Any], str] = WeakKeyDictionary()

    async def begin(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Go by the history of this connection. All tables must be there."""
        self._known = self._of[connection] = name = await _name(connection)
        without_timeline = name.rpartition("/")[0] if " " in name else name
        self.database = sha256(without_timeline.encode()).hexdigest()[:12]

    async def meet(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Look which history a new connection leads to."""
        if self._known is not None:
            self._of[connection] = name = await _name(connection)
            self._found = self._found if name == self._known else name

    def check(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Return if what is done on the connection continues what the relay has seen. Raises `StorePutBack`."""
        if self._found is not None or self._of[connection] != self._known:
            raise StorePutBack(
                "the database was put back to an earlier state, or failed over to one that lacks something"
            )

    def is_past(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        """Say whether a connection leads to a history that the relay has left."""
        return self._known is not None and self._of[connection] not in (self._known, self._found)

    def renew(self) -> None:
        """Go by the history that was met last."""
        if self._found is not None:
            self._known, self._found = self._found, None


async def _name(connection: psycopg.AsyncConnection[Any]) -> str:
    names = []
    for query in (OF_THE_DATABASE, OF_THE_CLUSTER):
        try:
            row = await (await connection.execute(query)).fetchone()
        except NOT_TOLD:
            continue
        names.append(str(row and row[0]))
    return " ".join(names)

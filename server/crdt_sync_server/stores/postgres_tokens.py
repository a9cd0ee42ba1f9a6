"""Tokens in PostgreSQL: a row each, which stays when the token is revoked, so that the list can tell.

A token that is made with another holds that one's row meanwhile, and so does who revokes it: whichever comes second
sees what the first has done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crdt_sync_server.ports import NoticeKind
from crdt_sync_server.stores.postgres_link import Link
from crdt_sync_server.stores.postgres_notices import announce
from crdt_sync_server.tokens import AccessToken

__all__ = ["PostgresTokens"]

COLUMNS = "id, subject, name, made_ms, expires_ms, revoked_ms, made_with, used_ms, digest"
TOKENS = f"SELECT {COLUMNS} FROM tokens"
MAKER = "SELECT revoked_ms FROM tokens WHERE id = %s FOR SHARE"
ADD = f"INSERT INTO tokens ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
FORGET = """
DELETE FROM tokens WHERE id IN (
    SELECT id FROM tokens WHERE subject = %s AND made_with IS NOT NULL AND expires_ms <= %s FOR UPDATE SKIP LOCKED
)
"""
HOLD = "SELECT FROM tokens WHERE id = %s FOR UPDATE"
REVOKE = """
UPDATE tokens SET revoked_ms = %(at_ms)s WHERE (id = %(id)s OR made_with = %(id)s) AND revoked_ms IS NULL RETURNING id
"""
USED = """
UPDATE tokens SET used_ms = said.used_ms FROM unnest(%s::text[], %s::bigint[]) AS said (id, used_ms)
WHERE tokens.id IN (SELECT id FROM tokens WHERE id = ANY(%s) ORDER BY id FOR UPDATE) AND tokens.id = said.id
"""


class PostgresTokens:
    """`keepers.Tokens` on the connections of a `PostgresStore`, which opens and closes them."""

    def __init__(self, link: Link, node: str) -> None:
        self._link = link
        self._node = node

    async def add(self, token: AccessToken) -> bool:
        """Keep a new token; False if the one that it was made with was revoked."""
        async with self._link.transaction() as session:
            maker = await session.execute(MAKER, (token.made_with,))
            if maker and maker[0][0] is not None:
                return False
            await session.execute(FORGET, (token.subject, token.made_ms))
            await session.execute(ADD, _row(token))
        return True

    async def find(self, digest: bytes) -> AccessToken | None:
        """Return the token with this SHA-256, whether it still holds or not."""
        found = await self._read(f"{TOKENS} WHERE digest = %s", digest)
        return found[0] if found else None

    async def listed(self, subject: str | None = None) -> Sequence[AccessToken]:
        """Return all tokens, or those of a subject, the oldest first."""
        if subject is None:
            return await self._read(f"{TOKENS} ORDER BY made_ms, id")
        return await self._read(f"{TOKENS} WHERE subject = %s ORDER BY made_ms, id", subject)

    async def revoke(self, token_id: str, at_ms: int) -> Sequence[AccessToken]:
        """Revoke a token for good, and those that were made with it; return them all."""
        async with self._link.transaction() as session:
            await session.execute(HOLD, (token_id,))
            revoked = await session.execute(REVOKE, {"id": token_id, "at_ms": at_ms})
            query = f"{TOKENS} WHERE id = %(id)s OR made_with = %(id)s ORDER BY made_ms, id"
            found = await session.execute(query, {"id": token_id})
            await announce(session, self._node, NoticeKind.REVOKED, sorted(key for (key,) in revoked))
        return [AccessToken(*row) for row in found]

    async def used(self, at_ms: Mapping[str, int]) -> None:
        """Note when tokens were last used."""
        if at_ms:
            ids = sorted(at_ms)
            await self._link.run(USED, (ids, [at_ms[each] for each in ids], ids))

    async def _read(self, query: str, *arguments: Any) -> list[AccessToken]:
        return [AccessToken(*row) for row in await self._link.read(query, arguments)]


def _row(token: AccessToken) -> tuple[Any, ...]:
    times = (token.made_ms, token.expires_ms, token.revoked_ms)
    return (token.id, token.subject, token.name, *times, token.made_with, token.used_ms, token.digest)

"""What an operator may do with the relay's own tokens: make them, look at them, revoke them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from crdt_sync_server.bearer import MAX_SUBJECT_CHARACTERS, is_subject
from crdt_sync_server.errors import NoSuchToken, RelayError
from crdt_sync_server.host import Host
from crdt_sync_server.logs import tell
from crdt_sync_server.ports import Tokens
from crdt_sync_server.rooms import own_room
from crdt_sync_server.tokens import AccessToken, new_token

__all__ = ["TokenDesk"]

MAX_NAME_CHARACTERS = 200


class TokenDesk:
    """The commands, on the tokens of a store, and on the connections of a host."""

    def __init__(self, tokens: Tokens, host: Host) -> None:
        self._tokens = tokens
        self._host = host

    async def answer(self, request: Mapping[str, Any]) -> Any:
        """Do what `request` says. Raises `RelayError`."""
        match request:
            case {"what": "create", "subject": str(subject), "name": str() | None as name, "lifetime_s": lifetime_s}:
                if not isinstance(lifetime_s, int | None):
                    raise RelayError("a lifetime is a number of seconds, or none")
                return await self._create(subject, name, lifetime_s)
            case {"what": "list"}:
                return [_shown(each) for each in await self._tokens.listed()]
            case {"what": "revoke", "id": str(token_id)}:
                return await self._revoke(token_id)
        raise RelayError("the relay does not know this command; it may be of another version")

    async def revoke_all(self, subject: str) -> None:
        """Revoke every token of a subject that still holds. Raises `StoreError`."""
        for each in await self._tokens.listed():
            if each.subject == subject and each.revoked_ms is None:
                await self._revoke(each.id)

    async def _create(self, subject: str, name: str | None, lifetime_s: int | None) -> dict[str, Any]:
        if not is_subject(subject):
            raise RelayError(
                f"a subject has 1 to {MAX_SUBJECT_CHARACTERS} characters, and no control characters among them"
            )
        room = own_room(subject)
        if name is not None and not (0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()):
            raise RelayError(f"a token's name has 1 to {MAX_NAME_CHARACTERS} characters that can be printed")
        now_ms = int(self._host.wall() * 1000)
        expires_ms = None if lifetime_s is None else now_ms + lifetime_s * 1000
        token, made = new_token(subject, name=name, made_ms=now_ms, expires_ms=expires_ms)
        await self._tokens.add(made)
        tell("token", do="create", id=made.id, subject=subject)
        return {**_shown(made), "token": token, "room": room}

    async def _revoke(self, token_id: str) -> dict[str, Any]:
        known = token_id.isascii()  # the command line hands on bytes that are not UTF-8 as half characters
        revoked = await self._tokens.revoke(token_id, int(self._host.wall() * 1000)) if known else None
        if revoked is None:
            raise NoSuchToken(f"there is no token {token_id!r}; `tokens list` shows the ids")
        self._host.revoke(revoked.id)
        tell("token", do="revoke", id=revoked.id, subject=revoked.subject)
        return _shown(revoked)


def _shown(token: AccessToken) -> dict[str, Any]:
    """Return what may be shown of a token: all but its digest."""
    return {name: value for name, value in asdict(token).items() if name != "digest"}

"""The relay's own tokens: what an operator may do with all of them, and a subject over HTTP with its own.

A token that a subject makes for itself never gives more than the one that it is made with:

    made with a token of the operator   ends with it at the latest, and is revoked with it
    made with one of the provider       outlives it, as those live for minutes: only where, and for as long as, the
                                        operator allows
    made with one that was made so      not at all, so whoever finds a device's token has that one alone
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import anyio

from crdt_sync_server.bearer import MAX_SUBJECT_CHARACTERS, is_subject
from crdt_sync_server.errors import Forbidden, NoSuchToken, RelayError, StoreError, TokenError, Unauthenticated
from crdt_sync_server.host import Host
from crdt_sync_server.keepers import Members, Tokens
from crdt_sync_server.logs import tell
from crdt_sync_server.ports import Identity
from crdt_sync_server.rooms import own_room
from crdt_sync_server.roster import Decision, Entry
from crdt_sync_server.tokens import PROVIDER, AccessToken, new_token

__all__ = ["MAX_HELD", "MAX_KEPT", "MAX_LIFETIME_S", "MAX_NAME_CHARACTERS", "MIN_LIFETIME_S", "TokenDesk"]

DAY_S = 24 * 3600
MAX_NAME_CHARACTERS = 200
MAX_HELD = 50
"""How many tokens of a subject may hold at a time if it is to make another over HTTP."""
MAX_KEPT = 200
"""The same, with those that were revoked and have not ended: a backup would bring back what is forgotten."""
MIN_LIFETIME_S = 60
MAX_LIFETIME_S = 366 * DAY_S
"""Of a token that is made over HTTP."""
LIFETIME_S = 30 * DAY_S
ANSWER_WITHIN_S = 5.0


class TokenDesk:
    """The tokens of a store, and what they mean for the connections of a host.

    `provider_days` is for how many days a token may live that is made with one of the identity provider; 0: none is.
    """

    def __init__(self, tokens: Tokens, host: Host, members: Members, *, provider_days: int = 0) -> None:
        self._tokens = tokens
        self._host = host
        self._members = members
        self._provider_days = provider_days
        self._making = anyio.Lock()  # or two at once could both be the last

    async def answer(self, request: Mapping[str, Any]) -> Any:
        """Do what an operator's `request` says. Raises `RelayError`."""
        match request:
            case {"what": "create", "subject": str(subject), "name": str() | None as name, "lifetime_s": lifetime_s}:
                if not isinstance(lifetime_s, int | None):
                    raise TokenError("a lifetime is a number of seconds, or none")
                return await self._create(subject, name, lifetime_s)
            case {"what": "list"}:
                return [shown(each) for each in await self._tokens.listed()]
            case {"what": "revoke", "id": str(token_id)}:
                known = token_id.isascii()  # the command line hands on bytes that are not UTF-8 as half characters
                kept = await self._tokens.listed() if known else ()
                found = next((each for each in kept if each.id == token_id), None)
                if found is None:
                    raise NoSuchToken(f"there is no token {token_id!r}; `tokens list` shows the ids")
                return shown(await self._revoke(found, kept, by=None))
        raise RelayError("the relay does not know this command; it may be of another version")

    async def revoke_all(self, subject: str) -> None:
        """Revoke every token of a subject that still holds. Raises `StoreError`."""
        kept = await self._tokens.listed(subject)
        for each in kept:
            if each.revoked_ms is None:
                await self._revoke(each, kept, by=None)

    # For a subject

    async def own(self, subject: str) -> list[AccessToken]:
        """Return the tokens of a subject, the oldest first, also those that hold no more."""
        return list(await self._tokens.listed(subject))

    async def make_own(self, maker: Identity, name: str | None, lifetime_s: int | None) -> tuple[str, AccessToken]:
        """Make a token for who asks, and return it with what is known of it.

        Raises `TokenError`, `Forbidden`, and `Unauthenticated` if the one that it is made with holds no more.
        """
        assert maker.subject is not None, "the caller has asked who comes"
        _check_name(name)
        async with self._making:
            now_ms = self._now_ms()
            kept = await self._tokens.listed(maker.subject)
            made_with, most_s = self._most(maker, kept, now_ms)
            lifetime_s = min(LIFETIME_S, most_s) if lifetime_s is None else lifetime_s
            if not MIN_LIFETIME_S <= lifetime_s <= most_s:
                raise TokenError(f"with this token you can make one that lives for {MIN_LIFETIME_S} to {most_s} s")
            if sum(each.holds(now_ms) for each in kept) >= MAX_HELD:
                raise TokenError(f"one has at most {MAX_HELD} tokens; revoke some")
            if sum(each.expires_ms is None or now_ms < each.expires_ms for each in kept) >= MAX_KEPT:
                raise TokenError("too many tokens were made and revoked; come back when some of those have ended")
            return await self._add(maker.subject, name, now_ms, now_ms + lifetime_s * 1000, made_with)

    async def revoke_own(self, subject: str, token_id: str) -> None:
        """Revoke a token of the subject. Raises `NoSuchToken`, also for another's: both are told alike."""
        kept = await self._tokens.listed(subject)
        found = next((each for each in kept if each.id == token_id), None)
        if found is None:
            raise NoSuchToken("you have no token of this id")
        await self._revoke(found, kept, by=subject)

    def _most(self, maker: Identity, kept: Sequence[AccessToken], now_ms: int) -> tuple[str, int]:
        """Return what a token made by `maker` is made with, and for how many seconds it may live."""
        if maker.token_id is None:
            if not self._provider_days:
                raise Forbidden("this relay makes no tokens for who signs in; the operator can, with `tokens create`")
            return PROVIDER, self._provider_days * DAY_S
        used = next((each for each in kept if each.id == maker.token_id), None)
        if used is None or not used.holds(now_ms):  # since it was looked at
            raise Unauthenticated("the token was revoked or has expired")
        if used.made_with is not None:
            raise Forbidden("a token that was made over HTTP makes no other; use one of the operator, or sign in")
        left_s = MAX_LIFETIME_S if used.expires_ms is None else (used.expires_ms - now_ms) // 1000
        return used.id, min(left_s, MAX_LIFETIME_S)

    # Inside

    async def _create(self, subject: str, name: str | None, lifetime_s: int | None) -> dict[str, Any]:
        if not is_subject(subject):
            raise TokenError(
                f"a subject has 1 to {MAX_SUBJECT_CHARACTERS} characters, and no control characters among them"
            )
        room = own_room(subject)
        _check_name(name)
        now_ms = self._now_ms()
        expires_ms = None if lifetime_s is None else now_ms + lifetime_s * 1000
        token, made = await self._add(subject, name, now_ms, expires_ms, None)
        return {**shown(made), "token": token, "room": room}

    async def _add(
        self, subject: str, name: str | None, now_ms: int, expires_ms: int | None, made_with: str | None
    ) -> tuple[str, AccessToken]:
        token, made = new_token(subject, name=name, made_ms=now_ms, expires_ms=expires_ms, made_with=made_with)
        by = None if made_with is None else subject
        await self._note("make token", made, by)  # first: a line too many is better than a token that no line tells of
        if not await self._tokens.add(made):
            raise Unauthenticated("the token was revoked")
        tell("token", do="create", id=made.id, subject=subject, by=by or "the operator")
        return token, made

    async def _revoke(self, token: AccessToken, kept: Sequence[AccessToken], *, by: str | None) -> AccessToken:
        """Revoke `token`, and with it those of `kept` that were made with it."""
        if token.revoked_ms is None:
            await self._note("revoke token", token, by)
        concerned = {each.id for each in kept if token.id in (each.id, each.made_with)}
        with anyio.CancelScope(shield=True):  # never cut between the commit and its effect
            try:
                revoked = await self._tokens.revoke(token.id, self._now_ms())
            except StoreError:
                await self._ask_anew(token.subject, concerned)
                raise
            self._host.noticed()
            for each in revoked:
                self._host.revoke(each.id)
        tell("token", do="revoke", id=token.id, subject=token.subject, by=by or "the operator")
        return next(each for each in revoked if each.id == token.id)

    async def _ask_anew(self, subject: str, concerned: Collection[str]) -> None:
        """Close who came with those of the tokens that the store calls revoked: nobody knows what a failure has done.

        If it does not say, all of them are closed, and come back when it can be asked.
        """
        with anyio.move_on_after(ANSWER_WITHIN_S), suppress(StoreError):
            for each in await self._tokens.listed(subject):
                if each.id in concerned and each.revoked_ms is not None:
                    self._host.revoke(each.id)
            return
        self._host.doubt_tokens(concerned)

    async def _note(self, what: str, token: AccessToken, by: str | None) -> None:
        """Write into the audit, under the subject's own room."""
        room = own_room(token.subject)
        entry = Entry(self._now_ms(), by, what, room, token.subject, token.id)
        await self._members.change(room, lambda roster: Decision(roster, None, (entry,)))

    def _now_ms(self) -> int:
        return int(self._host.wall() * 1000)


def shown(token: AccessToken) -> dict[str, Any]:
    """Return what may be shown of a token: all but its digest."""
    return {name: value for name, value in asdict(token).items() if name != "digest"}


def _check_name(name: str | None) -> None:
    if name is not None and not (0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()):
        raise TokenError(f"a token's name has 1 to {MAX_NAME_CHARACTERS} characters that can be printed")

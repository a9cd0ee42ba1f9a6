"""A relay's groups from Python: made, joined, left, and who is in them. It talks to the API (docs/sharing.md).

Nothing is kept on this device and nothing is tried twice, but for a token that was refused: another is asked for, once,
however many requests wait for it, and the refused one is not shown again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio

from crdt_sync.errors import (
    ConnectionLost,
    InvalidEdit,
    NoSuchGroup,
    NoSuchInvitation,
    NoSuchMember,
    NotAllowed,
    RelayUnavailable,
    SharingError,
    SharingRefused,
    SignInNeeded,
)
from crdt_sync.sharing.values import (
    Account,
    Invitation,
    Member,
    Membership,
    Role,
    account_of,
    invitation_of,
    items_of,
    member_of,
    membership_of,
    token_in,
    without_user,
)
from crdt_sync.sync.bearer import Bearer
from crdt_sync.sync.credentials import Token
from crdt_sync.sync.transport import room_url

if TYPE_CHECKING:
    import httpx

__all__ = ["Groups", "open_groups"]

WITHIN_S = 30.0
MAX_ANSWER_BYTES = 4 * 1024 * 1024
PAGE = 500
MAX_ITEMS = 100_000
MAX_WORDS = 1000
"""Of what a relay says of an error, in characters; it reaches a terminal."""
_BY_CODE = {
    "no-such-invitation": NoSuchInvitation,
    "no-such-member": NoSuchMember,
    "no-such-room": NoSuchGroup,
    "room-deleted": NoSuchGroup,
}
_BY_STATUS = {401: SignInNeeded, 403: NotAllowed, 404: NoSuchGroup, 410: NoSuchGroup}


@asynccontextmanager
async def open_groups(
    relay: str, *, token: Token = None, client: httpx.AsyncClient | None = None
) -> AsyncIterator[Groups]:
    """Talk to the groups of `relay` for as long as the block lasts. `token` is as in `open_library`.

    It connects to nothing before it is asked something. Raises `InvalidEdit` for what is no URL of a relay.
    """
    try:
        base = room_url(relay.partition("?")[0], "")
    except ValueError as error:
        raise InvalidEdit(str(error)) from None
    if client is not None:
        yield Groups(base, token, client)
        return
    import httpx  # a third of the time that a command takes, and most never connect

    async with httpx.AsyncClient(timeout=WITHIN_S) as own_client:
        yield Groups(base, token, own_client)


class Groups:
    """The groups of one relay, as one account sees them. Get one from `open_groups`.

    Every method raises `SharingError`; a kind of it says what to do.
    """

    def __init__(self, base: str, token: Token, client: httpx.AsyncClient) -> None:
        self._base = base.rstrip("/")
        self._shown = without_user(self._base)
        self._client = client
        self._bearer = Bearer[tuple[int, bytes]](token, lambda answer: answer[0] == 401)

    async def me(self) -> Account:
        """Return who asks, as the relay has it from the token."""
        return account_of(await self._ask("GET", "/me"))

    async def rooms(self) -> list[Membership]:
        """Return the groups that one is in, and rooms that others have shared."""
        return [membership_of(each) for each in await self._all("/rooms", "rooms")]

    async def create(self, name: str) -> Membership:
        """Make a group, which one owns. Its `room` is what `open_library` takes."""
        return membership_of(await self._ask("POST", "/groups", {"name": name}))

    async def about(self, room: str) -> Membership:
        """Return what a room is to who asks."""
        return membership_of(await self._ask("GET", _path(room)))

    async def rename(self, room: str, name: str) -> Membership:
        """Give a group another name. For owners."""
        return membership_of(await self._ask("PATCH", _path(room), {"name": name}))

    async def delete(self, room: str) -> None:
        """Erase a group on the relay, for good. For owners. What members have on their devices stays there."""
        await self._ask("DELETE", _path(room))

    async def members(self, room: str) -> list[Member]:
        """Return who is in a group."""
        return [member_of(each) for each in await self._all(_path(room, "members"), "members")]

    async def set_role(self, room: str, subject: str, role: Role) -> Member:
        """Give a member another role; it holds at once, on open connections too. For owners."""
        return member_of(await self._ask("PATCH", _path(room, "members", subject), {"role": Role(role).value}))

    async def remove(self, room: str, subject: str) -> None:
        """Take a member out; their connections are closed. For owners."""
        await self._ask("DELETE", _path(room, "members", subject))

    async def leave(self, room: str) -> None:
        """Leave a group. Its last owner cannot: name another, or delete it."""
        await self._ask("DELETE", _path(room, "members", "me"))

    async def invite(
        self, room: str, *, role: Role = Role.EDITOR, lifetime_s: int = 7 * 24 * 3600, uses: int | None = 1
    ) -> Invitation:
        """Make an invitation, with its `link`, for so many seconds and uses (None: any number). For owners."""
        asked = {"role": Role(role).value, "lifetime_s": lifetime_s, "uses": uses}
        return invitation_of(await self._ask("POST", _path(room, "invitations"), asked), self._shown)

    async def invitations(self, room: str) -> list[Invitation]:
        """Return the invitations that can still be accepted, without their links. For owners."""
        found = items_of(await self._ask("GET", _path(room, "invitations")), "invitations")
        return [invitation_of(each, self._shown) for each in found]

    async def revoke(self, room: str, invitation_id: str) -> None:
        """End an invitation. Who has accepted it stays. For owners."""
        await self._ask("DELETE", _path(room, "invitations", invitation_id))

    async def accept(self, invitation: str) -> Membership:
        """Become a member by an invitation's link, or its token. Accepting twice is harmless.

        Raises `InvalidEdit` for the link of another relay: its token is told to no stranger.
        """
        token = token_in(invitation, self._shown)
        return membership_of(await self._ask("POST", "/invitations/accept", {"token": token}))

    # Inside

    async def _all(self, path: str, name: str) -> list[Any]:
        """Return a list of all its pages. What comes or goes meanwhile is in it or not."""
        found: list[Any] = []
        query = {"limit": str(PAGE)}
        while len(found) < MAX_ITEMS:
            told = await self._ask("GET", path, query=query)
            page = items_of(told, name)
            found += page
            after = told.get("next")
            if not page or not isinstance(after, str) or after == query.get("after"):
                return found
            query["after"] = after
        raise RelayUnavailable(f"the relay lists more than {MAX_ITEMS}; that is no list of a relay")

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> Any:
        try:
            status, content = await self._bearer.send(partial(self._request, method, path, body, query))
        except ConnectionLost as error:
            raise SignInNeeded(str(error)) from error
        if status == 204:
            return None
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            told = None
        if 200 <= status < 300 and told is not None:
            return told
        raise _refusal(status, told)

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
        token: str | None,
    ) -> tuple[int, bytes]:
        import httpx

        from crdt_sync.sync.network_errors import words_of

        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = f"{self._base}/api/v1{path}"
        content = bytearray()
        try:
            with anyio.fail_after(WITHIN_S):
                async with self._client.stream(
                    method, url, json=body, params=query, headers=headers, follow_redirects=False
                ) as response:
                    async for part in response.aiter_bytes():
                        content += part
                        if len(content) > MAX_ANSWER_BYTES:
                            raise RelayUnavailable(f"an answer above {MAX_ANSWER_BYTES} bytes; is this a relay?")
                    return response.status_code, bytes(content)
        except TimeoutError:
            raise RelayUnavailable(f"the relay did not answer within {WITHIN_S:.0f} s") from None
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            OSError,
            UnicodeEncodeError,  # a token that no header can carry
            anyio.ClosedResourceError,
            anyio.EndOfStream,
        ) as error:
            raise RelayUnavailable(f"the relay could not be asked: {words_of(error)}") from error


def _path(room: str, *rest: str) -> str:
    return "/rooms/" + "/".join(quote(part, safe="") for part in (room, *rest))


def _refusal(status: int, told: Any) -> SharingError:
    """Tell what a relay's problem (RFC 9457) says, and what is no answer of a relay."""
    code, detail = (told.get("code"), told.get("detail")) if isinstance(told, dict) else (None, None)
    if not isinstance(code, str) or not isinstance(detail, str):
        if status == 401:
            return SignInNeeded("the relay asks for a token")
        return RelayUnavailable(f"something answered {status} in the relay's place; does it have groups?")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if kind is None:
        kind = RelayUnavailable if status >= 500 or status in (408, 429) else SharingRefused
    words = "".join(character if character.isprintable() else " " for character in detail[:MAX_WORDS])
    return kind(words, code=code)

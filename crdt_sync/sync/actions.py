"""Sends one action on the threads of a group to the relay, and says what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from crdt_sync.errors import ConnectionLost, InvalidEdit
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.sync.bearer import Bearer
from crdt_sync.sync.credentials import Token
from crdt_sync.sync.transport import room_url

if TYPE_CHECKING:
    import httpx

__all__ = ["ActionRefused", "Actions", "checked"]

PROBLEM = "application/problem+json"
PASSING = frozenset({401, 405, 408, 409, 425, 429})
NOT_OPEN = "no-such-room"
NOT_HERE = "no-such-path"  # a relay of an older version, which may be renewed


MAX_TEXT_BYTES = 16 * 1024
"""Of one post, as the relay takes it."""


class ActionRefused(Exception):
    """The relay will not do this, however often it is asked; the message says why.

    `is_not_open` says that it does nothing for this account, which is not in the group, and may be in it again.
    """

    def __init__(self, message: str, *, is_not_open: bool) -> None:
        super().__init__(message)
        self.is_not_open = is_not_open


class Actions:
    """Makes one request at a time. The same action may be sent any number of times, and is done once."""

    def __init__(self, relay: str, group: str, client: httpx.AsyncClient, *, token: Token) -> None:
        """Take the relay's URL as `open_library` takes it. Raises `ValueError` for one that is none."""
        self._url = room_url(relay, "discussion", under=f"/api/v1/rooms/{quote(group, safe='')}")
        self._client = client
        self._bearer: Bearer[httpx.Response] = Bearer(token, lambda response: response.status_code == 401)

    async def send(self, action: Mapping[str, Any]) -> None:
        """Return once the relay has done `action`, durably.

        Raises `ActionRefused`, and `ConnectionLost` for what passes by: its code is 4401 if another token is needed,
        as the callable gives none that is good.
        """

        import httpx  # a third of the time that a command takes, and most never connect

        from crdt_sync.sync.network_errors import trouble_of, words_of

        async def post(token: str | None) -> httpx.Response:
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            try:
                return await self._client.post(self._url, json=dict(action), headers=headers)
            except (httpx.HTTPError, OSError) as error:
                raise ConnectionLost(words_of(error), trouble=trouble_of(error)) from error

        response = await self._bearer.send(post)
        said = _problem(response)
        if response.status_code == 200 and said.get("id") == action["id"]:
            return
        reason = str(said.get("detail") or f"something answered {response.status_code} in the relay's place")
        if response.status_code == 401:
            raise ConnectionLost(reason, code=CloseCode.UNAUTHENTICATED)
        is_for_good = 400 <= response.status_code < 500 and response.status_code not in PASSING
        if is_for_good and said.get("code", NOT_HERE) != NOT_HERE:
            raise ActionRefused(reason, is_not_open=said.get("code") == NOT_OPEN)
        raise ConnectionLost(reason)


def checked(what: Mapping[str, str]) -> Mapping[str, str]:
    """Return what an action says, for it will not be refused for its form. Raises `InvalidEdit`."""
    for name, value in what.items():
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise InvalidEdit(f"a {name} is Unicode; this has half of a character, {value!r}") from None
        if name == "text" and not value.strip():
            raise InvalidEdit("a post says something; this is empty")
        if name == "text" and size > MAX_TEXT_BYTES:
            raise InvalidEdit(f"a post has at most {MAX_TEXT_BYTES} bytes of text; make it two")
    return what


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    """Return what the relay said; nothing if something on the way has answered."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    if kind not in (PROBLEM, "application/json"):
        return {}
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}

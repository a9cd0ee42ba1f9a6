"""One request of a poll session, and what became of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio
import httpx

from crdt_sync.errors import ConnectionLost, RemoteProtocolError, Trouble
from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync.protocol.polling import MAX_PIECE_BYTES, Answer, decode_answer
from crdt_sync.sync.network_errors import trouble_of, words_of

__all__ = ["PollRequests", "RequestFailed"]

ANSWER_WITHIN_S = 10.0
"""How long a request may take beyond the wait that it asks for."""
MAX_ANSWER_BYTES = MAX_PIECE_BYTES + 64 * 1024
CLOSE_CODES = range(1000, 5000)
POLL_TYPE = "application/octet-stream"


class RequestFailed(Exception):
    """A request that may be made again."""

    def __init__(self, message: str, trouble: Trouble) -> None:
        super().__init__(message)
        self.trouble = trouble


class PollRequests:
    """Makes one request at a time of whatever is asked, and says what became of it."""

    def __init__(self, client: httpx.AsyncClient, url: str, token: str | None) -> None:
        self._client = client
        self._url = url
        self._headers = {"Content-Type": POLL_TYPE, "Accept-Encoding": "identity"}
        self.token = token
        """What the requests from now on are made with."""

    async def post(self, body: bytes, wait_s: float) -> Answer:
        """Return the relay's answer. Raises `ConnectionLost` with the relay's reason, and `RequestFailed`."""
        headers = self._headers if self.token is None else self._headers | {"Authorization": f"Bearer {self.token}"}
        timeout = httpx.Timeout(ANSWER_WITHIN_S, read=wait_s + ANSWER_WITHIN_S)
        try:
            request = self._client.build_request("POST", self._url, content=body, headers=headers, timeout=timeout)
            request.stream = _Body(body)
            response = await self._client.send(request, stream=True)
            try:
                content = await _content(response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, OSError, anyio.ClosedResourceError, anyio.EndOfStream) as error:
            raise RequestFailed(words_of(error), trouble_of(error)) from error
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        if response.status_code == 200 and kind == POLL_TYPE:
            try:
                return decode_answer(content)
            except RemoteProtocolError as error:
                raise RequestFailed(f"the answer to a poll is none: {error}", Trouble.INTERCEPTED) from error
        raise _refusal(response.status_code, content)


class _Body(httpx.AsyncByteStream):
    """A body that is no generator: httpx leaves its own unfinished when a request is cut, and trio warns of that."""

    def __init__(self, body: bytes) -> None:
        self._left = [body]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


async def _content(response: httpx.Response) -> bytes:
    """Read a body within its bound. A length that is stated is judged first, so that nothing is left half read."""
    stated = response.headers.get("content-length", "0")
    content = bytearray()
    if stated.isdecimal() and int(stated) <= MAX_ANSWER_BYTES:
        async for part in response.aiter_bytes():
            content += part
            if len(content) > MAX_ANSWER_BYTES:
                break
        else:
            return bytes(content)
    raise RequestFailed(f"an answer above {MAX_ANSWER_BYTES} bytes", Trouble.INTERCEPTED)


def _refusal(status: int, content: bytes) -> Exception:
    """Tell a relay's refusal, which carries a close code, from what something on the way says in its place."""
    try:
        told = json.loads(content)
        code, reason = int(told["code"]), str(told["error"])
        if code not in CLOSE_CODES:
            raise ValueError(code)
    except (ValueError, TypeError, KeyError):
        if status == 401:
            return ConnectionLost("the relay asks for a token", code=CloseCode.UNAUTHENTICATED)
        trouble = Trouble.NOT_OFFERED if status in (404, 405) else Trouble.INTERCEPTED
        return RequestFailed(f"something answered {status} in the relay's place", trouble)
    if code == CloseCode.POLICY:
        return RequestFailed(reason, Trouble.CUT)
    return ConnectionLost(reason, code=code)

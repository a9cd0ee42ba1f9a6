"""`ports.Poster` over httpx, which is imported by the first POST: a relay without webhooks does without it.

Redirects are not followed, no cookie is kept, and of an answer no more is read than its head and a little of its body,
so that the connection can be used again.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from crdt_sync_server.errors import ReceiverFailed
from crdt_sync_server.ports import Posted

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpPoster"]

POST_WITHIN_S = 10.0
READ_WITHIN_S = 1.0
MAX_ANSWER_BYTES = 16 * 1024


class HttpPoster:
    """Sends over one client, to which each receiver has connections of its own."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        self._opening = anyio.Lock()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Posted:
        """Send one POST and return what came back. Raises `ReceiverFailed`."""
        client = await self._opened()
        import httpx

        sent = {"accept-encoding": "identity", **headers}
        try:
            with anyio.fail_after(POST_WITHIN_S):
                async with client.stream("POST", url, headers=sent, content=body) as response:
                    await _read_a_little(response)
                    return Posted(response.status_code, _seconds(response.headers.get("retry-after", "")))
        except TimeoutError:
            raise ReceiverFailed(f"no answer within {POST_WITHIN_S:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise ReceiverFailed(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _opened(self) -> httpx.AsyncClient:
        async with self._opening:
            if self._client is None:  # the certificates of the system take tens of milliseconds
                self._client = await anyio.to_thread.run_sync(_new_client)
        return self._client


def _new_client() -> httpx.AsyncClient:
    import httpx

    return httpx.AsyncClient(
        timeout=POST_WITHIN_S,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=16),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


async def _read_a_little(response: httpx.Response) -> None:
    """Read the body if it is short; else its connection is closed. The status has said what there is to say."""
    import httpx

    size_bytes = 0
    try:
        with anyio.move_on_after(READ_WITHIN_S):
            async for part in response.aiter_raw(4096):
                size_bytes += len(part)
                if size_bytes > MAX_ANSWER_BYTES:
                    return
    except httpx.HTTPError:
        return


def _seconds(retry_after: str) -> float | None:
    """Return what the header says in seconds; a date is passed over, as clocks differ."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 10 else None

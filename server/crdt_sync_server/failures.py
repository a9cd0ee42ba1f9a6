"""Bad tokens, counted by address: who brings too many is told to slow down. Good ones always pass.

So somebody who guesses is slowed down, and the others behind the same proxy are not shut out. Nothing is kept of what
was brought, and no more than `MAX_ADDRESSES` addresses are remembered: of these the one that failed longest ago goes.
"""

from __future__ import annotations

import ipaddress
import math

from crdt_sync_server.limits import Limit, LimitReached, TokenBucket

__all__ = ["Failures"]

MAX_ADDRESSES = 10_000
IPV6_PREFIX = 64
"""Who has one IPv6 address has all of its network."""


class Failures:
    """What each address may do wrong: `burst` at once, and `per_minute` from then on."""

    def __init__(self, *, per_minute: int, burst: int) -> None:
        self._per_minute = per_minute
        self._burst = burst
        self._buckets: dict[str, TokenBucket] = {}  # who failed last comes last

    def count(self, address: str | None, now_s: float) -> None:
        """Count one more. Raises `LimitReached` if it is one too many."""
        network = _network(address)
        bucket = self._buckets.pop(network, None)
        if bucket is None:
            if len(self._buckets) >= MAX_ADDRESSES:
                del self._buckets[next(iter(self._buckets))]
            bucket = TokenBucket(per_s=self._per_minute / 60, burst=self._burst, now_s=now_s)
        self._buckets[network] = bucket
        if not bucket.take(1, now_s):
            wait_s = math.ceil(60 / self._per_minute)
            words = f"{Limit.FAILURES.words}; try again in {wait_s} s, with a good one"
            raise LimitReached(Limit.FAILURES, words, retry_after_s=wait_s)


def _network(address: str | None) -> str:
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))

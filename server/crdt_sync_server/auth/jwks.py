"""The public keys of an identity provider: found, kept, and asked for again, within bounds.

    fresh    for 5 minutes what is kept is used
    stale    then one request asks again, and the others go on with what is kept, for an hour in all
    unknown  a key that is not kept is asked for at once, but no more often than every 10 s, whoever sends what

Only what a key itself is says its algorithm. Redirects are not followed, answers are bounded in bytes and time, and
what is no public key for signatures is passed over.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from crdt_sync_server.addresses import checked_url
from crdt_sync_server.errors import ConfigurationError, ProviderUnavailable, Unauthenticated
from crdt_sync_server.logs import tell

__all__ = ["Jwks", "PublicKey"]

FRESH_S = 300.0
STALE_S = 3600.0
AGAIN_AFTER_S = 10.0
"""How soon the provider is asked again for a key that it did not have."""
AFTER_FAILURE_S = 2.0
FETCH_WITHIN_S = 5.0
MAX_BODY_BYTES = 256 * 1024
MAX_KEYS = 64
RSA_BITS = range(2048, 8193)
_ALGORITHM_OF = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}


class _Unusable(Exception):
    """An answer of the provider that cannot be used; the words go into the log."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key. `algorithm` follows from what it is."""

    kid: str | None
    algorithm: str
    key: Any


class Jwks:
    """The keys of one issuer, from `url`, or from where the issuer's OpenID configuration says if that is None."""

    def __init__(self, issuer: str, url: str | None, *, now: Callable[[], float]) -> None:
        self._issuer = issuer
        self._url = url
        self._now = now
        self._keys: tuple[PublicKey, ...] = ()
        self._fetched_s: float | None = None
        self._asked_s: float | None = None
        self._failed = False
        self._fetching = anyio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> tuple[PublicKey, ...]:
        """Return the keys that may have signed a token with this header.

        Raises `Unauthenticated` if the provider has none, `ProviderUnavailable` if that cannot be told now.
        """
        came_s = self._now()
        if self._age_s() >= FRESH_S and not (self._keys and self._fetching.locked()):
            await self._fetch(FRESH_S)
        if self._age_s() >= STALE_S:
            raise ProviderUnavailable("the identity provider's keys cannot be had now; try again later")
        found = self._matching(kid, algorithm)
        if not found:
            await self._fetch(AGAIN_AFTER_S)
            found = self._matching(kid, algorithm)
        if found:
            return found
        if self._fetched_s is None or self._fetched_s < came_s:  # the key may be newer than what is kept
            raise ProviderUnavailable("the token's key is not known yet; try again later")
        raise Unauthenticated("the token is signed with a key that its issuer does not have")

    def _age_s(self) -> float:
        return float("inf") if self._fetched_s is None else self._now() - self._fetched_s

    def _matching(self, kid: str | None, algorithm: str) -> tuple[PublicKey, ...]:
        return tuple(each for each in self._keys if each.algorithm == algorithm and kid in (None, each.kid))

    async def _fetch(self, if_older_s: float) -> None:
        """Ask the provider, unless that was done lately, by another who was waited for perhaps."""
        async with self._fetching:
            pause_s = AFTER_FAILURE_S if self._failed else min(if_older_s, AGAIN_AFTER_S)
            if self._asked_s is not None and self._now() - self._asked_s < pause_s:
                return
            self._asked_s = self._now()
            self._failed = True  # also if this is cut off
            reason = f"no answer within {FETCH_WITHIN_S:.0f} s"
            try:
                with anyio.move_on_after(FETCH_WITHIN_S):
                    self._keys = await self._ask()
                    self._fetched_s, self._failed = self._now(), False
            except (_Unusable, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                reason = str(error) or type(error).__name__
            if self._failed:
                tell("no keys", logging.WARNING, issuer=self._issuer, reason=reason)

    async def _ask(self) -> tuple[PublicKey, ...]:
        if self._url is None:
            self._url = await self._discover()
        listed = (await self._get(self._url)).get("keys")
        if not isinstance(listed, list):
            raise _Unusable("the answer has no list of keys")
        keys = tuple(key for key in map(_public_key, listed[:MAX_KEYS]) if key is not None)
        if not keys:
            raise _Unusable("the answer has no key that can be used")
        return keys

    async def _discover(self) -> str:
        told = await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if told.get("issuer") != self._issuer:
            raise _Unusable(f"its configuration is of the issuer {told.get('issuer')!r:.200}")
        try:
            return checked_url(str(told.get("jwks_uri")), "jwt-jwks-url")
        except ConfigurationError as error:
            raise _Unusable(f"its configuration names no place of keys: {error}") from error

    async def _get(self, url: str) -> dict[str, Any]:
        body = bytearray()
        async with (
            httpx.AsyncClient(timeout=FETCH_WITHIN_S, follow_redirects=False) as client,
            client.stream(
                "GET", url, headers={"accept": "application/json", "accept-encoding": "identity"}
            ) as response,
        ):
            if response.status_code != 200:
                raise _Unusable(f"it answered {response.status_code}")
            async for part in response.aiter_raw(65536):
                body += part
                if len(body) > MAX_BODY_BYTES:
                    raise _Unusable(f"its answer is above {MAX_BODY_BYTES} bytes")
        try:
            told = json.loads(bytes(body))
        except (ValueError, RecursionError) as error:
            raise _Unusable("its answer is not JSON") from error
        if not isinstance(told, dict):
            raise _Unusable("its answer is no JSON object")
        return told


def _public_key(told: Any) -> PublicKey | None:
    """Return the key that a JWK describes, or None if it is none for us: a secret, for encryption, too weak, broken."""
    if not isinstance(told, dict):
        return None
    kid, kind, curve = told.get("kid"), told.get("kty"), told.get("crv")
    if not (isinstance(kind, str) and isinstance(curve, str | None) and isinstance(kid, str | None)):
        return None
    algorithm = _ALGORITHM_OF.get((kind, None if kind == "RSA" else curve))
    operations = told.get("key_ops", ["verify"])
    if algorithm is None or told.get("alg", algorithm) != algorithm or told.get("use", "sig") != "sig":
        return None
    if not isinstance(operations, list) or "verify" not in operations or "d" in told:
        return None
    try:
        key = jwt.PyJWK(told, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size not in RSA_BITS:
        return None
    return PublicKey(kid, algorithm, key)

"""The keys of a provider that rotates them, is slow, is down, or lies, over real HTTP on a clock of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import anyio
import pytest

from crdt_sync_server.auth import jwks
from crdt_sync_server.auth.jwks import Jwks
from crdt_sync_server.errors import ProviderUnavailable, Unauthenticated
from tests.server.identity_provider import Key, Provider, identity_provider

pytestmark = pytest.mark.anyio
FIRST, SECOND = Key("first"), Key("second")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def provider() -> Iterator[Provider]:
    with identity_provider() as provider:
        provider.keys = [FIRST.public()]
        yield provider


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(provider: Provider, clock: Clock) -> Jwks:
    return Jwks(provider.issuer, f"{provider.issuer}/keys", now=clock)


async def test_keys_are_discovered(provider: Provider, clock: Clock) -> None:
    found = await Jwks(provider.issuer, None, now=clock).find("first", "ES256")
    assert [key.kid for key in found] == ["first"]
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_a_hundred_at_once_ask_once(provider: Provider, keys: Jwks) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(keys.find, "first", "ES256")
    assert provider.asked == ["/keys"]


async def test_a_new_key_is_asked_for_and_an_old_one_goes(provider: Provider, keys: Jwks, clock: Clock) -> None:
    await keys.find("first", "ES256")
    provider.keys = [SECOND.public()]
    clock.now_s += jwks.AGAIN_AFTER_S
    assert (await keys.find("second", "ES256"))[0].kid == "second"
    clock.now_s += jwks.AGAIN_AFTER_S
    with pytest.raises(Unauthenticated):
        await keys.find("first", "ES256")


async def test_keys_that_nobody_has_are_asked_for_every_ten_seconds_at_most(
    provider: Provider, keys: Jwks, clock: Clock
) -> None:
    for number in range(100):
        with pytest.raises((Unauthenticated, ProviderUnavailable)):
            await keys.find(f"made up {number}", "ES256")
        clock.now_s += 0.5
    assert len(provider.asked) == 5
    assert await keys.find("first", "ES256"), "who is honest does not suffer"


async def test_a_provider_that_is_down_is_done_without_for_an_hour(
    provider: Provider, keys: Jwks, clock: Clock
) -> None:
    await keys.find("first", "ES256")
    provider.answer = (503, {}, b"down")
    clock.now_s += jwks.STALE_S - 1
    assert await keys.find("first", "ES256")
    clock.now_s += 2
    with pytest.raises(ProviderUnavailable):
        await keys.find("first", "ES256")
    provider.answer = None
    clock.now_s += jwks.AFTER_FAILURE_S
    assert await keys.find("first", "ES256")


async def test_a_provider_that_is_slow_is_not_waited_for(
    provider: Provider, keys: Jwks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_WITHIN_S", 0.2)
    provider.goes_on.clear()
    with anyio.fail_after(10), pytest.raises(ProviderUnavailable):
        await keys.find("first", "ES256")


WEAK = Key("weak", "RS256", bits=1024)
ANSWERS = {
    "huge": (200, {}, b'{"keys": ["' + b"x" * 1_000_000 + b'"]}'),
    "not JSON": (200, {}, b"<html>"),
    "deep": (200, {}, b"[" * 100_000),
    "a list": (200, {}, b"[]"),
    "no keys": (200, {}, b'{"keys": {}}'),
    "not found": (404, {}, b"{}"),
    "redirect": (302, {"location": "/elsewhere"}, b""),
    "a secret": (200, {}, json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "first"}]}).encode()),
    "another algorithm": (200, {}, json.dumps({"keys": [FIRST.public(alg="HS256")]}).encode()),
    "for encryption": (200, {}, json.dumps({"keys": [FIRST.public(use="enc")]}).encode()),
    "a wrong kty": (200, {}, json.dumps({"keys": [FIRST.public(kty="RSA")]}).encode()),
    "a point off the curve": (200, {}, json.dumps({"keys": [FIRST.public(x="AAAA")]}).encode()),
    "no objects": (200, {}, b'{"keys": [null, 1, "x", [], {"kty": {}}]}'),
    "too weak": (200, {}, json.dumps({"keys": [WEAK.public()]}).encode()),
}


@pytest.mark.parametrize("lie", ANSWERS)
async def test_a_provider_that_lies_gives_no_keys(provider: Provider, keys: Jwks, lie: str) -> None:
    provider.answer = ANSWERS[lie]
    for algorithm in ("RS256", "ES256", "EdDSA", "HS256"):
        with pytest.raises(ProviderUnavailable):
            await keys.find("first", algorithm)
    assert provider.asked == ["/keys"], "no redirect was followed, and nothing was asked twice"


async def test_a_configuration_of_another_issuer_is_not_believed(provider: Provider, clock: Clock) -> None:
    body = json.dumps({"issuer": "https://evil.example", "jwks_uri": f"{provider.issuer}/keys"}).encode()
    provider.answer = (200, {}, body)
    with pytest.raises(ProviderUnavailable):
        await Jwks(provider.issuer, None, now=clock).find("first", "ES256")

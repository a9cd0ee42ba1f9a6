"""Tokens of the relay's own: who is told what, and which go to the identity provider."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from crdt_sync_server.auth.static import StaticAuthenticator
from crdt_sync_server.conformance import AuthenticatorContract
from crdt_sync_server.errors import Unauthenticated
from crdt_sync_server.ports import ConnectRequest, Identity
from crdt_sync_server.stores.memory_tokens import MemoryTokens
from crdt_sync_server.tokens import new_token

pytestmark = pytest.mark.anyio


def request(token: str | None) -> ConnectRequest:
    headers = () if token is None else (("authorization", f"Bearer {token}"),)
    return ConnectRequest("u/ada", headers, "", "10.0.0.1")


class Office:
    """Tokens of each kind, at 100 s."""

    def __init__(self) -> None:
        self.tokens = MemoryTokens()
        self.good, good = new_token("ada", name=None, made_ms=0, expires_ms=None)
        self.ending, ending = new_token("ada", name=None, made_ms=0, expires_ms=100_001)
        self.expired, expired = new_token("ada", name=None, made_ms=0, expires_ms=100_000)
        self.revoked, revoked = new_token("ada", name=None, made_ms=0, expires_ms=None)
        self.ids = (good.id, ending.id)
        for each in (good, ending, expired, replace(revoked, revoked_ms=50)):
            anyio.run(self.tokens.add, each)
        self.authenticator = StaticAuthenticator(self.tokens, wall=lambda: 100.0)


OFFICE = Office()


class TestContract(AuthenticatorContract):
    def authenticator(self) -> StaticAuthenticator:
        return OFFICE.authenticator

    def welcome(self) -> list[ConnectRequest]:
        return [request(OFFICE.good), request(OFFICE.ending)]

    def unwelcome(self) -> list[ConnectRequest]:
        bad = [None, OFFICE.expired, OFFICE.revoked, OFFICE.good[:-1], "crdt_", "a.b.c", "crdt_\udcff"]
        return [request(each) for each in bad]


async def test_an_identity_says_when_it_ends_and_what_can_be_revoked() -> None:
    first, second = OFFICE.ids
    assert await OFFICE.authenticator.authenticate(request(OFFICE.good)) == Identity("ada", None, None, first)
    assert await OFFICE.authenticator.authenticate(request(OFFICE.ending)) == Identity("ada", 100.001, None, second)


@pytest.mark.parametrize(
    ("token", "words"),
    [(OFFICE.expired, "has expired"), (OFFICE.revoked, "was revoked"), ("crdt_guess", "not one of this relay")],
    ids=["expired", "revoked", "unknown"],
)
async def test_who_has_a_token_is_told_what_is_wrong_with_it(token: str, words: str) -> None:
    with pytest.raises(Unauthenticated, match=words):
        await OFFICE.authenticator.authenticate(request(token))


async def test_what_is_none_of_ours_goes_to_the_provider_and_what_claims_to_be_never_does() -> None:
    class Provider:
        asked = 0

        async def authenticate(self, request: ConnectRequest) -> Identity:
            self.asked += 1
            return Identity("bob")

    provider = Provider()
    both = StaticAuthenticator(OFFICE.tokens, otherwise=provider, wall=lambda: 100.0)
    assert (await both.authenticate(request("eyJ.a.b"))).subject == "bob"
    assert (await both.authenticate(request(OFFICE.good))).subject == "ada"
    with pytest.raises(Unauthenticated):
        await both.authenticate(request("crdt_guess"))
    assert provider.asked == 1

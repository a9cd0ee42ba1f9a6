"""Tokens that are good, and all the ways in which they are not, against a provider over real HTTP."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync_server.auth.jwks import Jwks
from crdt_sync_server.auth.jwt import JwtAuthenticator, JwtRules, Secret
from crdt_sync_server.conformance import AuthenticatorContract
from crdt_sync_server.errors import Unauthenticated
from crdt_sync_server.ports import Authenticator, ConnectRequest
from tests.server.identity_provider import Key, Provider, identity_provider

pytestmark = pytest.mark.anyio
KEYS = [Key(algorithm, algorithm) for algorithm in ("RS256", "ES256", "EdDSA")]
RSA, EC, ED = KEYS
STRANGER = Key("ES256", "ES256")
SECRET = "a secret of more than thirty-two bytes, as RFC 7518 asks"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with identity_provider() as provider:
        provider.keys = [key.public() for key in KEYS]
        yield provider


def asks(token: str | None, *, by: str = "header") -> ConnectRequest:
    offers = {"header": ("authorization", f"Bearer {token}")}
    offers["subprotocol"] = ("sec-websocket-protocol", f"crdt-sync, token.{token}")
    header = offers.get(by) if token is not None else None
    return ConnectRequest("u/ada", () if header is None else (header,), f"token={token}" if by == "query" else "", None)


def raw(header: object, claims: object, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def forged(provider: Provider) -> dict[str, str | None]:
    claims = {"iss": provider.issuer, "sub": "ada", "exp": time.time() + 60, "aud": "relay", "azp": "https://reader"}
    pem = RSA.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(RSA.public()).encode()
    good = provider.token(EC, aud="relay", azp="https://reader")
    header, _, signature = good.split(".")

    def confused(secret: bytes) -> str:
        signing = raw({"alg": "HS256", "kid": "RS256"}, claims).rpartition(".")[0].encode()
        signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signing, secret)
        return f"{signing.decode()}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    def token(key: Key = EC, **changes: object) -> str:
        return provider.token(key, **{"aud": "relay", "azp": "https://reader", **changes})  # type: ignore[arg-type]

    return {
        "missing": None,
        "empty": "",
        "no token": "not.a.token",
        "too long": "x" * 9000,
        "alg none": raw({"alg": "none"}, claims),
        "alg None": raw({"alg": "None", "kid": "ES256"}, claims),
        "the RSA key's PEM as a secret": confused(pem),
        "the RSA key's JWK as a secret": confused(jwk),
        "alg of another key": raw({"alg": "RS256", "kid": "ES256"}, claims, b"x" * 256),
        "a key of its own": jwt.encode(claims, STRANGER.private, "ES256", {"kid": "ES256", "jwk": STRANGER.public()}),
        "a changed claim": ".".join((header, raw({}, {**claims, "sub": "bob"}).split(".")[1], signature)),
        "cut": good[:-4],
        "expired": token(lasts_s=-10),
        "not yet valid": token(nbf=time.time() + 60),
        "another audience": token(aud="another"),
        "no audience": token(aud=None),
        "another party": token(azp="https://evil"),
        "no party": token(azp=None),
        "another issuer": token(iss="https://evil.example"),
        "the issuer with a slash": token(iss=f"{provider.issuer}/"),
        "no issuer": token(iss=None),
        "no expiry": token(exp=None),
        "no subject": token(sub=None),
        "an empty subject": token(sub=""),
        "a subject with a line break": token(sub="ada\nbob"),
        "a long subject": token(sub="a" * 256),
        "critical": jwt.encode(claims, EC.private, "ES256", {"kid": "ES256", "crit": ["x"], "x": 1}),
    }  # fmt: skip


def authenticator(provider: Provider) -> JwtAuthenticator:
    rules = JwtRules(("RS256", "ES256", "EdDSA"), provider.issuer, ("relay",), ("https://reader",))
    return JwtAuthenticator(rules, Jwks(provider.issuer, f"{provider.issuer}/keys", now=time.monotonic))


class TestJwt(AuthenticatorContract):
    @pytest.fixture(autouse=True)
    def _provided(self, provider: Provider) -> None:
        self.provider = provider

    def authenticator(self) -> Authenticator:
        return authenticator(self.provider)

    def welcome(self) -> list[ConnectRequest]:
        tokens = [self.provider.token(key, aud="relay", azp="https://reader") for key in KEYS]
        return [asks(token, by=by) for token in tokens for by in ("header", "subprotocol", "query")]

    def unwelcome(self) -> list[ConnectRequest]:
        every = forged(self.provider).values()
        return [asks(token, by=by) for token in every for by in ("header", "subprotocol", "query")]


async def test_an_identity_has_the_subject_the_name_and_the_end(provider: Provider) -> None:
    token = provider.token(EC, "user_1", exp=2_000_000_000, aud=["x", "relay"], azp="https://reader", name="Ada")
    identity = await authenticator(provider).authenticate(asks(token))
    assert (identity.subject, identity.name, identity.expires_at_s) == ("user_1", "Ada", 2_000_000_005.0)


async def test_the_leeway_is_kept_on_both_sides(provider: Provider) -> None:
    rules = JwtRules(("ES256",), provider.issuer, leeway_s=30)
    patient = JwtAuthenticator(rules, Jwks(provider.issuer, f"{provider.issuer}/keys", now=time.monotonic))
    for token in (provider.token(EC, lasts_s=-20), provider.token(EC, nbf=time.time() + 20)):
        await patient.authenticate(asks(token))
    for token in (provider.token(EC, lasts_s=-40), provider.token(EC, nbf=time.time() + 40)):
        with pytest.raises(Unauthenticated):
            await patient.authenticate(asks(token))


async def test_a_secret_takes_hs256_and_nothing_else(provider: Provider) -> None:
    shared = JwtAuthenticator(JwtRules(("HS256",)), Secret(SECRET))
    claims = {"sub": "ada", "exp": time.time() + 60}
    assert (await shared.authenticate(asks(jwt.encode(claims, SECRET, "HS256")))).subject == "ada"
    wrong = jwt.encode(claims, SECRET[:-1], "HS256")
    for token in (
        provider.token(RSA),
        wrong,
        jwt.encode(claims, SECRET.ljust(64), "HS512"),
        raw({"alg": "none"}, claims),
    ):
        with pytest.raises(Unauthenticated):
            await shared.authenticate(asks(token))  # fmt: skip


HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "crit", "b64", "typ"]),
    st.one_of(st.sampled_from(["HS256", "none", ["b64"], False]), st.text()),
)


@given(st.one_of(st.text(), st.builds(raw, HEADERS, st.dictionaries(st.text(), st.integers()))))
def test_whatever_comes_is_refused_in_words(token: str) -> None:
    shared = JwtAuthenticator(JwtRules(("HS256",)), Secret(SECRET))
    coroutine = shared.authenticate(ConnectRequest("r", (("authorization", f"Bearer {token}"),), "", None))
    with pytest.raises(Unauthenticated) as caught:
        coroutine.send(None)
    assert str(caught.value)

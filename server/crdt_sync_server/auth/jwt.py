"""Who a JSON Web Token says that one is (RFC 7519), as Clerk, Auth0, Supabase and Keycloak make them.

The settings say which algorithms there are and each key says its own; the token's word is only compared with both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jwt

from crdt_sync_server.auth.jwks import PublicKey
from crdt_sync_server.bearer import is_subject, token_of
from crdt_sync_server.errors import Unauthenticated
from crdt_sync_server.ports import ConnectRequest, Identity

__all__ = ["JwtAuthenticator", "JwtRules", "Keys", "Secret"]

MAX_NAME_CHARACTERS = 200
_NEEDED = ["exp", "sub"]


class Keys(Protocol):
    """Where keys come from."""

    async def find(self, kid: str | None, algorithm: str) -> Sequence[PublicKey]:
        """Return the keys that may have signed a token with this header. Raises `RelayError`."""


class Secret:
    """`Keys` of one shared secret, for HS256 alone."""

    def __init__(self, secret: str) -> None:
        self._keys = (PublicKey(None, "HS256", secret.encode()),)

    async def find(self, kid: str | None, algorithm: str) -> Sequence[PublicKey]:
        """Return the secret, whatever name the token has for it."""
        return self._keys if algorithm == "HS256" else ()


@dataclass(frozen=True, slots=True)
class JwtRules:
    """What a token must say. Of `audiences` and `authorized_parties` (`azp`) one must be named, where there are any."""

    algorithms: tuple[str, ...]
    issuer: str | None = None
    audiences: tuple[str, ...] = ()
    authorized_parties: tuple[str, ...] = ()
    leeway_s: float = 5.0


class JwtAuthenticator:
    """`ports.Authenticator` that takes tokens of one issuer. A token holds until `exp` and the leeway after it."""

    def __init__(self, rules: JwtRules, keys: Keys) -> None:
        self._rules = rules
        self._keys = keys

    async def authenticate(self, request: ConnectRequest) -> Identity:
        """Return who the token says. Raises `Unauthenticated`, and what the keys raise."""
        token = token_of(request)
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise Unauthenticated("the token is no JSON Web Token") from None
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._rules.algorithms or "crit" in header:
            raise Unauthenticated("the token is signed in a way that is not taken here")
        keys = await self._keys.find(header.get("kid"), algorithm)
        claims = self._verified(token, keys)
        parties = self._rules.authorized_parties
        if parties and claims.get("azp") not in parties:
            raise Unauthenticated("the token was made for another application (azp)")
        subject = claims["sub"]
        if not is_subject(subject):
            raise Unauthenticated("the token has no subject that can be one")
        name = claims.get("name")
        shown = name[:MAX_NAME_CHARACTERS] if isinstance(name, str) else None
        try:
            return Identity(subject, float(claims["exp"]) + self._rules.leeway_s, shown)
        except OverflowError:
            raise Unauthenticated("the token says what cannot be") from None

    def _verified(self, token: str, keys: Sequence[PublicKey]) -> dict[str, Any]:
        for key in keys:
            try:
                return self._claims(token, key)
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise Unauthenticated(_words(error)) from None
            except (ValueError, TypeError, OverflowError):  # claims that no clock or library can take
                raise Unauthenticated("the token says what cannot be") from None
        raise Unauthenticated("the token's signature is wrong")

    def _claims(self, token: str, key: PublicKey) -> dict[str, Any]:
        rules = self._rules
        return jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=rules.audiences or None,
            issuer=rules.issuer,
            leeway=rules.leeway_s,
            options={"require": _NEEDED, "verify_aud": bool(rules.audiences)},
        )


def _words(error: jwt.InvalidTokenError) -> str:
    """Say what is wrong, and nothing that the token holds."""
    match error:
        case jwt.ExpiredSignatureError():
            return "the token has expired; ask for a new one"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet; is a clock wrong?"
        case jwt.InvalidAudienceError():
            return "the token was made for another audience (aud)"
        case jwt.InvalidIssuerError():
            return "the token is of another issuer (iss)"
        case jwt.MissingRequiredClaimError(claim=claim):
            return f"the token lacks {claim}"
    return "the token is not valid"

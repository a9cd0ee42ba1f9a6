"""An identity provider as a real HTTP server: it makes tokens, rotates its keys, and can be slow, down, or lie."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

_KINDS = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


class Key:
    """A key pair."""

    def __init__(self, kid: str, algorithm: str = "ES256", *, bits: int = 2048) -> None:
        self.kid, self.algorithm = kid, algorithm
        self.private: Any = {
            "RS256": lambda: rsa.generate_private_key(65537, bits),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()

    def public(self, **changes: object) -> dict[str, Any]:
        jwk: dict[str, Any] = _KINDS[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)  # type: ignore[attr-defined]
        return {**jwk, "kid": self.kid, "use": "sig", **changes}


class Provider:
    """`keys` are published; `answer` takes their place on the wire if it is set: status, headers, body."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.keys: list[dict[str, Any]] = []
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.asked: list[str] = []

    def token(self, key: Key, subject: str = "ada", *, lasts_s: float = 60, **changes: Any) -> str:
        """Return a session token like Clerk's; a claim that is None is left out."""
        now_s = time.time()
        claims = {"iss": self.issuer, "sub": subject, "iat": now_s, "nbf": now_s, "exp": now_s + lasts_s, **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key.private, key.algorithm, {"kid": key.kid})

    def respond(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        self.goes_on.wait(20)
        if self.answer is not None:
            return self.answer
        if path == "/.well-known/openid-configuration":
            return 200, {}, json.dumps({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}).encode()
        return 200, {}, json.dumps({"keys": self.keys}).encode()


@contextmanager
def identity_provider() -> Iterator[Provider]:
    """Serve for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = provider.respond(self.path)
            try:
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # who asked did not wait, or did not read to the end

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        provider.goes_on.set()
        server.shutdown()
        server.server_close()
        thread.join()

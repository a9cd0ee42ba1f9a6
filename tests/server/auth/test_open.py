from __future__ import annotations

import pytest

from crdt_sync_server.auth.open import OpenAuthenticator
from crdt_sync_server.conformance import AuthenticatorContract
from crdt_sync_server.ports import Authenticator, ConnectRequest


def request(host: str | None, origin: str | None = None) -> ConnectRequest:
    headers = [("host", host), ("origin", origin)]
    return ConnectRequest(
        room="r",
        headers=tuple((name, value) for name, value in headers if value is not None),
        query="token=secret",
        client="127.0.0.1",
    )


@pytest.mark.anyio
class TestOpenAuthenticator(AuthenticatorContract):
    def authenticator(self) -> Authenticator:
        return OpenAuthenticator(origins=["https://Reader.example/"], hosts=["relay.example"])

    def welcome(self) -> list[ConnectRequest]:
        return [
            request("127.0.0.1:8765"),
            request("localhost:8765", "http://localhost:5173"),
            request("[::1]:8765", "http://[::1]:5173"),
            request("relay.example"),
            request("relay.example:443", "https://relay.example"),
            request("127.0.0.1:8765", "https://reader.example"),
        ]

    def unwelcome(self) -> list[ConnectRequest]:
        return [
            request(None),
            request(""),
            request("evil.example"),  # a name bent to point here (DNS rebinding)
            request("127.0.0.1.evil.example"),
            request("[::1"),
            request("127.0.0.1:8765", "https://evil.example"),
            request("127.0.0.1:8765", "http://reader.example"),
            request("127.0.0.1:8765", "https://reader.example.evil.example"),
            request("127.0.0.1:8765", "null"),
            request("127.0.0.1:8765", ""),
        ]

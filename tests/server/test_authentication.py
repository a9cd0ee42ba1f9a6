"""A relay that asks for tokens, as a real process, over WebSocket, polling, and a stock client in node."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from httpx_ws import WebSocketDisconnect, WebSocketSession, connect_ws

from crdt_sync.protocol.messages import SyncStep1
from tests.interop.node import stock_clients
from tests.poller import Poller
from tests.relay import RelayProcess
from tests.server.identity_provider import Key, Provider, identity_provider

KEY, STRANGER = Key("key"), Key("key")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with identity_provider() as provider:
        provider.keys = [KEY.public()]
        yield provider


@pytest.fixture
def relay(provider: Provider, tmp_path: Path) -> Iterator[RelayProcess]:
    arguments = ("--auth", "jwt", "--jwt-issuer", provider.issuer, "--jwt-leeway", "0", "--jwt-algorithm", "ES256")
    with RelayProcess(tmp_path, *arguments, "--allow-origin", "https://reader.example") as relay:
        yield relay


def close_of(relay: RelayProcess, room: str, token: str | None, **headers: str) -> tuple[int, str | None]:
    """Return the close code and the reason; nothing may come before."""
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    with httpx.Client(headers=headers) as client:
        session: WebSocketSession
        with connect_ws(f"{relay.url.replace('ws', 'http')}/{room}", client) as session:
            with pytest.raises(WebSocketDisconnect) as caught:
                session.receive_bytes(timeout=20)
            return caught.value.code, caught.value.reason


def test_a_websocket_is_closed_with_the_reason(relay: RelayProcess, provider: Provider) -> None:
    good = provider.token(KEY)
    assert close_of(relay, "u/ada", None)[0] == 4401
    assert close_of(relay, "u/ada", provider.token(STRANGER)) == (4401, "the token's signature is wrong")
    assert close_of(relay, "u/ada", provider.token(KEY, lasts_s=-1))[0] == 4401
    assert close_of(relay, "u/bob", good)[0] == 4403
    assert close_of(relay, "u/ada", good, origin="https://evil.example")[0] == 4403
    with httpx.Client(headers={"authorization": f"Bearer {good}", "origin": "https://reader.example"}) as client:
        session: WebSocketSession
        with connect_ws(f"{relay.url.replace('ws', 'http')}/u/ada", client) as session:
            assert session.receive_bytes(timeout=20)[:2] == b"\x00\x00", "step 1"


def test_a_poll_is_told_401_and_403(relay: RelayProcess, provider: Provider) -> None:
    good = {"authorization": f"Bearer {provider.token(KEY)}"}
    for room, headers, status in (("u/ada", {}, 401), ("u/bob", good, 403)):
        with Poller(relay.url, room, headers=headers) as poller:
            assert poller.post(poller.next_poll()).status_code == status
    with Poller(relay.url, "u/ada", headers=good) as poller:
        poller.open()
        assert isinstance(poller.hear(SyncStep1), SyncStep1)


def test_a_connection_ends_with_its_token(relay: RelayProcess, provider: Provider) -> None:
    token = provider.token(KEY, exp=time.time() + 2)
    with httpx.Client(headers={"authorization": f"Bearer {token}"}) as client:
        session: WebSocketSession
        with connect_ws(f"{relay.url.replace('ws', 'http')}/u/ada", client) as session:
            with pytest.raises(WebSocketDisconnect) as caught:
                list(iter(lambda: session.receive_bytes(timeout=30), b""))
            assert caught.value.code == 4501


def test_stock_clients_come_in_with_a_query_or_a_subprotocol(relay: RelayProcess, provider: Provider) -> None:
    with stock_clients() as node:
        node.open("query", relay.url, "u/ada", token=provider.token(KEY))
        node.open("offer", relay.url, "u/ada", protocols=["crdt-sync", f"token.{provider.token(KEY)}"])
        for client in ("query", "offer"):
            node.until(client, synced=True)
        node.set("query", {"k": 1})
        node.until("offer", m={"k": 1})
        node.open("nobody", relay.url, "u/ada")
        node.until("nobody", closes=[4401], synced=False)
        node.call("close", "nobody")


def test_a_token_is_in_no_line_of_the_log(provider: Provider, tmp_path: Path) -> None:
    tokens = [provider.token(KEY), provider.token(STRANGER), provider.token(KEY, lasts_s=-9), "no-token-at-all"]
    with RelayProcess(tmp_path, "--auth", "jwt", "--jwt-issuer", provider.issuer) as relay:
        url = relay.url.replace("ws", "http")
        for token in tokens:
            for path in (f"/u/ada?token={token}", f"/sync/u/ada?token={token}", f"/healthz?token={token}"):
                httpx.post(f"{url}{path}", headers={"authorization": f"Bearer {token}"})
            close_or_open(relay, token)
    assert len(relay.output) > len(tokens)
    assert not [line for line in relay.output for token in tokens if token in line or token[-20:] in line]


def close_or_open(relay: RelayProcess, token: str) -> None:
    with httpx.Client() as client:
        session: WebSocketSession
        offer = ["crdt-sync", f"token.{token}"]
        with connect_ws(
            f"{relay.url.replace('ws', 'http')}/u/ada?token={token}", client, subprotocols=offer
        ) as session:
            assert session.subprotocol == "crdt-sync", "and never the token"

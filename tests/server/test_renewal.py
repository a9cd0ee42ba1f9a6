"""Fresh tokens over open connections (103), against a relay in a process of its own, over WebSocket and polls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from httpx_ws import WebSocketDisconnect, WebSocketSession, connect_ws

from crdt_sync.protocol.messages import FreshToken, TokenHolds, decode, encode
from tests.poller import Poller
from tests.relay import RelayProcess
from tests.server.identity_provider import Key, Provider, identity_provider
from tests.server.operating import tell
from tests.server.test_authentication import close_of

KEY, STRANGER = Key("key"), Key("key")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with identity_provider() as provider:
        provider.keys = [KEY.public()]
        yield provider


@pytest.fixture(scope="module")
def relay(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    arguments = ("--auth", "jwt", "--jwt-issuer", provider.issuer, "--jwt-leeway", "0")
    with RelayProcess(tmp_path_factory.mktemp("relay"), *arguments) as relay:
        yield relay


class Line:
    """A WebSocket of ada's."""

    def __init__(self, session: WebSocketSession) -> None:
        self._session = session

    def say(self, token: str) -> None:
        self._session.send_bytes(encode(FreshToken(token)))

    def holds(self) -> int:
        """Return the seconds of the next answer."""
        while True:
            for message in decode(self._session.receive_bytes(timeout=20)):
                if isinstance(message, TokenHolds):
                    return message.seconds

    def close(self) -> tuple[int, str | None]:
        with pytest.raises(WebSocketDisconnect) as caught:
            list(iter(lambda: self._session.receive_bytes(timeout=20), b""))
        return caught.value.code, caught.value.reason


@pytest.fixture
def line(relay: RelayProcess, provider: Provider) -> Iterator[Line]:
    headers = {"authorization": f"Bearer {provider.token(KEY, lasts_s=100)}"}
    session: WebSocketSession
    with (
        httpx.Client(headers=headers) as client,
        connect_ws(f"{relay.url.replace('ws', 'http')}/u/ada", client) as session,
    ):
        yield Line(session)


def test_a_fresh_token_moves_the_end_and_an_empty_one_asks(line: Line, provider: Provider) -> None:
    line.say("")
    assert 60 < line.holds() <= 100
    line.say(provider.token(KEY, lasts_s=1000))
    assert 900 < line.holds() <= 1000
    line.say("")
    assert 900 < line.holds() <= 1000


def test_a_fresh_token_may_also_hold_for_less(line: Line, provider: Provider) -> None:
    line.say(provider.token(KEY, exp=time.time() + 2))
    assert line.holds() <= 2
    assert line.close()[0] == 4501


def test_a_token_of_another_subject_ends_the_connection(line: Line, provider: Provider) -> None:
    line.say(provider.token(KEY, "bob", lasts_s=1000))
    assert line.close() == (4403, "the fresh token is of another subject; connect again as that")


def test_a_bad_token_ends_the_connection(line: Line, provider: Provider) -> None:
    line.say(provider.token(STRANGER, lasts_s=1000))
    assert line.close() == (4401, "the token's signature is wrong")


def test_too_many_tokens_are_too_many_questions(line: Line) -> None:
    for _ in range(70):
        line.say("")
    assert line.close() == (1008, "too many questions; come back later")


def test_while_the_provider_is_away_the_old_token_holds(line: Line, provider: Provider) -> None:
    """A key that cannot be asked for is nobody's fault; the connection goes on to its own end."""
    other = Key("another")
    provider.answer = (500, {}, b"")
    try:
        line.say(provider.token(other, lasts_s=1000))
        line.say("")
        assert line.holds() <= 100
    finally:
        provider.answer = None


def test_each_poll_may_bring_a_fresh_token_and_so_may_a_message(relay: RelayProcess, provider: Provider) -> None:
    headers = {"authorization": f"Bearer {provider.token(KEY, lasts_s=100)}"}
    with Poller(relay.url, "u/ada", headers=headers) as poller:
        poller.open()
        poller.say(FreshToken(""))
        answer = poller.hear(TokenHolds)
        assert isinstance(answer, TokenHolds)
        assert answer.seconds <= 100
        poller.heard.clear()
        poller.client.headers["authorization"] = f"Bearer {provider.token(KEY, lasts_s=1000)}"
        poller.say(FreshToken(""))
        answer = poller.hear(TokenHolds)
        assert isinstance(answer, TokenHolds)
        assert answer.seconds > 900
        poller.heard.clear()
        poller.say(FreshToken(provider.token(KEY, lasts_s=3000)))
        answer = poller.hear(TokenHolds)
        assert isinstance(answer, TokenHolds)
        assert answer.seconds > 2900


def test_a_token_of_the_relay_s_own_goes_in_jwt_mode_too(tmp_path: Path, provider: Provider) -> None:
    """And where a connection has come to such a one by a message, revoking that ends it."""
    with RelayProcess(tmp_path, "--auth", "jwt", "--jwt-issuer", provider.issuer) as relay:
        made = tell(tmp_path, "tokens", "create", "ada")
        headers = {"authorization": f"Bearer {provider.token(KEY, lasts_s=100)}"}
        session: WebSocketSession
        with (
            httpx.Client(headers=headers) as client,
            connect_ws(f"{relay.url.replace('ws', 'http')}/u/ada", client) as session,
        ):
            line = Line(session)
            line.say(made["token"])
            session.send_bytes(b"\x66\x01\x05")
            while session.receive_bytes(timeout=20) != b"\x66\x01\x05":
                pass
            tell(tmp_path, "tokens", "revoke", made["id"])
            code, reason = line.close()
            assert code == 4401
            assert "revoked" in (reason or "")
        assert close_of(relay, "u/ada", made["token"])[0] == 4401
        assert made["token"] not in "".join(relay.output)

"""When a connection asks for a fresh token, and what it does with the answer, on trio's mock clock."""

from __future__ import annotations

import anyio
import pytest
import trio
import trio.testing

from crdt_sync.protocol.messages import Awareness, FreshToken, TokenHolds, decode, encode
from crdt_sync.sync.connection import Connection
from crdt_sync.sync.credentials import Credentials, Token
from crdt_sync.sync.presence import Presence
from tests.sync.test_loop import Empty, _Deaf

LASTS_S = 60


class Relay:
    """A transport to a relay that says for how long each token holds, where `knows`, and speaks every 20 s."""

    name = "scripted"

    def __init__(self, *, knows: bool = True) -> None:
        self.knows = knows
        self.heard: list[tuple[float, str]] = []
        self.shown: list[str] = []
        self._send, self._receive = anyio.create_memory_object_stream[bytes](100)

    async def send(self, frame: bytes) -> None:
        for message in decode(frame):
            if isinstance(message, FreshToken):
                self.heard.append((trio.current_time(), message.token))
                if self.knows:
                    self._send.send_nowait(encode(TokenHolds(LASTS_S)))

    async def receive(self) -> bytes:
        with anyio.move_on_after(20):
            return await self._receive.receive()
        return encode(Awareness(()))

    def renew(self, token: str) -> None:
        self.shown.append(token)

    def close(self) -> None:
        self._send.close()
        self._receive.close()


def play(relay: Relay, token: Token, *, shown: str, for_s: float) -> None:
    """Run a connection over the relay for so long."""
    credentials = Credentials(token)
    credentials.shown = shown

    async def main() -> None:
        now = trio.current_time
        connection = Connection(relay, Empty(), Presence(1, now), _Deaf(), name="c", now=now, credentials=credentials)
        with trio.move_on_after(for_s):
            await connection.run()
        relay.close()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_fresh_token_is_handed_over_in_time_each_time() -> None:
    given = iter(["second", "third", "fourth"])
    relay = Relay()
    play(relay, lambda: next(given), shown="first", for_s=100)
    assert relay.heard == [(0, ""), (45, "second"), (90, "third")]
    assert relay.shown == ["second", "third"]


@pytest.mark.parametrize("answer", ["first", None, OSError("no network")])
def test_a_callable_with_nothing_new_is_asked_a_few_times_and_its_answer_not_sent(answer: object) -> None:
    asked: list[float] = []

    def token() -> str | None:
        asked.append(trio.current_time())
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    relay = Relay()
    play(relay, token, shown="first", for_s=LASTS_S)
    assert asked == pytest.approx([45, 56.25])
    assert relay.heard == [(0, "")]
    assert relay.shown == []


def test_a_slow_callable_holds_up_nothing_and_is_asked_once_at_a_time() -> None:
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        await trio.sleep(200)
        return "second"

    relay = Relay()
    play(relay, token, shown="first", for_s=240)
    assert asked == 1
    assert relay.heard == [(0, "")]  # it is still under way; the relay would have closed long ago


def test_where_the_relay_says_no_end_nobody_is_asked() -> None:
    """A static token, or a relay that does not know the message."""

    def token() -> str:
        raise AssertionError("asked")

    relay = Relay(knows=False)
    play(relay, token, shown="first", for_s=10_000)
    assert relay.heard == [(0, "")]


def test_a_fixed_token_is_not_asked_about() -> None:
    relay = Relay()
    play(relay, "first", shown="first", for_s=1000)
    assert relay.heard == []

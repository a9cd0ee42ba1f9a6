"""The reconnect loop on trio's mock clock: when it tries again, with which token, and when it stops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import anyio
import pytest
import trio
import trio.lowlevel
import trio.testing

from crdt_sync.errors import BoundElsewhere, ConnectionLost, DiskFull
from crdt_sync.protocol.messages import SyncStep1, SyncStep2, decode, encode
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync.sync.connection import Connection
from crdt_sync.sync.credentials import Token
from crdt_sync.sync.loop import Link, State, SyncLoop
from crdt_sync.sync.presence import Presence
from crdt_sync.sync.transport import Transport


@dataclass
class Empty:
    """A replica that holds nothing; `fails` is raised when a sync completes."""

    fails: Exception | None = None

    @dataclass
    class Nothing:
        updates: tuple[bytes, ...] = (EMPTY_UPDATE,)
        seq: int = 0
        edits_made: int = 0

    async def state_vector(self) -> bytes:
        return b"\x00"

    async def diff(self, state_vector: bytes) -> Nothing:
        return self.Nothing()

    async def outgoing(self, after_seq: int, not_received_by: str) -> Nothing:
        return self.Nothing(())

    async def take(self, updates: Sequence[bytes], received_by: str) -> None:
        return None

    async def acknowledge(self, edits_made: int) -> None:
        return None

    async def synced(self) -> None:
        if self.fails is not None:
            raise self.fails

    def on_rows(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


class Highest(Random):
    """Full jitter at its ceiling."""

    def random(self) -> float:
        return 1.0


class Relay:
    """Each attempt plays the next of a list: a lost connection at once, or a sync and then its loss."""

    def __init__(self, *plays: ConnectionLost | tuple[str, ConnectionLost]) -> None:
        self.plays = list(plays)
        self.at_s: list[float] = []
        self.tokens: list[str | None] = []

    @asynccontextmanager
    async def __call__(self, token: str | None) -> AsyncIterator[Transport]:
        self.at_s.append(trio.current_time())
        self.tokens.append(token)
        play = self.plays.pop(0) if self.plays else ConnectionLost("over", code=4403)
        if isinstance(play, ConnectionLost):
            raise play
        yield Played(play[1])


class Played:
    name = "played"

    def __init__(self, end: ConnectionLost) -> None:
        self._frames = [encode(SyncStep2(EMPTY_UPDATE))]
        self._end = end

    async def send(self, frame: bytes) -> None:
        return None

    async def receive(self) -> bytes:
        if self._frames:
            return self._frames.pop()
        await trio.sleep(0.5)  # of the mock clock
        raise self._end


def run(
    relay: Relay,
    *,
    token: Token = None,
    replica: Any = None,
    wake_at_s: Sequence[float] = (),
    keep_s: float | None = None,
) -> list[Link]:
    """Run a loop until it stops, on a clock that jumps, and return what it reported.

    With `keep_s` it is kept running until it is over, or for so many seconds.
    """
    links: list[Link] = []

    async def main() -> None:
        loop = SyncLoop(
            relay,
            replica or Empty(),
            Presence(1, trio.current_time),
            token=token,
            random=Highest(),
            now=trio.current_time,
            report=links.append,
        )

        async def wake() -> None:
            for at_s in wake_at_s:
                await trio.sleep_until(at_s)
                loop.wake()

        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(wake)
            if keep_s is None:
                await loop.run()
            else:
                with trio.move_on_after(keep_s):
                    await loop.keep_running()
                assert trio.current_time() == pytest.approx(keep_s) or loop.link.state is State.STOPPED

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return links


def test_it_backs_off_1_2_4_8_16_and_stays_there() -> None:
    relay = Relay(*[ConnectionLost("refused")] * 7)
    links = run(relay)
    waits = [later - sooner for sooner, later in zip(relay.at_s, relay.at_s[1:], strict=False)]
    assert waits == pytest.approx([1, 2, 4, 8, 16, 16, 16])
    assert [link.retry_in_s for link in links if link.state is State.WAITING] == [1, 2, 4, 8, 16, 16, 16]
    assert links[-1].state is State.STOPPED


def test_only_a_completed_sync_starts_the_back_off_again() -> None:
    synced = ("synced", ConnectionLost("gone", code=1012))
    relay = Relay(ConnectionLost("x"), ConnectionLost("x"), synced, ConnectionLost("x"))
    links = run(relay)
    waits = [later - sooner for sooner, later in zip(relay.at_s, relay.at_s[1:], strict=False)]
    assert waits == pytest.approx([1, 2, 1.5, 2])  # half a second connected, then 1 again
    assert [link.state for link in links].count(State.CONNECTED) == 1


def test_wake_cuts_a_back_off_short() -> None:
    relay = Relay(*[ConnectionLost("x")] * 6)
    run(relay, wake_at_s=[16.5])
    assert relay.at_s[:6] == pytest.approx([0, 1, 3, 7, 15, 16.5])


@pytest.mark.parametrize(("code", "tries"), [(4400, 1), (4403, 1), (4404, 1), (4413, 1), (1009, 1), (4401, 1)])
def test_a_refusal_for_good_stops_at_once_and_says_why(code: int, tries: int) -> None:
    relay = Relay(ConnectionLost("because", code=code), ConnectionLost("again"))
    links = run(relay)
    words = "because; open the library with a new token" if code == 4401 else "because"
    assert (links[-1].state, links[-1].last_error) == (State.STOPPED, words)
    assert len(relay.at_s) == tries


@pytest.mark.parametrize("code", [4400, 4403, 4413, 1009])
def test_a_refusal_that_somebody_lifts_is_followed_by_another_try(code: int) -> None:
    """At `wake`, not by itself; and who waits from then on is not told of the refusal that is over."""
    refused = ConnectionLost("because", code=code)
    relay = Relay(refused, refused, ("synced", ConnectionLost("gone", code=1012)))
    links = run(relay, wake_at_s=[100, 200], keep_s=300)
    assert relay.at_s[:4] == pytest.approx([0, 100, 200, 201.5])
    states = [link.state for link in links]
    assert states.count(State.STOPPED) == 3  # the last with what the script ends with
    for index, state in enumerate(states[:-1]):
        assert state is not State.STOPPED or states[index + 1] is State.CONNECTING
    assert State.CONNECTED in states


@pytest.mark.parametrize(
    ("token", "replica", "play"),
    [
        (None, None, ConnectionLost("the document was deleted", code=4404)),
        ("fixed", None, ConnectionLost("bad token", code=4401)),
        (None, Empty(BoundElsewhere("another account")), ("synced", ConnectionLost("x"))),
    ],
)
def test_what_nobody_can_lift_stays_stopped(token: Token, replica: Any, play: Any) -> None:
    relay = Relay(play)
    links = run(relay, token=token, replica=replica, wake_at_s=[10, 20], keep_s=30)
    assert len(relay.at_s) == 1
    assert links[-1].state is State.STOPPED
    assert [link.state for link in links].count(State.STOPPED) == 1


@pytest.mark.parametrize("code", [1001, 1008, 1011, 1012, 1013, 4500, 4599, 1006, 3000])
def test_what_passes_is_tried_again(code: int) -> None:
    relay = Relay(ConnectionLost("x", code=code))
    run(relay)
    assert len(relay.at_s) == 2


def test_a_token_is_asked_for_at_each_attempt_and_anew_after_a_refusal() -> None:
    given = iter(["old", "new", "newer", "last"])

    async def token() -> str:
        await trio.lowlevel.checkpoint()
        return next(given)

    relay = Relay(ConnectionLost("expired", code=4401), ("synced", ConnectionLost("expired", code=4501)))
    run(relay, token=token)
    assert relay.tokens == ["old", "new", "newer"]
    assert relay.at_s == pytest.approx([0, 0, 0.5])  # a fresh token is tried at once


def test_a_fresh_token_that_is_refused_too_needs_a_person() -> None:
    """It is told what to do, nobody is asked again and again, and `wake` says that somebody has signed in."""
    given = iter(["stale", "as stale", "signed in"])
    relay = Relay(*[ConnectionLost("expired", code=4401)] * 2)
    links = run(relay, token=lambda: next(given), wake_at_s=[1000])
    assert relay.at_s == pytest.approx([0, 0, 1000])
    (asks,) = [link for link in links if link.state is State.SIGN_IN]
    assert asks.last_error == "expired; sign in again, then call reconnect()"
    assert relay.tokens[-1] == "signed in"
    assert links[-1].state is State.STOPPED  # 4403, with which the script ends


@pytest.mark.parametrize("code", [4401, 4501])
def test_the_token_that_was_refused_is_not_shown_again(code: int) -> None:
    """A callable that returns it again and again costs no connection, and neither does a `wake` without a new one."""
    asked: list[float] = []

    def token() -> str:
        asked.append(trio.current_time())
        return "new" if trio.current_time() >= 30 else "stale"

    relay = Relay(("synced", ConnectionLost("expired", code=code)))
    links = run(relay, token=token, wake_at_s=[10, 20, 30])
    assert relay.tokens == ["stale", "new"]
    assert asked == pytest.approx([0, 0.5, 10, 20, 30])
    assert [link.state for link in links].count(State.SIGN_IN) == 3


def test_who_has_signed_out_is_asked_to_sign_in() -> None:
    relay = Relay(ConnectionLost("a token is needed", code=4401))
    links = run(relay, token=lambda: None if trio.current_time() < 5 else "new", wake_at_s=[5])
    assert relay.tokens == [None, "new"]
    assert State.SIGN_IN in [link.state for link in links]


def test_a_token_callable_that_fails_is_asked_again_later() -> None:
    answers: list[Any] = [OSError("no network"), "good"]

    def token() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    relay = Relay()
    links = run(relay, token=token)
    assert relay.tokens == ["good"]
    assert any(link.last_error and "no network" in link.last_error for link in links)


def test_a_full_disk_is_waited_out_and_a_foreign_file_is_not() -> None:
    relay = Relay(("synced", ConnectionLost("x")), ConnectionLost("x"))
    links = run(relay, replica=Empty(DiskFull("no room")))
    assert len(relay.at_s) == 3
    assert any(link.last_error == "no room" and link.state is State.WAITING for link in links)
    relay = Relay(("synced", ConnectionLost("x")))
    links = run(relay, replica=Empty(BoundElsewhere("another account")))
    assert (links[-1].state, links[-1].last_error) == (State.STOPPED, "another account")
    assert len(relay.at_s) == 1


def test_an_error_of_our_own_is_never_swallowed() -> None:
    with pytest.raises(BaseExceptionGroup) as caught:  # the group is this test's own
        run(Relay(("synced", ConnectionLost("x"))), replica=Empty(ZeroDivisionError()))
    assert caught.group_contains(ZeroDivisionError)


def test_a_deadline_that_has_come_is_acted_on_and_not_waited_for_again() -> None:
    """Seconds are binary fractions: 25 s after 0.7 s is a moment at which only 24.999… s have passed since 0.7 s."""
    heard_s = next(at for at in (number / 1000 for number in range(1, 100_000)) if (at + 25.0) - at < 25.0)
    frames: list[bytes] = []

    class Silent:
        name = "silent"

        async def send(self, frame: bytes) -> None:
            frames.append(frame)

        async def receive(self) -> bytes:
            await trio.sleep_forever()
            raise AssertionError

    async def main() -> None:
        looks = 0

        def now() -> float:
            nonlocal looks
            looks += 1
            assert looks < 100, "it goes round in circles"
            return heard_s if looks < 5 else heard_s + 25.0  # a clock that stands still, at the moment that was due

        connection = Connection(Silent(), Empty(), Presence(1, now), _Deaf(), name="c", now=now)
        with trio.move_on_after(1):
            await connection.run()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert [decode(frame)[0] for frame in frames].count(SyncStep1(b"\x00")) == 2  # the second asks for a sign of life


class _Deaf:
    def synced(self, *, takes_edits: bool) -> None: ...

    def acknowledged(self) -> None: ...

    def confirms(self, storage: bool) -> None: ...

    def asked(self) -> None: ...

    def denied(self, reason: str) -> None: ...

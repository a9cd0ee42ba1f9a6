"""Devices whose tokens end, against a relay that asks for them: renewed in time, or a person is asked to act."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from crdt_sync import Library, State, blocking, open_library
from crdt_sync.sync import credentials
from tests.relay import RelayProcess
from tests.server.identity_provider import Key, Provider, identity_provider

KEY = Key("key")
LASTS_S = 6.0


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with identity_provider() as provider:
        provider.keys = [KEY.public()]
        yield provider


@pytest.fixture
def relay(provider: Provider, tmp_path: Path) -> Iterator[RelayProcess]:
    arguments = ("--auth", "jwt", "--jwt-issuer", provider.issuer, "--jwt-leeway", "0")
    with RelayProcess(tmp_path / "relay", *arguments) as relay:
        yield relay


async def until(library: Library, state: State) -> None:
    with anyio.fail_after(30):
        async for status in library.status_changes():
            if status.state is state:
                return


@pytest.mark.anyio
async def test_a_connection_outlives_its_tokens(
    relay: RelayProcess, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a WebSocket and over polls, with a fresh token each time: neither is closed or opened a second time."""
    monkeypatch.setattr(credentials, "AGAIN_AFTER_S", 0.2)
    asked = {"websocket": 0, "polling": 0}
    done = anyio.Event()

    async def work(transport: str) -> None:
        async def token() -> str:
            asked[transport] += 1
            if min(asked.values()) > 2:
                done.set()
            return provider.token(KEY, exp=time.time() + LASTS_S)

        where = tmp_path / transport
        async with open_library(where, relay=relay.url, room="u/ada", token=token, transport=transport) as library:  # type: ignore[arg-type]
            assert await library.synced(timeout_s=20), library.status
            with anyio.fail_after(60):
                await done.wait()
            await library.add_note(f"over {transport}, long after the first token's end")
            assert await library.synced(timeout_s=20), library.status

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, "websocket")
        tasks.start_soon(work, "polling")
    opened = [line for line in relay.output if " open " in line]
    assert len(opened) == 2, relay.output


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_callable_that_gives_the_same_again_and_again_does_not_spin(
    relay: RelayProcess, provider: Provider, tmp_path: Path
) -> None:
    """The connection ends with its token; the same one is not shown again; a new one after `reconnect` is."""
    asked: list[str] = []
    tokens = [provider.token(KEY, exp=time.time() + 2)]

    def token() -> str:
        asked.append(tokens[-1])
        return tokens[-1]

    async with open_library(tmp_path / "ada", relay=relay.url, room="u/ada", token=token) as library:
        assert await library.synced(timeout_s=20), library.status
        await until(library, State.SIGN_IN)
        assert "sign in again" in (library.status.last_error or "")
        assert len(asked) <= 4, "once to connect, once or twice in time, once after the end"
        await library.add_note("while signed out")
        assert not await library.synced(timeout_s=20), "it waits for no person"
        tokens.append(provider.token(KEY, lasts_s=60))
        library.reconnect()
        await until(library, State.CONNECTED)
        assert await library.synced(timeout_s=20), library.status


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_token_of_another_account_stops_for_good(
    relay: RelayProcess, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people's libraries are never merged because a browser has changed its account."""
    monkeypatch.setattr(credentials, "AGAIN_AFTER_S", 0.2)
    given = iter(["ada", "bob", "bob", "ada"])

    def token() -> str:
        return provider.token(KEY, next(given), exp=time.time() + 3)

    async with open_library(tmp_path / "ada", relay=relay.url, room="u/ada", token=token) as library:
        assert await library.synced(timeout_s=20), library.status
        await until(library, State.STOPPED)
        assert "another subject" in (library.status.last_error or "")
        library.reconnect()  # as a program does when the network has changed
        assert library.status.state is State.STOPPED
        assert not await library.synced(timeout_s=20), "which is said at once"
        assert library.status.state is State.STOPPED


def test_the_blocking_face_asks_for_a_person_and_goes_on(
    relay: RelayProcess, provider: Provider, tmp_path: Path
) -> None:
    tokens = [provider.token(KEY, lasts_s=-1)]
    with blocking.open_library(tmp_path / "ada", relay=relay.url, room="u/ada", token=lambda: tokens[-1]) as library:
        library.add_note("written before anybody has signed in")
        deadline_s = time.monotonic() + 30
        assert not library.synced(timeout_s=20)
        while library.status.state is not State.SIGN_IN:
            assert time.monotonic() < deadline_s, library.status
            library.synced(timeout_s=0.1)
        tokens.append(provider.token(KEY, lasts_s=60))
        library.reconnect()
        while not library.synced(timeout_s=1):
            assert time.monotonic() < deadline_s, library.status

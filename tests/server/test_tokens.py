"""`crdt-sync-server tokens`, and what they open: a real relay, its commands, devices, polls and a raw socket."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from httpx_ws import WebSocketDisconnect, WebSocketSession, connect_ws

from crdt_sync import State, open_library
from crdt_sync.protocol.messages import SyncStep1
from tests.interop.node import stock_clients
from tests.poller import Poller
from tests.relay import RelayProcess
from tests.server.operating import call, call_process, tell
from tests.server.test_authentication import close_of


def connected(relay: RelayProcess, token: str, room: str = "u/ada") -> Any:
    client = httpx.Client(headers={"authorization": f"Bearer {token}"})
    return connect_ws(f"{relay.url.replace('ws', 'http')}/{room}", client)


def test_a_token_made_before_the_first_start_opens_its_subject_s_rooms(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = tell(data, "tokens", "create", "ada", "--name", "e-reader")
    with RelayProcess(data, "--auth", "static") as relay:
        assert close_of(relay, "u/bob", made["token"])[0] == 4403
        assert close_of(relay, "u/ada", None)[0] == 4401
        assert close_of(relay, "u/ada", "crdt_" + "x" * 43) == (4401, "the token is not one of this relay")

        async def work() -> None:
            async with open_library(tmp_path / "ada", relay=relay.url, room="u/ada", token=made["token"]) as library:
                await library.add_note("hello")
                assert await library.synced(timeout_s=20), library.status

        anyio.run(work)
        (shown,) = tell(data, "tokens", "list")
        assert (shown["subject"], shown["name"], shown["revoked_ms"]) == ("ada", "e-reader", None)
        assert "token" not in shown
    lines = "".join(relay.output)
    assert made["token"] not in lines


def test_revoking_closes_within_a_second_and_no_replay_comes_in(tmp_path: Path) -> None:
    """A WebSocket and a poll that waits are ended; the token is refused after that, and after a restart and restore."""
    data, backup = tmp_path / "data", tmp_path / "backup"
    relay = RelayProcess(data, "--auth", "static")
    with relay:
        first, second = (tell(data, "tokens", "create", "ada") for _ in range(2))
        assert call(data, "backup", str(backup)).returncode == 0
        session: WebSocketSession
        with (
            connected(relay, first["token"]) as session,
            connected(relay, second["token"]) as other,
            Poller(relay.url, "u/ada", headers={"authorization": f"Bearer {first['token']}"}) as poller,
        ):
            session.receive_bytes(timeout=20)
            other.receive_bytes(timeout=20)
            poller.open()
            poller.hear(SyncStep1)
            assert tell(data, "tokens", "revoke", first["id"])["revoked_ms"] > 0
            done_s = time.monotonic()
            with pytest.raises(WebSocketDisconnect) as caught:
                list(iter(lambda: session.receive_bytes(timeout=20), b""))
            assert time.monotonic() - done_s < 1
            assert caught.value.code == 4401
            assert "revoked" in (caught.value.reason or "")
            assert poller.post(poller.next_poll()).json()["code"] == 4401
            assert close_of(relay, "u/ada", first["token"])[0] == 4401
            other.send_bytes(b"\x66\x01\x05")
            assert b"\x66\x01\x05" in iter(lambda: other.receive_bytes(timeout=20), b""), "the other token holds"
    for _ in ("restarted", "restored"):
        with relay:
            assert close_of(relay, "u/ada", first["token"])[0] == 4401
        assert call(data, "restore", str(backup)).returncode == 0
    with relay, connected(relay, second["token"]) as other:
        other.receive_bytes(timeout=20)
    assert "do=revoke" in "".join(relay.output)


def test_a_stock_client_stops_when_its_token_is_revoked(tmp_path: Path) -> None:
    """It comes in by the query or by a subprotocol; 4401 is for good, so it does not come again and again."""
    data = tmp_path / "data"
    with RelayProcess(data, "--auth", "static") as relay, stock_clients() as node:
        made = tell(data, "tokens", "create", "ada")
        node.open("query", relay.url, "u/ada", token=made["token"])
        node.open("offer", relay.url, "u/ada", protocols=["crdt-sync", f"token.{made['token']}"])
        for client in ("query", "offer"):
            node.until(client, synced=True)
        node.set("query", {"k": 1})
        node.until("offer", m={"k": 1})
        tell(data, "tokens", "revoke", made["id"])
        for client in ("query", "offer"):
            node.until(client, closes=[4401])


def test_a_device_whose_token_is_revoked_says_so(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RelayProcess(data, "--auth", "static") as relay:
        made = tell(data, "tokens", "create", "ada")

        async def work() -> None:
            async with open_library(tmp_path / "ada", relay=relay.url, room="u/ada", token=made["token"]) as library:
                assert await library.synced(timeout_s=20)
                await anyio.to_thread.run_sync(tell, data, "tokens", "revoke", made["id"])
                with anyio.fail_after(20):
                    async for status in library.status_changes():
                        if status.state is State.STOPPED:
                            assert "revoked" in (status.last_error or "")
                            return

        anyio.run(work)


def test_a_token_ends_when_it_was_to(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = tell(data, "tokens", "create", "ada", "--expires", "12h")
    assert made["expires_ms"] - made["made_ms"] == 12 * 3600 * 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", ""), "a subject has 1 to 255 characters"),
        (("create", "a\nb"), "no control characters"),
        (("create", "e\u0301"), "composed form"),
        (("create", "ada", "--expires", "soon"), "--expires takes 30m"),
        (("create", "ada", "--expires", "0d"), "--expires takes 30m"),
        (("create", "ada", "--expires", "999999y"), "--expires takes 30m"),
        (("create", "ada", "--name", ""), "a token's name"),
        (("create", "ada", "--name", "half \udcff"), "a token's name"),
        (("create", "half \udcff"), "no control characters"),
        (("revoke", "nothing"), "there is no token 'nothing'"),
        (("revoke", "half \udcff"), "there is no token"),
    ],
)
def test_what_cannot_be_is_one_line_and_makes_no_token(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    tell(tmp_path, "tokens", "create", "first")
    done = call(tmp_path, "tokens", *arguments)
    assert done.returncode == 1
    assert words in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    assert len(tell(tmp_path, "tokens", "list")) == 1


def test_people_see_the_token_once_on_its_own_line(tmp_path: Path) -> None:
    done = call_process(tmp_path, "tokens", "create", "ada")
    assert done.returncode == 0
    token = done.stdout.decode().strip()
    assert token.startswith("crdt_")
    assert "u/ada" in done.stderr.decode()
    assert token not in done.stderr.decode()
    (shown,) = tell(tmp_path, "tokens", "list")
    listed = call(tmp_path, "tokens", "list").stdout.decode()
    assert shown["id"] in listed
    assert "holds" in listed
    assert token not in listed
    assert call(tmp_path, "tokens", "revoke", shown["id"]).returncode == 0
    assert "revoked" in call(tmp_path, "tokens", "list").stdout.decode()


def test_a_user_who_is_deleted_comes_in_with_no_token_any_more(tmp_path: Path) -> None:
    first, second, other = (tell(tmp_path, "tokens", "create", subject) for subject in ("ada", "ada", "bob"))
    with RelayProcess(tmp_path, "--auth", "static") as relay:
        tell(tmp_path, "users", "delete", "ada", "--yes")
        for made in (first, second):
            code, reason = close_of(relay, "u/ada/new", made["token"])
            assert (code, "revoked" in (reason or "")) == (4401, True)
        with connected(relay, other["token"], "u/bob") as session:
            session.receive_bytes(timeout=20)
    assert [each["revoked_ms"] is None for each in tell(tmp_path, "tokens", "list")] == [False, False, True]

"""The proxy of compose.yaml, run with relays on one database: where it sends a room, and when that relay dies."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import trustme

from crdt_sync import blocking
from tests.docs.documented_proxies import free_port, running
from tests.relay import RelayProcess

CADDYFILE = Path(__file__).parents[2] / "server" / "Caddyfile"
WITHIN_S = 30.0
ROOMS = tuple(f"u/ada {number}/é" for number in range(8))


def wait(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def had(relay: RelayProcess, room: str) -> set[str]:
    """Return the transports by which this relay has had clients in a room."""
    lines = [line for line in relay.output if " open " in line and f"room={room!r}" in line]
    return {found[1] for line in lines if (found := re.search(r"transport=(\w+)", line))}


@pytest.fixture
def relays(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RelayProcess]]:
    monkeypatch.setenv("CRDT_SYNC_SERVER_DATABASE_URL", postgres_url)
    with ExitStack() as stack:
        yield [stack.enter_context(RelayProcess(tmp_path / f"relay{number}")) for number in range(3)]


@pytest.fixture
def proxy(relays: list[RelayProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run the proxy with a certificate of our own, and give its URL."""
    caddy = shutil.which("caddy")
    assert caddy, "there is no caddy here; `make system` installs it on Debian"
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "cert.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    port = free_port()
    site = CADDYFILE.read_text()
    for number, relay in enumerate(relays, 1):
        assert f"relay{number}:8765" in site
        site = site.replace(f"relay{number}:8765", f"127.0.0.1:{relay.port}")
    assert "{$RELAY_HOST} {" in site
    site = site.replace("{$RELAY_HOST} {", f"{{$RELAY_HOST}} {{\n\ttls {tmp_path}/cert.pem {tmp_path}/cert.pem")
    config = tmp_path / "Caddyfile"
    config.write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}")
    for name, value in {
        "RELAY_HOST": f"localhost:{port}",
        "SSL_CERT_FILE": str(tmp_path / "authority.pem"),
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    with running([caddy, "run", "--config", config, "--adapter", "caddyfile"], port, tmp_path):
        wait(lambda: httpx.get(f"https://localhost:{port}/readyz").status_code == 200)  # it has asked them
        yield f"wss://localhost:{port}"


def test_caddy_takes_the_file_as_it_is(tmp_path: Path) -> None:
    caddy = shutil.which("caddy")
    assert caddy
    command = [caddy, "validate", "--config", CADDYFILE, "--adapter", "caddyfile"]
    environment = {"RELAY_HOST": "relay.example", "HOME": str(tmp_path), "PATH": "/usr/bin"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Valid configuration" in done.stdout + done.stderr


def test_a_room_is_on_one_relay_and_rooms_are_on_all(relays: list[RelayProcess], proxy: str, tmp_path: Path) -> None:
    for number, room in enumerate(ROOMS):
        for transport in ("websocket", "polling"):
            place = tmp_path / f"{number} {transport}"
            with blocking.open_library(place, relay=proxy, room=room, transport=transport) as library:
                library.add_note(transport)
                assert library.synced(WITHIN_S)
    where = {room: [relay.port for relay in relays if had(relay, room)] for room in ROOMS}
    assert all(len(ports) == 1 for ports in where.values()), where
    assert all(had(relay, room) in (set(), {"websocket", "polling"}) for relay in relays for room in ROOMS)
    assert len({port for (port,) in where.values()}) >= 2, where


def test_who_was_on_a_relay_that_dies_is_on_another_and_has_everything(
    relays: list[RelayProcess], proxy: str, tmp_path: Path
) -> None:
    room = ROOMS[0]
    with (
        blocking.open_library(tmp_path / "ada", relay=proxy, room=room) as ada,
        blocking.open_library(tmp_path / "ben", relay=proxy, room=room, transport="polling") as ben,
    ):
        ada.add_note("before")
        assert ada.synced(WITHIN_S)
        wait(lambda: len(ben.notes()) == 1)
        (first,) = [relay for relay in relays if had(relay, room)]
        first.kill()
        ada.add_note("after")
        assert ada.synced(WITHIN_S)
        wait(lambda: len(ben.notes()) == 2)
        assert [relay for relay in relays if relay is not first and had(relay, room)]

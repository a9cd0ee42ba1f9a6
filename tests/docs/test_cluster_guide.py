"""The proxies of docs/cluster.md, as they stand but for ports and names, each before three relays on one database."""

from __future__ import annotations

import re
import shutil
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import anyio
import httpx
import pytest
import trustme

from crdt_sync import blocking, open_library
from tests.docs.documented_proxies import free_port, running
from tests.postgres_server import PostgresServer
from tests.relay import RelayProcess

PAGE = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text("utf-8")
SYSTEM = "/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
PROXIES = ("nginx", "caddy", "haproxy")
ROOMS = ("u/ada", "u/bob", "u/cleo", "g/Q-x", "g/Z_y", "team/notes", "plain", "a b/c", "u/é@x", "g/last")
WITHIN_S = 30.0


def shown(title: str) -> str:
    found = re.search(rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def replaced(text: str, replacements: dict[str, str]) -> str:
    for ours, theirs in replacements.items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    return text


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def relays(tmp_path: Path, postgres: PostgresServer) -> Iterator[list[RelayProcess]]:
    url = postgres.url(postgres.create())
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                RelayProcess(
                    tmp_path / f"relay-{number}",
                    "--metrics-port",
                    "0",
                    environment={"CRDT_SYNC_SERVER_DATABASE_URL": url},
                )
            )
            for number in range(3)
        ]


@contextmanager
def proxy(
    name: str,
    relays: Sequence[RelayProcess],
    folder: Path,
    authority: trustme.CA,
    change: Callable[[str], str] = lambda text: text,
    port: int | None = None,
) -> Iterator[int]:
    """Run a proxy of the page before the relays, and yield its port."""
    program = shutil.which(name, path=SYSTEM)
    assert program, f"there is no {name} here; `make system` installs it on Debian"
    cert = folder / "cert.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(cert))
    port = port or free_port()
    places = {f"relay-{number + 1}.internal:8765": f"127.0.0.1:{relay.port}" for number, relay in enumerate(relays)}
    config = folder / f"{name}.conf"
    command: list[str | Path]
    if name == "nginx":
        tls = {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/ssl/relay.example.pem": str(cert),
            "/etc/ssl/relay.example.key": str(cert),
            "relay.example": "localhost",
        }
        folders = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = change(replaced(shown("cluster.nginx.conf"), places | tls))
        config.write_text(
            f"pid {folder}/pid; daemon off; error_log stderr; events {{}}\nhttp {{ access_log off; {folders}\n{text}}}"
        )
        command = [program, "-c", config]
    elif name == "caddy":
        tls = {"relay.example {": f"localhost:{port} {{\n    tls {cert} {cert}"}
        text = change(replaced(shown("cluster.Caddyfile"), places | tls))
        config.write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{text}")
        command = [program, "run", "--config", config, "--adapter", "caddyfile"]
    else:
        tls = {"bind :443": f"bind 127.0.0.1:{port}", "/etc/ssl/relay.example.pem": str(cert)}
        config.write_text(change(replaced(shown("cluster.haproxy.cfg"), places | tls)))
        command = [program, "-f", config]
    with running(command, port, folder):
        yield port


@pytest.fixture
def trusted(tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return ssl.create_default_context(cafile=str(path))


def until(holds: Callable[[], bool], words: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, words()
        time.sleep(0.02)


def opened(relays: Sequence[RelayProcess], room: str) -> dict[int, list[str]]:
    """Return over which transports a room was opened, by the number of the relay."""
    line = re.compile(rf"open room={re.escape(repr(room))} .*transport=(\w+)")
    found = {number: sorted(line.findall("".join(relay.output))) for number, relay in enumerate(relays)}
    return {number: ways for number, ways in found.items() if ways}


def rooms_in_memory(relay: RelayProcess) -> int:
    (url,) = re.findall(r"metrics on (\S+)", "".join(relay.output))
    (count,) = re.findall(r"^crdt_sync_rooms (\d+)", httpx.get(url).text, re.MULTILINE)
    return int(count)


@pytest.mark.parametrize("name", PROXIES)
def test_a_room_goes_to_one_relay_however_it_is_asked_for(
    name: str, relays: list[RelayProcess], tmp_path: Path, authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    with proxy(name, relays, tmp_path, authority) as port, ExitStack() as stack:
        url = f"wss://localhost:{port}"
        for number, room in enumerate(ROOMS):
            with (
                blocking.open_library(tmp_path / f"{number}-ws", relay=url, room=room, transport="websocket") as one,
                blocking.open_library(tmp_path / f"{number}-poll", relay=url, room=room, transport="polling") as other,
            ):
                note = one.add_note("body", title=room)
                until(lambda: other.note(note) is not None, lambda: other.status)  # noqa: B023 - called here alone
            assert list(opened(relays, room).values()) == [["polling", "websocket"]], (room, opened(relays, room))
        assert len({number for room in ROOMS for number in opened(relays, room)}) == 3, "one relay has nothing to do"
        before = [rooms_in_memory(relay) for relay in relays]
        client = stack.enter_context(httpx.Client(verify=trusted))
        for room in ROOMS[:5]:
            path = room.replace("/", "%2F")
            answer = client.get(f"https://localhost:{port}/api/v1/rooms/{path}/document")
            assert answer.status_code == 200, answer.text
            assert room.encode() in answer.content
        assert [rooms_in_memory(relay) for relay in relays] == before
        threads = "g/Q-x/threads"
        with blocking.open_library(tmp_path / "threads", relay=url, room=threads, transport="websocket") as one:
            assert one.synced(WITHIN_S), one.status
        assert opened(relays, threads).keys() == opened(relays, "g/Q-x").keys()
        assert client.get(f"https://localhost:{port}/").headers["strict-transport-security"]


@pytest.mark.parametrize("name", PROXIES)
def test_when_a_relay_dies_its_clients_are_on_another_within_seconds(
    name: str, relays: list[RelayProcess], tmp_path: Path, authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    with proxy(name, relays, tmp_path, authority) as port, ExitStack() as stack:
        libraries = [
            stack.enter_context(
                blocking.open_library(tmp_path / way, relay=f"wss://localhost:{port}", room="u/ada", transport=way)  # type: ignore[arg-type]
            )
            for way in ("websocket", "polling")
        ]
        notes = [each.add_note("before") for each in libraries]
        for each in libraries:
            until(lambda: all(each.note(note) for note in notes), lambda: each.status)  # noqa: B023 - called here alone
        (node,) = opened(relays, "u/ada")
        relays[node].kill()
        killed_s = time.monotonic()
        notes += [each.add_note("while it is down") for each in libraries]
        for each in libraries:
            assert each.synced(WITHIN_S), each.status
            until(lambda: all(each.note(note) for note in notes), lambda: each.status)  # noqa: B023 - called here alone
        took_s = time.monotonic() - killed_s
        print(f"{name}: {took_s:.2f} s")
        assert took_s < 15
        (other,) = opened(relays, "u/ada").keys() - {node}
        assert set(opened(relays, "u/ada")[other]) == {"polling", "websocket"}


def without_the_hash(text: str) -> str:
    return replaced(text, {"    hash $room consistent;\n": ""})


def by_address(text: str) -> str:
    return replaced(text, {"    hash $room consistent;\n": "    hash $remote_addr consistent;\n"})


def test_in_turn_websockets_and_the_api_are_as_true_wherever_they_land(
    relays: list[RelayProcess], tmp_path: Path, authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    with proxy("nginx", relays, tmp_path, authority, without_the_hash) as port, ExitStack() as stack:
        url = f"wss://localhost:{port}"
        libraries = [
            stack.enter_context(
                blocking.open_library(tmp_path / str(number), relay=url, room="u/ada", transport="websocket")
            )
            for number in range(3)
        ]
        notes: list[str] = []
        for number in range(5):
            notes += [each.add_note(f"note {number}") for each in libraries]
            for each in libraries:
                until(lambda: all(each.note(note) for note in notes), lambda: each.status)  # noqa: B023 - called here alone
        assert len(opened(relays, "u/ada")) == 3
        with httpx.Client(verify=trusted) as client:
            for _ in relays:
                answer = client.get(f"https://localhost:{port}/api/v1/rooms/u%2Fada/document.json")
                assert set(notes) <= answer.json()["notes"].keys()


def test_polls_that_go_by_the_address_are_as_true_wherever_they_land(
    relays: list[RelayProcess], tmp_path: Path, authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    async def work(url: str) -> None:
        async with AsyncExitStack() as stack:
            libraries = []
            for number in range(1, 7):
                transport = httpx.AsyncHTTPTransport(verify=trusted, local_address=f"127.0.0.{number}")
                client = await stack.enter_async_context(httpx.AsyncClient(transport=transport))
                path = tmp_path / str(number)
                opening = open_library(path, relay=url, room="u/ada", transport="polling", client=client)
                libraries.append(await stack.enter_async_context(opening))
            notes = [await each.add_note("body") for each in libraries]
            with anyio.fail_after(WITHIN_S):
                for each in libraries:
                    while not all([await each.note(note) for note in notes]):  # noqa: ASYNC110
                        await anyio.sleep(0.02)

    with proxy("nginx", relays, tmp_path, authority, by_address) as port:
        anyio.run(work, f"wss://localhost:{port}")
    assert len(opened(relays, "u/ada")) > 1
    assert sum(len(ways) for ways in opened(relays, "u/ada").values()) == 6


def test_polls_that_go_in_turn_come_late_and_lose_nothing(
    relays: list[RelayProcess], tmp_path: Path, authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    port = free_port()
    url = f"wss://localhost:{port}"
    with (
        blocking.open_library(tmp_path / "a", relay=url, room="u/ada", transport="polling") as one,
        blocking.open_library(tmp_path / "b", relay=url, room="u/ada", transport="polling") as other,
    ):
        with proxy("nginx", relays, tmp_path, authority, without_the_hash, port):
            notes = [one.add_note(f"note {number}") for number in range(20)]
            until(lambda: "another" in (one.status.last_error or ""), lambda: one.status)
        with proxy("nginx", relays, tmp_path, authority, port=port):
            until(lambda: one.synced(1) and all(other.note(note) for note in notes), lambda: other.status)

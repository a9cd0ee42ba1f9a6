"""The engine reaches its relay through TLS and through a proxy as httpx does, with nothing set in the program."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import httpx
import pytest
import trustme

from crdt_sync import Anchor, State, open_library
from tests.relay import RelayProcess

pytestmark = pytest.mark.anyio
VERSE = Anchor.verse("Gen.1.1", work="Bible.KJV")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path_factory.mktemp("relay"), "--allow-host", "relay.test") as relay:
        yield relay


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secure_port(relay: RelayProcess, authority: trustme.CA) -> Iterator[int]:
    """A port that ends TLS in front of the relay, as a reverse proxy does."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                try:
                    plain, _ = listener.accept()
                except TimeoutError:
                    continue
                try:
                    outside = context.wrap_socket(plain, server_side=True)
                except OSError:  # who does not trust the certificate hangs up
                    plain.close()
                    continue
                inside = socket.create_connection(("127.0.0.1", relay.port))
                for source, sink in ((outside, inside), (inside, outside)):
                    threading.Thread(target=pump, args=(source, sink), daemon=True).start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        yield listener.getsockname()[1]
        ended.set()
        acceptor.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with closing(sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass  # either end is gone, and so is the other


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Path:
    """The authority's certificate as a file."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return tmp_path / "authority.pem"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """tinyproxy; the URL and its log."""
    folder = tmp_path_factory.mktemp("proxy")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings, log = folder / "tinyproxy.conf", folder / "log"
    settings.write_text(f'Port {port}\nListen 127.0.0.1\nTimeout 60\nLogFile "{log}"\nLogLevel Connect\n')
    process = subprocess.Popen(["tinyproxy", "-d", "-c", str(settings)])
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=10).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, "tinyproxy did not start"
                threading.Event().wait(0.05)
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.terminate()
        process.wait(10)


async def test_tls_with_the_systems_trust(
    secure_port: int, trusted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with open_library(tmp_path / "a", relay=f"wss://127.0.0.1:{secure_port}", room="tls") as library:
        await library.add_highlight(VERSE)
        assert await library.synced(10), library.status


async def test_a_certificate_that_nobody_vouches_for_is_an_error_that_says_so(secure_port: int, tmp_path: Path) -> None:
    async with open_library(tmp_path / "a", relay=f"wss://127.0.0.1:{secure_port}", room="tls") as library:
        with anyio.fail_after(10):
            async for status in library.status_changes():
                if status.state is State.WAITING:
                    break
        assert "certificate" in str(status.last_error)


async def test_a_proxy_named_in_the_environment(
    secure_port: int, trusted: Path, proxy: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """httpx itself passes `HTTPS_PROXY` over for wss:// URLs; the engine asks it for https://."""
    url, log = proxy
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setenv("HTTPS_PROXY", url)
    async with open_library(tmp_path / "a", relay=f"wss://127.0.0.1:{secure_port}", room="tls") as library:
        await library.add_highlight(VERSE)
        assert await library.synced(10), library.status
    assert f"CONNECT 127.0.0.1:{secure_port}" in log.read_text()


async def test_a_proxy_and_a_certificate_of_the_programs_own_choice(
    secure_port: int, trusted: Path, proxy: tuple[str, Path], tmp_path: Path
) -> None:
    url, log = proxy
    before = log.read_text().count("CONNECT")
    context = ssl.create_default_context(cafile=trusted)
    async with (
        httpx.AsyncClient(proxy=url, verify=context) as client,
        open_library(tmp_path / "a", relay=f"wss://127.0.0.1:{secure_port}", room="tls", client=client) as library,
    ):
        assert await library.synced(10), library.status
    assert log.read_text().count("CONNECT") > before

"""The proxies of docs/deployment.md, run as they stand there but for ports and names: reader, WebSocket and polling."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from crdt_sync import Anchor, blocking
from tests.relay import RelayProcess

PAGE = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text("utf-8")
STARTS_WITHIN_S = 20


def shown(title: str) -> str:
    found = re.search(rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


@contextmanager
def running(command: list[str | Path], port: int, folder: Path) -> Iterator[None]:
    """Run a proxy until the block ends; it listens when the block begins."""
    log = folder / "proxy.log"
    with log.open("w") as output:
        proxy = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            assert proxy.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield
    finally:
        proxy.terminate()
        proxy.wait(STARTS_WITHIN_S)


def check(port: int, folder: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the reader through the proxy, and sync two devices with each other: one polls, one has a WebSocket."""
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    answer = httpx.get(f"https://localhost:{port}/", verify=ssl.create_default_context(cafile=str(trusted)))
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "max-age" in answer.headers["strict-transport-security"]
    url, room = f"wss://localhost:{port}", f"proxy/{port}/a b"
    with (
        blocking.open_library(folder / "one", relay=url, room=room, transport="websocket") as one,
        blocking.open_library(folder / "other", relay=url, room=room, transport="polling") as other,
    ):
        item = one.add_highlight(Anchor.verse("Gen.1.1", work="Bible.KJV"))
        assert one.synced(15)
        deadline = time.monotonic() + 15
        while other.highlight(item) is None:
            assert time.monotonic() < deadline, other.status
            time.sleep(0.05)
        assert one.status.transport == "websocket"
        assert other.status.transport == "polling"


def test_nginx_passes_the_reader_websockets_and_polls_on(
    relay: RelayProcess, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    assert nginx, "there is no nginx here; `make system` installs it on Debian"
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "cert.pem"))
    port = free_port()
    server = shown("nginx.conf")
    for ours, theirs in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/relay.example.pem": f"{tmp_path}/cert.pem",
        "/etc/ssl/relay.example.key": f"{tmp_path}/cert.pem",
        "127.0.0.1:8765": f"127.0.0.1:{relay.port}",
        "relay.example": "localhost",
    }.items():
        assert ours in server, ours
        server = server.replace(ours, theirs)
    (upgrade,) = re.findall(r"`(map \$http_upgrade .*?\})`", PAGE)
    places = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"pid {tmp_path}/pid; daemon off; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {places}\n{upgrade}\n{server}}}\n"
    )
    tested = subprocess.run([nginx, "-t", "-c", config], capture_output=True, text=True, check=False, timeout=30)
    assert tested.returncode == 0, tested.stderr
    with running([nginx, "-c", config], port, tmp_path):
        check(port, tmp_path, authority, monkeypatch)


def test_caddy_passes_the_reader_websockets_and_polls_on(
    relay: RelayProcess, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caddy = shutil.which("caddy")
    assert caddy, "there is no caddy here; `make system` installs it on Debian"
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "cert.pem"))
    port = free_port()
    config = tmp_path / "Caddyfile"
    site = shown("Caddyfile").replace("127.0.0.1:8765", f"127.0.0.1:{relay.port}")
    own = f"localhost:{port} {{\n    tls {tmp_path}/cert.pem {tmp_path}/cert.pem"
    assert "relay.example {" in site
    config.write_text(
        f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{site.replace('relay.example {', own)}"
    )
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with running([caddy, "run", "--config", config, "--adapter", "caddyfile"], port, tmp_path):
        check(port, tmp_path, authority, monkeypatch)

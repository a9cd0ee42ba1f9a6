"""The proxies of docs/deployment.md, run as they stand there but for ports and names, in front of a relay."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from tests.relay import RelayProcess

__all__ = ["PAGE", "caddy", "free_port", "nginx", "running"]

PAGE = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text("utf-8")
STARTS_WITHIN_S = 20
PATHS = "/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"


@contextmanager
def nginx(relay: RelayProcess, authority: trustme.CA, folder: Path, *, websockets: bool = True) -> Iterator[int]:
    """Run nginx in front of `relay` and give its port on localhost; without `websockets` it refuses all upgrades."""
    program = shutil.which("nginx", path=PATHS)
    assert program, "there is no nginx here; `make system` installs it on Debian"
    port, certificate = free_port(), _certificate(authority, folder)
    server = _replaced(
        _shown("nginx.conf"),
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/ssl/relay.example.pem": certificate,
            "/etc/ssl/relay.example.key": certificate,
            "127.0.0.1:8765": f"127.0.0.1:{relay.port}",
            "relay.example": "localhost",
            **({} if websockets else {"location / {": "location / {\n        if ($http_upgrade) { return 403; }"}),
        },
    )
    (upgrade,) = re.findall(r"`(map \$http_upgrade .*?\})`", PAGE)
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"pid {folder}/pid; daemon off; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {places}\n{upgrade}\n{server}}}\n"
    )
    tested = subprocess.run([program, "-t", "-c", config], capture_output=True, text=True, check=False, timeout=30)
    assert tested.returncode == 0, tested.stderr
    with running([program, "-c", config], port, folder):
        yield port


@contextmanager
def caddy(relay: RelayProcess, authority: trustme.CA, folder: Path, *, websockets: bool = True) -> Iterator[int]:
    """Run Caddy as `nginx` is run."""
    program = shutil.which("caddy")
    assert program, "there is no caddy here; `make system` installs it on Debian"
    port, certificate = free_port(), _certificate(authority, folder)
    refusal = "" if websockets else "\n    @upgrade header Upgrade *\n    respond @upgrade 403"
    site = _replaced(
        _shown("Caddyfile"),
        {
            "127.0.0.1:8765": f"127.0.0.1:{relay.port}",
            "relay.example {": f"localhost:{port} {{\n    tls {certificate} {certificate}{refusal}",
        },
    )
    config = folder / "Caddyfile"
    config.write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{site}")
    with running([program, "run", "--config", config, "--adapter", "caddyfile"], port, folder):
        yield port


def _shown(title: str) -> str:
    found = re.search(rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def _replaced(text: str, changes: dict[str, str]) -> str:
    for ours, theirs in changes.items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    return text


def _certificate(authority: trustme.CA, folder: Path) -> str:
    path = folder / "cert.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
    return str(path)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(command: list[str | Path], port: int, folder: Path) -> Iterator[None]:
    """Run a proxy until the block ends; it listens when the block begins."""
    log = folder / "proxy.log"
    environment = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with log.open("w") as output:
        proxy = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, env=environment)
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

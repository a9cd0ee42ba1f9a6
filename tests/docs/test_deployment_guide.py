"""The proxies of docs/deployment.md pass on reader, WebSocket and polling."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
import trustme

from crdt_sync import Anchor, blocking
from tests.docs.documented_proxies import caddy, nginx
from tests.relay import RelayProcess


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


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


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_it_passes_the_reader_websockets_and_polls_on(
    proxy: Callable[[RelayProcess, trustme.CA, Path], AbstractContextManager[int]],
    relay: RelayProcess,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with proxy(relay, authority, tmp_path) as port:
        check(port, tmp_path, authority, monkeypatch)

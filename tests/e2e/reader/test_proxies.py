"""The reader through the proxies of docs/deployment.md, with TLS: over WebSockets, and where they let none through."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import trustme
from playwright.sync_api import Browser, expect

from crdt_sync import blocking
from crdt_sync.document import EditHighlight
from tests.blocking.waiting import until
from tests.docs.documented_proxies import PAGE, caddy, nginx
from tests.e2e import browser as browsers
from tests.e2e.reader.app import App
from tests.e2e.reader.conftest import VIOLATIONS
from tests.relay import RelayProcess

Proxy = Callable[..., AbstractContextManager[int]]


@pytest.fixture(scope="module")
def trusting() -> Iterator[Browser]:
    """A browser that takes any certificate: a service worker comes only from a host that is trusted."""
    with browsers.chromium("--ignore-certificate-errors") as browser:
        yield browser


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """A relay with the bounds that the page asks for, as all its clients have the proxy's address."""
    found = re.search(r"crdt-sync-server serve … (--limit .*?)\n\n", PAGE, re.DOTALL)
    assert found
    flags = found[1].replace("\\\n", " ").split()
    with RelayProcess(tmp_path_factory.mktemp("behind"), *flags) as relay:
        yield relay
        assert not [line for line in relay.output if " limit " in line]


@pytest.mark.parametrize("websockets", [True, False], ids=["websocket", "polling"])
@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_two_browsers_and_a_python_device_are_live(
    trusting: Browser, relay: RelayProcess, tmp_path: Path, proxy: Proxy, websockets: bool
) -> None:
    room = f"{proxy.__name__}-{websockets}"
    in_step = "[data-sync=connected]" if websockets else "[data-sync=polling]"
    with (
        proxy(relay, trustme.CA(), tmp_path, websockets=websockets) as port,
        blocking.open_library(tmp_path / "device.sqlite3", relay=relay.url, room=room) as library,
    ):
        apps = []
        for _ in range(2):
            context = trusting.new_context(viewport={"width": 1280, "height": 800})
            context.add_init_script(VIOLATIONS)
            app = App(context, f"https://localhost:{port}", room=room, network_fails=not websockets)
            apps.append(app)
            expect(app.loaded().page.locator(in_step)).to_be_attached(timeout=15_000)
        here, there = apps
        here.highlight(1, "In the beginning", "green")
        expect(there.mark("In the beginning")).to_be_visible()
        until(library.highlights)
        library.edit(EditHighlight(library.highlights()[0].id, comment="from Python"))
        expect(there.open_mark("In the beginning").get_by_label("Comment")).to_have_value("from Python")
        there.card().get_by_role("button", name="Delete").click()
        expect(here.mark("In the beginning")).to_have_count(0)
        until(lambda: not library.highlights())
        for app in apps:
            expect(app.page.locator(in_step)).to_be_attached()
            assert app.tab.run("navigator.serviceWorker.ready.then(({ active }) => active !== null)")
            app.page.context.close()
        assert [trouble for app in apps for trouble in app.tab.troubles] == []

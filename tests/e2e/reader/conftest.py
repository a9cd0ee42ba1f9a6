"""The reader on a relay of its own, in browsers that must have no trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from crdt_sync_server.reader_files import FOLDER
from tests.e2e.reader.app import App
from tests.e2e.reader.together import invitation, join, make_group, sign_in, token_of
from tests.relay import RelayProcess

VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"""


@pytest.fixture(scope="package")
def reader_relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    assert (FOLDER / "index.html").exists(), "the reader is not built; call `make web`"
    with RelayProcess(tmp_path_factory.mktemp("reader")) as relay:
        yield relay


@pytest.fixture
def opened(chromium: Browser, reader_relay: RelayProcess, room: str) -> Iterator[Callable[..., App]]:
    """Open the reader in a browser of its own, on the room of the test; options go to the browser's context."""
    apps: list[App] = []
    contexts = []

    def open_app(
        *,
        place: str = "Gen.1",
        network_fails: bool = False,
        url: str | None = None,
        in_room: str | None = room,
        **options: object,
    ) -> App:
        settings = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light", **options}
        context = chromium.new_context(**settings)  # type: ignore[arg-type]
        context.add_init_script(VIOLATIONS)
        contexts.append(context)
        apps.append(App(context, url or reader_relay.url, room=in_room, place=place, network_fails=network_fails))
        return apps[-1]

    yield open_app
    troubles = [trouble for app in apps for trouble in app.tab.troubles]
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return request.node.name.removeprefix("test_")[:60]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "device.sqlite3"


@pytest.fixture(scope="package")
def strict_relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RelayProcess, Path]]:
    data = tmp_path_factory.mktemp("strict")
    with RelayProcess(data, "--auth", "static") as relay:
        yield relay, data


@pytest.fixture
def circle(opened: Callable[..., App], strict_relay: tuple[RelayProcess, Path]) -> Callable[..., tuple[App, App, str]]:
    """Make a group of two: its owner, a member with a role, and the group's name."""
    relay, data = strict_relay

    def made(role: str, member: str, name: str = "Dante, Tuesdays", **options: object) -> tuple[App, App, str]:
        owner = token_of(data, member.replace("bob", "ada"))
        ada = sign_in(opened(url=relay.url, in_room=None, network_fails=True, **options), owner)
        make_group(ada, name)
        ada.highlight(3, "Let there be light", "green")
        ada.in_step()
        link = invitation(ada, name, role)
        other = sign_in(opened(url=relay.url, in_room=None, network_fails=True), token_of(data, member))
        join(other, link)
        expect(other.mark("Let there be light")).to_be_visible()
        return ada, other, name

    return made

"""What the tests in real Chromium share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e import browser as browsers
from tests.e2e.browser import Device
from tests.e2e.site import WEB, Site, build, code_blocks
from tests.relay import RelayProcess


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    modules = {path.name: path.read_text("utf-8") for path in sorted((WEB / "test" / "pages").glob("*.ts*"))}
    for page in ("browsers.md",):
        modules |= {title: run_with_query(code) for title, code in code_blocks(page).items()}
    with Site(build(modules)) as site:
        yield site


def run_with_query(code: str) -> str:
    """Return the docs' code with its relay and its room taken from the page's URL."""
    for name, shown in {"relay": "wss://relay.example", "room": "my-library"}.items():
        code = code.replace(f'"{shown}"', f'new URLSearchParams(location.search).get("{name}")!')
    return code


@pytest.fixture(scope="package")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with RelayProcess(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return f"e2e/{request.node.name}"


@pytest.fixture
def device(chromium: Browser, site: Site) -> Iterator[Callable[[], Device]]:
    """Make devices; in the end none of their tabs may have had trouble."""
    made: list[Device] = []

    def make() -> Device:
        made.append(Device(chromium.new_context(), site.url))
        return made[-1]

    yield make
    troubles = [trouble for each in made for trouble in each.troubles]
    for each in made:
        each.context.close()
    assert troubles == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the Python devices of a test keep their libraries."""
    return tmp_path

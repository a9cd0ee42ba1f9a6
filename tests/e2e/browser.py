"""Real Chromium, driven by Playwright: devices (profiles) with tabs, and what must not happen in any of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

__all__ = ["ARTEFACTS", "Device", "Tab", "chromium"]

ARTEFACTS = Path(__file__).parent / "artefacts"
"""Screenshots, to be looked at; `.gitignore` has the folder."""
WITHIN_MS = 15_000
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",  # for pages of `keep_site`
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]
_running: list[Playwright] = []
NETWORK = re.compile(r"WebSocket connection to|Failed to load resource|ERR_|net::")
"""What Chromium itself writes on the console when a connection fails. It cannot be had without."""

UNTIL = """async ([argument, withinMs]) => {{
  const late = new Promise((resolve) => setTimeout(resolve, withinMs, null));
  const ask = async () => {{
    const condition = ({script});
    return {{ value: await (typeof condition === "function" ? condition(argument) : condition) }};
  }};
  for (let last; ; ) {{
    const told = await Promise.race([ask(), late]);
    if (!told) return {{ isSo: false, value: String(last) }};
    if (told.value) return {{ isSo: true, value: told.value }};
    last = told.value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }}
}}"""
"""Asks over and over; what is asked may itself never answer."""


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Start the Chromium of this machine, with more flags than it has anyway; it ends with the block."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "there is no chromium here; `make system` installs it on Debian"
    with _playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _playwright() -> Iterator[Playwright]:
    """Give the one Playwright of this process: there can be no two, and tests of several modules run in one."""
    if _running:
        yield _running[0]
        return
    with sync_playwright() as playwright:
        _running.append(playwright)
        try:
            yield playwright
        finally:
            _running.clear()


class Tab:
    """One page. What it says on its console as an error, throws, or asks of another host is kept in `troubles`."""

    def __init__(self, page: Page, *, network_fails: bool) -> None:
        self.page = page
        self.network_fails = network_fails
        """Whether failed connections are part of the test."""
        self.troubles: list[str] = []
        page.set_default_timeout(WITHIN_MS)
        page.on("pageerror", lambda error: self.troubles.append(f"thrown: {error}"))
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("request", lambda request: self._asked(request.url))
        page.on("dialog", lambda dialog: self.troubles.append(f"a dialog: {dialog.message}"))

    def _said(self, kind: str, text: str) -> None:
        if kind == "error" and not (self.network_fails and NETWORK.search(text)):
            self.troubles.append(f"console: {text}")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname not in ("127.0.0.1", "localhost"):
            self.troubles.append(f"asked another host: {url}")

    def run(self, script: str, argument: object = None) -> Any:
        """Return what an expression, or a function of `argument`, gives in the page."""
        return self.page.evaluate(script, argument)

    def until(self, script: str, argument: object = None, *, within_ms: float = WITHIN_MS) -> Any:
        """Wait until the expression, or a function of `argument`, is true in the page, bounded; return its value.

        A promise is awaited: Playwright's own `wait_for_function` takes one for true.
        """
        told = self.page.evaluate(UNTIL.format(script=script), [argument, within_ms])
        assert told["isSo"], f"not within {within_ms:.0f} ms: {script}, but {told['value']!r}"
        return told["value"]

    def screenshot(self, name: str) -> None:
        """Keep what the page looks like in `ARTEFACTS`."""
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")


class Device:
    """A browser's profile: its tabs share IndexedDB and BroadcastChannel, and the network with nobody."""

    def __init__(self, context: BrowserContext, site: str) -> None:
        self.context = context
        self.tabs: list[Tab] = []
        self._site = site

    def open(self, page: str, *, network_fails: bool = False, **query: str) -> Tab:
        """Open a page of the site in a tab of its own."""
        tab = Tab(self.context.new_page(), network_fails=network_fails)
        self.tabs.append(tab)
        tab.page.goto(f"{self._site}/{page}.html?{urlencode(query)}")
        return tab

    def keep_site(self, folder: Path) -> None:
        """Let this device load the site with no network, as a service worker would."""

        def serve(route: Any) -> None:
            route.fulfill(path=folder / urlsplit(route.request.url).path.lstrip("/"))

        self.context.route(f"{self._site}/**", serve)

    @property
    def troubles(self) -> list[str]:
        return [trouble for tab in self.tabs for trouble in tab.troubles]

"""Once loaded, the reader works with no network, and a newer version comes without trapping anybody on the old one."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from crdt_sync import blocking
from crdt_sync_server.reader_files import FOLDER
from tests.e2e.reader.app import App, until
from tests.e2e.reader.conftest import VIOLATIONS
from tests.relay import RelayProcess

Opened = Callable[..., App]
SHELL_KEPT = "(await navigator.serviceWorker.ready) && (await caches.keys()).length > 0"
TEXT_KEPT = "(await (await caches.open('text')).keys()).length === 66"
ONE_SHELL = (
    "((names) => names.length === 1 && names[0].startsWith('shell-newer-'))"
    "((await caches.keys()).filter((name) => name.startsWith('shell-')))"
)


def test_it_opens_and_edits_with_no_network_and_is_in_step_afterwards(
    opened: Opened, reader_relay: RelayProcess, room: str, file: Path
) -> None:
    app = opened(network_fails=True).loaded().in_step()
    app.highlight(1, "In the beginning")
    until(app, SHELL_KEPT)
    until(app, TEXT_KEPT)
    app.page.context.set_offline(True)
    app.page.reload()
    app.loaded()
    expect(app.mark("In the beginning")).to_be_visible()
    app.page.goto(f"{app.url}/?room={room}#Rev.22")  # a book that was never opened
    expect(app.page.get_by_role("heading", name="Revelation 22")).to_be_visible()
    app.loaded()
    app.highlight(21, "Amen", "pink")
    expect(app.page.get_by_text(re.compile("[12] changes? waiting"))).to_be_visible()
    app.tab_named("Notes")
    app.page.get_by_role("button", name="New note").click()
    expect(app.page.get_by_role("textbox", name="Text of the note")).to_be_visible()
    app.page.context.set_offline(False)
    app.in_step()
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        assert library.synced(10)
        assert {each.anchor.source for each in library.highlights()} == {"Gen.1.1", "Rev.22.21"}


def test_nothing_waits_for_the_network_but_what_must(opened: Opened) -> None:
    app = opened(network_fails=True)
    app.loaded().in_step()
    until(app, SHELL_KEPT)
    app.tab.until("navigator.serviceWorker.controller !== null")
    cached = app.tab.run("caches.keys().then((names) => names.find((name) => name.startsWith('shell-')))")
    app.page.reload()
    app.loaded()
    sizes = app.tab.run(
        "performance.getEntriesByType('resource').filter((e) => e.name.includes('/assets/')).map((e) => e.transferSize)"
    )
    assert cached
    assert sizes
    assert sum(sizes) < 1000, "all of it came from this browser"


def test_a_newer_version_is_offered_and_taken_over(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "static"
    shutil.copytree(FOLDER, served)
    worker = (served / "serviceWorker.js").read_text("utf-8")
    relay = RelayProcess(
        tmp_path / "relay", command=(sys.executable, "-m", "tests.e2e.reader.other_folder", str(served))
    )
    with relay:
        context = chromium.new_context()
        context.add_init_script(VIOLATIONS)
        app = App(context, relay.url, room="update")
        app.loaded().in_step()
        until(app, SHELL_KEPT)
        expect(app.page.get_by_text("A new version")).to_have_count(0)
        for each in served.glob("serviceWorker.js*"):
            each.unlink()
        (served / "serviceWorker.js").write_text(worker.replace('"version":"', '"version":"newer-'), "utf-8")
        relay.terminate()
        relay.start()
        app.page.reload()
        app.loaded()
        with app.page.expect_navigation():  # or the question below would be asked of the page that goes
            app.page.get_by_role("status").get_by_role("button", name="Reload").click()
        until(app, ONE_SHELL)
        app.loaded()
        context.close()
        assert [trouble for trouble in app.tab.troubles if "WebSocket" not in trouble and "net::" not in trouble] == []

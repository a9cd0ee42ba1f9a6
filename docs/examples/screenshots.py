"""The pictures of the reader in docs/images, from a relay, a Python device and Chromium: `make screenshots`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from crdt_sync import blocking
from docs.examples.demo import ALONG, AUTHOR, ROOM, bring, words
from tests.e2e.browser import chromium
from tests.relay import RelayProcess

IMAGES = Path(__file__).parents[1] / "images"


def reader(browser: Browser, url: str, place: str, **options: object) -> Page:
    """Return a page with the reader at a place, in step and at rest."""
    context = browser.new_context(reduced_motion="reduce", **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{url}/?room={ROOM}#{place}")
    expect(page.locator("mark").first).to_be_visible()
    expect(page.locator("[data-sync=connected]")).to_be_attached()
    return page


def show_name(page: Page, name: str) -> None:
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Escape")


def main() -> None:
    """Make the pictures."""
    with (
        tempfile.TemporaryDirectory() as data,
        RelayProcess(Path(data) / "relay") as relay,
        blocking.open_library(Path(data) / AUTHOR, relay=relay.url, room=ROOM, author=AUTHOR) as library,
        chromium() as browser,
    ):
        bring(library)
        for source, exact, color in ALONG:
            library.add_highlight(words(source, exact), color=color)
        assert library.synced(10)
        library.presence.show("Ada Lovelace", reading={"work": "Bible.KJV", "source": "Gen.1"})
        url = relay.url.replace("ws", "http", 1)
        wide = {"viewport": {"width": 1280, "height": 800}, "device_scale_factor": 1.5}
        page = reader(browser, url, "Gen.1", color_scheme="light", **wide)
        show_name(page, "Grace Hopper")
        page.locator("mark", has_text="In the beginning").click()
        expect(page.get_by_label("Comment")).to_be_visible()
        page.screenshot(path=IMAGES / "reader.png")
        page.context.close()
        dark = reader(browser, url, "Gen.1", color_scheme="dark", **wide)
        dark.get_by_role("tab", name="Notes").click()
        dark.locator(".virtual li button").first.click()
        expect(dark.get_by_role("textbox", name="Text of the note")).to_contain_text("ask on Sunday")
        dark.screenshot(path=IMAGES / "reader_dark.png")
        dark.context.close()
        phone = {
            "viewport": {"width": 390, "height": 844},
            "device_scale_factor": 2,
            "is_mobile": True,
            "has_touch": True,
        }
        small = reader(browser, url, "Gen.1", color_scheme="light", **phone)
        small.locator("mark", has_text="Let there be light").tap()
        expect(small.get_by_label("Comment")).to_be_visible()
        small.screenshot(path=IMAGES / "reader_phone.png")


if __name__ == "__main__":
    main()

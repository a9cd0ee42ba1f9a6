"""The reader in Chromium with 10,000 highlights: how soon the text is there, how it scrolls and filters, how big it is.

Frames come every 16.7 ms at best. A device fills the library; the page is opened in a browser that has never seen it.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, expect

from benchmarks.common import save
from crdt_sync import blocking
from crdt_sync_server.reader_files import FOLDER
from tests.e2e.browser import chromium
from tests.e2e.reader.app import App
from tests.e2e.reader.measuring import COUNT, fill, filtering, first_render_ms, scrolling
from tests.relay import RelayProcess

ROUNDS = 5


def gzipped(*suffixes: str) -> int:
    """Return how many bytes the files of the build have, each gzipped."""
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in FOLDER.rglob("*") if path.suffix in suffixes)


def opening(browser: Browser, url: str, room: str) -> dict[str, Any]:
    """Open the reader in a new browser, and return its figures."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    app = App(context, url, room=room).loaded()
    rendered = first_render_ms(app.page)
    figures: dict[str, Any] = {"render": rendered}
    if room == "full":
        expect(app.panel().get_by_text(f"{COUNT:,} highlights")).to_be_visible(timeout=30_000)
        figures |= {"scrolling": scrolling(app.page), "filtering": filtering(app.page)}
    context.close()
    return figures


def main() -> None:
    """Measure, and save the figures."""
    with (
        tempfile.TemporaryDirectory() as data,
        RelayProcess(Path(data) / "relay") as relay,
        blocking.open_library(Path(data) / "device", relay=relay.url, room="full") as library,
        chromium() as browser,
    ):
        fill(library)
        assert library.synced(60)
        empty = [opening(browser, relay.url, "empty")["render"] for _ in range(ROUNDS)]
        full = [opening(browser, relay.url, "full") for _ in range(ROUNDS)]
    figures = {
        "highlights": COUNT,
        "rounds": ROUNDS,
        "first_content_ms": median(each["first_content_ms"] for each in empty),
        "text_ms": median(each["text_ms"] for each in empty),
        "text_with_10000_ms": median(each["render"]["text_ms"] for each in full),
        "scrolling": {name: median(each["scrolling"][name] for each in full) for name in full[0]["scrolling"]},
        "filtering": {name: median(each["filtering"][name] for each in full) for name in full[0]["filtering"]},
        "build_gzip_bytes": gzipped(".css", ".html", ".js", ".svg", ".webmanifest"),
        "text_gzip_bytes": gzipped(".json"),
    }
    save("reader", figures)
    for name, value in figures.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()

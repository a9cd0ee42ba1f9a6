"""The reader stays quick with 10,000 highlights, and is small. The bounds are wide: this machine runs other tests."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from crdt_sync import blocking
from crdt_sync_server.reader_files import FOLDER
from tests.e2e.reader.app import App
from tests.e2e.reader.measuring import fill, filtering, first_render_ms, scrolling
from tests.relay import RelayProcess


def test_ten_thousand_highlights_scroll_and_filter_smoothly(
    opened: Callable[..., App], reader_relay: RelayProcess, room: str, file: Path
) -> None:
    with blocking.open_library(file, relay=reader_relay.url, room=room) as library:
        fill(library)
        assert library.synced(30)
    app = opened().loaded()
    expect(app.panel().get_by_text("10,000 highlights")).to_be_visible(timeout=30_000)
    assert first_render_ms(app.page)["text_ms"] < 3000
    scrolled = scrolling(app.page)
    assert scrolled["rows_in_the_document"] < 40
    assert scrolled["median_frame_ms"] < 40, scrolled
    assert filtering(app.page)["median_ms"] < 300


def test_the_build_is_small() -> None:
    parts = [path for path in FOLDER.rglob("*") if path.suffix in (".css", ".html", ".js", ".svg", ".webmanifest")]
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in parts) < 250_000
    assert len(list(FOLDER.glob("assets/*.json"))) == 66, "the text is beside it, a file for each book"

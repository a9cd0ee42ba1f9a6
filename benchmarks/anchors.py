"""How well and how fast highlights are found again: in another edition, in a changed text, and in the worst cases.

The King James Version and the American Standard Version are two translations of one book, verse by verse, so it is
known where a highlight of one belongs in the other. Highlights are drawn by a seed: whole verses, a few words of one,
several verses.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from statistics import median
from typing import Any

import pythonbible

from benchmarks.common import rounds, save
from benchmarks.figures import rounded
from crdt_sync import Anchor, Position, Quote, Resolution, Text

KINDS = ("verse", "part of a verse", "several verses")
SELECTIONS, SEED = 1200, 1
BOOK = 5_000_000


@dataclass(frozen=True, slots=True)
class Edition:
    """A whole Bible as one text, a line for each verse; `starts` are where the verses start."""

    text: str
    starts: tuple[int, ...]

    def verse(self, number: int) -> str:
        """Return the text of one verse."""
        return self.text[self.starts[number] : self.end(number)]

    def end(self, number: int) -> int:
        """Return where a verse ends."""
        return self.starts[number + 1] - 1 if number + 1 < len(self.starts) else len(self.text)

    def at(self, offset: int) -> int:
        """Return the number of the verse at an offset."""
        return bisect_right(self.starts, offset) - 1


@dataclass(frozen=True, slots=True)
class Selection:
    """What somebody marked: `start` to `end`, in the verses `first` to `last`."""

    kind: str
    start: int
    end: int
    first: int
    last: int


@cache
def edition(version: pythonbible.Version) -> Edition:
    """Return an edition; a verse that it leaves out is an empty line."""
    lines = [
        (pythonbible.get_verse_text(pythonbible.get_verse_id(book, chapter, verse), version=version) or "").strip()
        for book in sorted(pythonbible.Book, key=lambda book: book.value)[:66]
        for chapter in range(1, pythonbible.get_number_of_chapters(book) + 1)
        for verse in range(1, pythonbible.get_number_of_verses(book, chapter) + 1)
    ]
    return of_lines(lines)


def of_lines(lines: Sequence[str]) -> Edition:
    """Return the text of these verses."""
    starts, offset = [], 0
    for line in lines:
        starts.append(offset)
        offset += len(line) + 1
    return Edition("\n".join(lines), tuple(starts))


def selections(of: Edition, count: int, seed: int = SEED) -> Iterator[Selection]:
    """Draw selections of each kind in turn; a part is one to eight words, and begins and ends with a word."""
    random = Random(seed)
    for number in range(count):
        kind, first = KINDS[number % len(KINDS)], random.randrange(len(of.starts) - 5)
        start, end, last = of.starts[first], of.end(first), first
        if kind == "several verses":
            last = first + random.randint(1, 5)
            end = of.end(last)
        elif kind == "part of a verse":
            words = of.verse(first).split(" ")
            at = random.randrange(len(words))
            some = words[at : at + random.randint(1, 8)]
            start += sum(len(word) + 1 for word in words[:at])
            end = start + len(" ".join(some))
        yield Selection(kind, start, end, first, last)


def is_there(answer: Resolution, there: Edition, first: int, last: int) -> bool:
    """Whether more than half of what was found is in these verses; editions part some verses at other words."""
    assert answer.start is not None
    assert answer.end is not None
    inside = min(answer.end, there.end(last)) - max(answer.start, there.starts[first])
    return 2 * inside > answer.end - answer.start


def judged(
    made: Sequence[Selection], answers: Sequence[Resolution], there: Edition, moved: Callable[[int], int | None]
) -> dict[str, Counter[str]]:
    """Count verdicts for each kind; `moved` says which verse there one here is, None where it is not there.

    `wrong` counts answers given with confidence that are not where they belong.
    """
    table: dict[str, Counter[str]] = {}
    for selection, answer in zip(made, answers, strict=True):
        row = table.setdefault(selection.kind, Counter())
        row[answer.verdict.value] += 1
        if answer.is_sure:
            first, last = moved(selection.first), moved(selection.last)
            row["wrong"] += first is None or last is None or not is_there(answer, there, first, last)
    return table


def edited(lines: Sequence[str], seed: int = SEED) -> list[str]:
    """Return the verses with one word in twelve left out, doubled or replaced by another of the same verse."""
    random = Random(seed)
    changed = []
    for line in lines:
        words = line.split(" ")
        for at in range(len(words)):
            if random.randrange(12) == 0:
                words[at] = random.choice(("", f"{words[at]} {words[at]}", random.choice(words)))
        changed.append(" ".join(word for word in words if word))
    return changed


def reflowed(text: str, width: int = 60) -> tuple[str, list[int]]:
    """Return the text in lines of `width`, words divided by hyphens where they end, and where each character went."""
    parts: list[str] = []
    offsets: list[int] = []
    column = length = 0
    for at, character in enumerate(text):
        offsets.append(length)
        part = "\n" if character == " " and column >= width - 6 else character
        if column >= width and character.isalpha() and text[at - 1 : at].isalpha():
            part = f"-\n{character}"
        column = len(part) - part.rfind("\n") - 1 if "\n" in part else column + 1
        length += len(part)
        parts.append(part)
    return "".join(parts), offsets


def quality(count: int) -> dict[str, Any]:
    """Resolve highlights of the King James Version in five texts."""
    here = edition(pythonbible.Version.KING_JAMES)
    other = edition(pythonbible.Version.AMERICAN_STANDARD)
    made = list(selections(here, count))
    marking = Text(here.text)
    anchors = [marking.anchor(each.start, each.end) for each in made]
    lines = here.text.split("\n")
    inserted = of_lines(
        [*other.text.split("\n")[1000:1200], *lines[:15000], *other.text.split("\n")[:100], *lines[15000:]]
    )
    kept = [number for number in range(len(lines)) if number // 500 % 2 == 0]
    numbers = {number: at for at, number in enumerate(kept)}
    flowed, offsets = reflowed(here.text)
    other_flow = Edition(flowed, tuple(offsets[start] for start in here.starts))
    texts: dict[str, tuple[Edition, Callable[[int], int | None]]] = {
        "the same": (here, lambda number: number),
        "re-flowed": (other_flow, lambda number: number),
        "chapters inserted": (inserted, lambda number: number + 200 + (100 if number >= 15000 else 0)),
        "one word in twelve changed": (of_lines(edited(lines)), lambda number: number),
        "another edition": (other, lambda number: number),
        "another edition, half of it": (of_lines([other.verse(number) for number in kept]), numbers.get),
    }
    results: dict[str, Any] = {}
    for name, (there, moved) in texts.items():
        table = judged(made, Text(there.text).resolve_all(anchors), there, moved)
        results[name] = {kind: dict(table[kind]) for kind in KINDS}
    return results


def timed(work: Callable[[], object]) -> float:
    """Return the median of some rounds, in seconds of this process's own time."""
    seconds = []
    for _ in range(rounds(3)):
        before = time.process_time()
        work()
        seconds.append(time.process_time() - before)
    return rounded(median(seconds))


def speed() -> dict[str, float]:
    """Measure a thousand anchors in a book of 5 MB, preparing the text included, and the worst cases."""
    here, other = (
        edition(version) for version in (pythonbible.Version.KING_JAMES, pythonbible.Version.AMERICAN_STANDARD)
    )
    book = (here.text + other.text)[:BOOK]
    made = list(selections(here, 1000))
    marking = Text(here.text)
    anchors = [marking.anchor(each.start, each.end) for each in made]
    moved = "A preface.\n" * 50 + book
    random = Random(SEED)
    orphans = [
        Anchor(
            quote=Quote("".join(random.choices("abcdefghij klmnop", k=100))),
            position=Position(at * 1000, at * 1000 + 100),
        )
        for at in range(1000)
    ]
    commonest = [Anchor(quote=Quote("the"), position=Position(at, at + 3)) for at in range(1000)]
    found = dict.fromkeys(re.findall(r"\w+", here.text))
    words = [Anchor(quote=Quote(word)) for word in random.sample([*found], 1000)]
    long = marking.anchor(1_000_000, 2_000_000)
    changed = " ".join(edited(moved.split(" ")[:700_000]))
    return {
        "1,000 where they were": timed(lambda: Text(book).resolve_all(anchors)),
        "1,000 that have moved": timed(lambda: Text(moved).resolve_all(anchors)),
        "1,000 in another edition": timed(lambda: Text(other.text).resolve_all(anchors)),
        "1 that has moved": timed(lambda: Text(moved).resolve(anchors[0])),
        "1,000 orphans": timed(lambda: Text(book).resolve_all(orphans)),
        "1,000 times the commonest word": timed(lambda: Text(moved).resolve_all(commonest)),
        "1,000 different words, nothing around them": timed(lambda: Text(moved).resolve_all(words)),
        "a quote of 1 MB that has moved": timed(lambda: Text(moved).resolve(long)),
        "a quote of 1 MB in a changed text": timed(lambda: Text(changed).resolve(long)),
        "5 MB of one letter": timed(
            lambda: Text("a" * BOOK).resolve(Anchor(quote=Quote("a" * 40, "a" * 32, "a" * 32)))
        ),
    }


if __name__ == "__main__":
    save("anchors", {"selections": SELECTIONS, "quality": quality(SELECTIONS), "seconds": speed()})

"""What `benchmarks/engine.py` asks of each contender; `peers/engine.mjs` has the same numbers."""

from __future__ import annotations

COUNT = 100_000
EACH_SIDE = 10_000
EDITS = 300
QUERIES = 5
CHAPTERS = 1189
WORK = "Bible.KJV"
WITHIN = "Book7.7"
QUOTE = "In the beginning God created the heaven and the earth."


def source_of(number: int) -> str:
    """Spread highlights over as many chapters as the Bible has: 84 in each of 1,189."""
    chapter = number % CHAPTERS
    return f"Book{chapter % 66}.{chapter // 66 + 1}.{number % 31 + 1}"

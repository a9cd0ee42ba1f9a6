from __future__ import annotations

import subprocess
import sys

OPENED_AND_CLOSED = """
from random import Random
from crdt_sync.document import AddHighlight, AddNote, Anchor
from crdt_sync.document.library_document import LibraryDocument

random = Random(1)
verse = Anchor.verse("Gen.1.1", work="KJV")
first = LibraryDocument([], lambda: random.getrandbits(53))
edits = [AddHighlight(verse, id=f"h{n}") for n in range(500)] + [AddNote("one", id=f"n{n}") for n in range(100)]
first.edit(edits, now_ms=1, author="", new_id=lambda: "")
update = first.diff(bytes(1))

def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 // 10**6

def opened(count):
    for _ in range(count):
        LibraryDocument([update], lambda: random.getrandbits(53)).close()

opened(20)
before = megabytes()
opened(100)
print(megabytes() - before)
"""


def test_a_document_that_is_closed_gives_its_memory_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPENED_AND_CLOSED], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) < 40  # it was 190 MB: pycrdt's observers and their document hold one another

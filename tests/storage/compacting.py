"""A process that compacts a library as often as it can, and says so on standard output each time."""

import sys
from pathlib import Path

from crdt_sync.document import AddHighlight, Anchor
from crdt_sync.storage.store import LibraryStore

path, edits_between = Path(sys.argv[1]), int(sys.argv[2])
store = LibraryStore(path, durability="normal")
print("ready", flush=True)
sys.stdin.readline()
while True:
    for _ in range(edits_between):
        applied = store.edit(AddHighlight(Anchor.verse("Gen.1.1", work="KJV"), comment="x" * 500))
        print(applied.ids[0], flush=True)
    store.compact()
    print("compacted", flush=True)

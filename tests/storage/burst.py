"""A device in a process of its own: edits as fast as it can, and says on standard output what has returned."""

import sys
from pathlib import Path

from crdt_sync.document import AddHighlight, Anchor
from crdt_sync.storage.store import LibraryStore

path, name, count, durability = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
store = LibraryStore(path, durability=durability)  # type: ignore[arg-type]
print("ready", flush=True)
sys.stdin.readline()
for n in range(count):
    applied = store.edit(AddHighlight(Anchor.verse(f"Gen.1.{n}", work="KJV"), comment=name, tags=(name,)))
    print(applied.ids[0], flush=True)
store.close()

"""What the tests of the store share: a library on Genesis 1, open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from crdt_sync.document import AddHighlight, Anchor
from crdt_sync.storage.store import LibraryStore

GENESIS = Anchor.verse("Gen.1.1", work="KJV", quote="In the beginning")
MINE = AddHighlight(GENESIS, id="mine")


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[LibraryStore]:
    options.setdefault("durability", "normal")
    with closing(LibraryStore(path, **options)) as store:
        yield store


def whole(store: LibraryStore) -> tuple[bytes, ...]:
    return store.diff(b"\x00").updates

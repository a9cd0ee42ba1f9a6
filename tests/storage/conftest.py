from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[LibraryStore]:
    with opened(path) as store:
        yield store

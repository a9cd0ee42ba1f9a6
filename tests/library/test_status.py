from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from crdt_sync.document import AddHighlight, Anchor
from crdt_sync.library import Library
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.store import Applied, LibraryStore
from crdt_sync.worker import Worker

pytestmark = pytest.mark.anyio


class LateWorker(Worker):
    """Gives results in the order in which the loop happens to wake who waits; trio draws lots."""

    gate: anyio.Event | None = None

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        gate, self.gate = self.gate, None
        result = await super().call(function, *arguments)
        if gate is not None:
            await gate.wait()
        return result


async def test_what_was_read_first_and_is_told_last_does_not_stay_in_the_status(tmp_path: Path) -> None:
    """An edit returned after its confirmation had been told, and `pending` stayed at 1. Found by simulation."""
    worker = LateWorker("late")
    worker.start()
    try:
        store = await worker.call(lambda: LibraryStore(tmp_path / "a", durability="normal"))
        library = Library(worker, store, Random(1), binding=Binding("ws://relay", "room", None))
        async with anyio.create_task_group() as tasks:
            gate = worker.gate = anyio.Event()
            tasks.start_soon(library.edit, AddHighlight(Anchor.verse("Gen.1.1", work="KJV")))
            await anyio.wait_all_tasks_blocked()
            await worker.call(store.acknowledge, 1)
            await library._applied(Applied())
            assert library.status.pending == 0
            gate.set()
        assert library.status.pending == 0
        await worker.call(store.close)
    finally:
        await worker.stop()

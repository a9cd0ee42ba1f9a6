from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crdt_sync.document import (
    AddHighlight,
    Trash,
)
from crdt_sync.errors import (
    NotFound,
)
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import GENESIS, opened


def burst(path: Path, name: str, count: int, durability: str = "normal") -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("burst.py")), str(path), name, str(count), durability]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_kill_9_in_a_burst_loses_nothing_whose_call_had_returned(path: Path) -> None:
    returned: list[str] = []
    for round_ in range(6):
        process = burst(path, f"round{round_}", 100_000, "full")
        go(process)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20 + 17 * round_)]
        process.kill()
        lines += process.stdout.readlines()
        process.communicate()
        returned += [line.strip() for line in lines if line.endswith("\n")]
        with opened(path) as store:
            store.verify()
            there = {highlight.id for highlight in store.read.highlights()}
            assert set(returned) <= there
            assert len(there) - len(returned) <= round_ + 1  # at most the one in flight each time
            store.edit(AddHighlight(GENESIS, id=f"after{round_}"))
            returned.append(f"after{round_}")


def refused_edit(store: LibraryStore) -> None:
    with pytest.raises(NotFound):
        store.edit(Trash("nowhere"))


@pytest.mark.parametrize(
    "meet",
    [
        LibraryStore.compact,
        LibraryStore.rebuild_read_model,
        lambda store: store.diff(b"\x00"),
        refused_edit,
    ],
    ids=["compact", "rebuild", "diff", "refused edit"],
)
def test_what_another_process_did_is_told_whoever_meets_it(path: Path, meet: Callable[[LibraryStore], object]) -> None:
    with opened(path) as store, opened(path) as other:
        store.load()
        (made,) = other.edit(AddHighlight(GENESIS)).ids
        meet(store)
        assert [change.item_id for change in store.follow().changes] == [made]
        assert store.follow().changes == ()


def test_two_processes_on_one_file_see_each_others_edits(path: Path) -> None:
    with opened(path) as store:
        store.load()
        store.follow()
        processes = [burst(path, name, 60) for name in ("left", "right")]
        for process in processes:
            go(process)
        seen: set[str] = set()
        mine: list[str] = []
        while any(process.poll() is None for process in processes):
            seen |= {change.item_id for change in store.follow().changes}
            applied = store.edit(AddHighlight(GENESIS, tags=("here",)))
            mine += applied.ids
            seen |= {change.item_id for change in applied.changes if not change.here}
            if len(mine) % 20 == 0:
                store.compact()
        theirs = {line.strip() for process in processes for line in process.communicate()[0].splitlines()}
        seen |= {change.item_id for change in store.follow().changes}
        assert seen == theirs
        assert len(theirs) == 120
        assert {highlight.id for highlight in store.read.highlights()} == theirs | set(mine)
        assert store.pending == 120 + len(mine)
        store.verify()

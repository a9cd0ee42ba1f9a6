"""Compaction in the midst of everything: other processes, a follower, a connection, kill -9."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from crdt_sync import open_library
from crdt_sync.document import AddHighlight, EditHighlight
from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.storage import transactions
from crdt_sync.storage.store import LibraryStore
from tests.relay import RelayProcess
from tests.storage.opened import GENESIS, opened, whole
from tests.storage.test_processes import burst, go

EDITS = 150


def compacting(path: Path, edits_between: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("compacting.py")), str(path), str(edits_between)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_kill_9_in_a_compaction_leaves_the_old_log_or_the_new_snapshot_whole(path: Path) -> None:
    returned: set[str] = set()
    snapshots = 0
    for round_ in range(4):
        process = compacting(path, edits_between=3)
        go(process)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(13 + 5 * round_)]  # it compacts after the third of each four
        process.kill()
        lines += process.stdout.readlines()
        process.communicate()
        words = {line.strip() for line in lines if line.endswith("\n")}
        assert "compacted" in words
        returned |= words - {"compacted"}
        with opened(path) as store:
            store.verify()
            assert returned <= {highlight.id for highlight in store.read.highlights()}
            snapshots += store._connection.execute("SELECT count(*) FROM snapshots").fetchone()[0]
    assert snapshots >= 4


def edited_amid_compactions(path: Path) -> set[str]:
    """Let two processes edit while a third compacts, until it has done so four times; return what was made.

    On a busy machine it may come to nothing before they are through: then two more edit.
    """
    compactor = compacting(path)
    said: list[str] = []
    listener = threading.Thread(target=lambda: said.extend(iter(compactor.stdout.readline, "")))  # type: ignore[union-attr]
    listener.start()
    go(compactor)
    ids: set[str] = set()
    amid = rounds = 0
    while amid < 4:
        rounds += 1
        assert rounds <= 40, f"{amid} compactions while {len(ids)} edits were made"
        writers = [burst(path, name, EDITS) for name in ("left", "right")]
        before = len(said)
        for process in writers:
            go(process)
        for process in writers:
            ids.update(process.communicate()[0].split())
        amid += len(said) - before
    compactor.kill()
    listener.join(10)
    compactor.communicate()
    assert len(ids) == 2 * EDITS * rounds
    return ids


def test_two_processes_edit_a_third_compacts_a_follower_lags_and_a_connection_sends(tmp_path: Path) -> None:
    path = tmp_path / "library"

    async def scene(relay: RelayProcess) -> None:
        with opened(path) as follower:
            follower.load()
            async with (
                open_library(path, relay=relay.url, room="room") as here,
                open_library(tmp_path / "elsewhere", relay=relay.url, room="room") as elsewhere,
            ):
                assert await here.synced(20)
                ids = await anyio.to_thread.run_sync(edited_amid_compactions, path)
                assert {change.item_id for change in follower.follow().changes} == ids  # from far behind the snapshot
                assert await here.synced(30)
                with anyio.fail_after(30):
                    async with elsewhere.changes() as feed:
                        while (await elsewhere.counts()).highlights < len(ids):
                            await feed.take()
                assert {each.id for each in await elsewhere.highlights()} == ids
                assert elsewhere.status.pending == 0
                follower.verify()
                assert (follower.pending, follower.unsaved()) == (0, [])
                vectors = follower.state_vector(), await elsewhere.state_vector()
                assert decode_state_vector(vectors[0]) == decode_state_vector(vectors[1])

    with RelayProcess(tmp_path / "relay") as relay:
        anyio.run(scene, relay)


def test_what_was_not_sent_when_the_log_was_compacted_is_sent_as_what_the_peer_lacks(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        for number in range(5):
            a.edit(AddHighlight(GENESIS, id=f"h{number}"))
        sent = a.diff(b.state_vector())
        assert b.apply_updates(sent.updates, "c").failure is None
        a.edit(EditHighlight("h1", color="red"))
        a.compact()
        assert a.outgoing(sent.seq, "c") is None
        rest = a.diff(b.state_vector())
        assert sum(map(len, rest.updates)) < sum(map(len, whole(a)))  # and not all of it once more
        assert b.apply_updates(rest.updates, "c").appended
        assert not b.apply_updates(rest.updates, "c").appended
        assert (rest.edits_made, b.read.content()) == (6, a.read.content())


def test_compacting_gives_the_disk_back_even_while_another_has_the_file_open(path: Path) -> None:
    with opened(path) as store, opened(path) as other:
        other.load()
        store.edit(AddHighlight(GENESIS, id="h"))
        for number in range(300):
            store.edit(EditHighlight("h", comment=f"{number} " + "x" * 2000))
        before = store.size_bytes()
        store.compact()
        store.vacuum()
        assert store.size_bytes() < before / 4
        other.edit(EditHighlight("h", color="red"))
        assert [change.item_id for change in store.follow().changes] == ["h"]
        store.verify()


def test_a_large_library_is_not_put_together_for_a_few_edits_and_its_log_stays_bounded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "COMPACT_CHECK_EVERY", 10)
    monkeypatch.setattr(transactions, "COMPACT_AFTER_UPDATES", 20)
    monkeypatch.setattr(transactions, "MOST_UPDATES", 100)
    with opened(path) as store:
        store.edit(*(AddHighlight(GENESIS, id=f"h{n}", comment="x" * 500) for n in range(400)))
        store.compact()
        lengths = []
        for number in range(110):
            store.edit(EditHighlight("h1", color=f"color {number}"))
            lengths.append(store._log.length())
        assert max(lengths) > 90
        assert lengths[-1] < 20
        store.verify()


def test_a_log_of_few_and_large_updates_is_compacted_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "COMPACT_AFTER_BYTES", 20_000)
    with opened(path) as store:
        for number in range(120):
            store.edit(AddHighlight(GENESIS, id="h", comment=f"{number}" + "x" * 1000))
        assert store._log.length() <= 20
        assert LibraryStore.pending.fget(store) == 120  # type: ignore[attr-defined]
        store.verify()

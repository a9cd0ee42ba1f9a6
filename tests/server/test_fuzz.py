"""Mistakes in valid sessions, and connections that come and go: the short runs of what `benchmarks/` does at length."""

from __future__ import annotations

from pathlib import Path

from crdt_sync.protocol.messages import Barrier, SyncUpdate
from tests.churn import churn
from tests.fuzzer import fuzz
from tests.hostile import Bystanders, RawSocket, client_sockets, memory_bytes, stored, until, update
from tests.relay import RelayProcess


def test_mistakes_in_valid_sessions_stop_nobody_and_honest_words_are_kept(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay:
        with Bystanders(relay) as bystanders, RawSocket(relay.port, "/fuzz") as honest:
            honest.sync()
            for seed in range(5):
                done = fuzz(relay.port, "fuzz", frames=1500, seed=seed)
                assert done.closed > done.connections // 4  # the mistakes are found
                honest.send(SyncUpdate(update(f"good{seed}")), Barrier(seed))
                assert honest.hear(Barrier) == Barrier(seed)
        assert bystanders.slowest_s < 5
        relay.terminate()
        assert not any("Traceback" in line or "failed" in line for line in relay.output)
    assert {f"good{seed}" for seed in range(5)} <= stored(tmp_path, "fuzz").keys()
    assert stored(tmp_path, bystanders.room).keys() == {f"k{number}" for number in range(bystanders.written)}


def test_memory_does_not_grow_with_the_connections_that_came_and_went(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay:
        churn(relay.port, 0, 1500)
        half = memory_bytes(relay)
        churn(relay.port, 1500, 1500)
        assert memory_bytes(relay) - half < 4_000_000  # a connection with its room takes 16 kB: it would be 24 MB
        until(lambda: client_sockets(relay.pid) == 0)

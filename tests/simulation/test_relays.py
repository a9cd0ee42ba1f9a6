"""Two and three relays on one disk in simulated time, and mistakes in how they follow each other that are noticed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

import pytest

from crdt_sync_server.cluster import Cluster
from crdt_sync_server.company import Company
from crdt_sync_server.following import Following
from crdt_sync_server.room_document import RoomDocument
from crdt_sync_server.room_log import RoomLog
from tests.simulation.whole import Broken, Outcome, simulate

SEEDS = 12


def outcome_of(seed: int, relays: int) -> Outcome | str:
    try:
        return simulate(seed, relays=relays)
    except Broken as error:
        return str(error)


@pytest.mark.parametrize("relays", [2, 3])
def test_seeds_with_several_relays_break_no_rule(relays: int) -> None:
    """`python benchmarks/simulation.py --relays 3` runs as many as one likes."""
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        outcomes = list(pool.map(outcome_of, range(SEEDS), [relays] * SEEDS, chunksize=5))
    broken = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert not broken, "\n\n".join(broken)
    whole = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
    assert sum(outcome.stored for outcome in whole) > 10 * SEEDS
    assert sum(outcome.crossed for outcome in whole) > SEEDS / 4, "relays do not write at the same time"


def test_a_seed_with_several_relays_replays_exactly() -> None:
    assert simulate(5, relays=3) == simulate(5, relays=3)


def first_broken(first: int = 0, seeds: int = 30) -> str:
    """Return what was noticed, from the seed `first` on: where that is not 0 it saves time."""
    for seed in range(first, first + seeds):
        try:
            simulate(seed, relays=2 + seed % 2)
        except Broken as error:
            assert f"again: python -m tests.simulation.whole {seed} --relays {2 + seed % 2}" in str(error)
            return str(error)
    raise AssertionError(f"{seeds} seeds from {first} on did not notice")


def test_a_position_that_jumps_over_another_relays_update_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has stored at a position takes itself to be there, though another relay's update is before it."""
    append = RoomLog.append

    async def jumping(self: RoomLog, update: bytes, updates: int) -> None:
        await append(self, update, updates)
        self._position = max(self._position, self._following._head)

    monkeypatch.setattr(RoomLog, "append", jumping)
    assert "its document lacks" in first_broken(3)


def test_an_update_that_is_told_before_it_is_durable_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay tells the others at the position that it expects, and some commits then fail."""
    append = RoomLog.append

    async def hasty(self: RoomLog, update: bytes, updates: int) -> None:
        cluster = self._host.cluster
        assert cluster is not None
        cluster.committed(self._name, self._position + 1, update)
        await append(self, update, updates)

    monkeypatch.setattr(RoomLog, "append", hasty)
    said = first_broken()  # seen by a client, or at a position at which another relay then stores something else
    assert "sent before it is durable" in said or "its document lacks" in said


def test_a_relay_that_waits_to_be_told_again_though_it_asks_nobody_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backplane that works is trusted: the store is asked for nothing but notices."""

    async def trusting(self: Cluster, rooms: Sequence[str]) -> None:
        await look(self, () if self._hears else rooms)

    look = Cluster._look
    monkeypatch.setattr(Cluster, "_look", trusting)
    said = first_broken(7)
    assert "holds something else" in said or "do not follow" in said or "are behind" in said


def test_a_relay_that_asks_nobody_without_a_backplane_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def deaf(self: Cluster, rooms: Sequence[str]) -> None:
        await look(self, rooms if self._hears else ())

    look = Cluster._look
    monkeypatch.setattr(Cluster, "_look", deaf)
    said = first_broken(8)
    assert "holds something else" in said or "do not follow" in said or "are behind" in said


def test_a_relay_that_does_not_give_up_what_it_cannot_read_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks a store that cannot be read, again and again, for what it was told of."""
    monkeypatch.setattr(Following, "give_up", lambda self: None)
    first_broken(12)


def test_updates_that_are_taken_out_of_their_order_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def hurried(self: Following, position: int) -> list[bytes]:
        taken = [self._held.pop(each) for each in sorted(self._held)]
        self._held_bytes = 0
        return taken

    monkeypatch.setattr(Following, "next", hurried)
    first_broken(3)


def test_ghosts_of_a_relay_that_is_gone_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its end nor the missing renewals take away who was there."""
    monkeypatch.setattr(Company, "_gone", lambda self, node: self._heard_s.pop(node))
    monkeypatch.setattr("crdt_sync.protocol.awareness.AwarenessTable.expire", lambda self, now_s: ())
    said = first_broken(7)
    assert "sees" in said or "goes round in circles" in said


def test_followed_updates_that_are_stored_again_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A room that follows and forgets that it has: its clocks stay, and clients are asked for all that again."""
    follow = RoomDocument.follow

    def forgetful(self: RoomDocument, update: bytes) -> Mapping[int, int]:
        vector = dict(self.vector)
        moved = follow(self, update)
        self.vector = vector
        return moved

    monkeypatch.setattr(RoomDocument, "follow", forgetful)
    first_broken()

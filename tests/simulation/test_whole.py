"""The whole in simulated time: a hundred seeds, exact replays, and mistakes that it must notice."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from crdt_sync.protocol.polling import Answer, Piece
from crdt_sync.storage.read_model import ReadModel
from crdt_sync_server.poll_sessions import PollSession
from crdt_sync_server.room import Room
from crdt_sync_server.turn import Output, Turn
from tests.simulation.whole import Broken, Outcome, simulate

ROOT = Path(__file__).parents[2]
SEEDS = 100


def outcome_of(seed: int) -> Outcome | str:
    try:
        return simulate(seed)
    except Broken as error:
        return str(error)


def test_a_hundred_seeds_break_no_rule() -> None:
    """`python benchmarks/simulation.py` runs ten thousand."""
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        outcomes = list(pool.map(outcome_of, range(SEEDS), chunksize=5))
    broken = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert not broken, "\n\n".join(broken)
    whole = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
    assert sum(outcome.edits for outcome in whole) > 10 * SEEDS
    assert sum(outcome.polls for outcome in whole) > 10 * SEEDS
    assert sum(outcome.moves >= 2 for outcome in whole) > SEEDS / 20  # to polling and back, or the other way round


def test_a_seed_replays_exactly_here_and_in_another_process() -> None:
    """Whatever a failure printed, its command shows the same again; memory and hashes of texts play no part."""
    seeds = (7, 8, 9)
    first = [simulate(seed) for seed in seeds]
    assert [simulate(seed) for seed in seeds] == first
    assert len({outcome.trace for outcome in first}) == 3
    for outcome in first[:2]:
        command = [sys.executable, "-m", "tests.simulation.whole", str(outcome.seed)]
        environment = {**os.environ, "PYTHONHASHSEED": str(1 + outcome.seed)}
        run = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert run.stdout.splitlines()[-1] == str(outcome), run.stderr


def first_broken(seeds: int = 12) -> str:
    for seed in range(seeds):
        try:
            simulate(seed)
        except Broken as error:
            assert f"again: python -m tests.simulation.whole {seed}" in str(error)
            return str(error)
    raise AssertionError(f"{seeds} seeds did not notice")


def test_a_relay_that_sends_before_its_commit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch goes out with the presence, at once, and not after the commit."""
    take = Room.take

    def hasty(self: Room[object], *arguments: object) -> Turn[object]:
        turn = take(self, *arguments)  # type: ignore[arg-type]
        early: list[Output[object]] = self.release(turn)
        turn.at_once += early
        return turn

    monkeypatch.setattr(Room, "take", hasty)
    assert "sent before it is durable" in first_broken()


def test_a_read_model_that_forgets_tags_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadModel, "_put_tags", lambda self, item_id, wanted, known: None)
    said = first_broken()
    assert any(words in said for words in ("the read model of", "shows something else", "the table of full text"))


def test_presence_that_stays_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay that does not take away whose connection is gone, nor whoever has not renewed."""
    monkeypatch.setattr("crdt_sync.protocol.awareness.AwarenessTable.remove", lambda self, owner, now_s: ())
    monkeypatch.setattr("crdt_sync.protocol.awareness.AwarenessTable.expire", lambda self, now_s: ())
    said = first_broken()
    assert "sees" in said or "goes round in circles" in said  # as what is due stays due


def test_a_relay_that_answers_a_repeated_poll_with_less_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes for heard whatever it has answered: what the network then loses is lost."""

    async def forgetful(self: PollSession, most: int) -> Answer:
        await self._fill()
        piece = self.stream.piece(most)
        self.stream.take(Piece(piece.first + len(piece.data), 0, b""))
        return Answer(piece, self._ending if self.stream.ends_with(piece) else None)

    monkeypatch.setattr(PollSession, "_answer", forgetful)
    assert "bytes that the device lacks are left out" in first_broken()


def test_a_relay_that_takes_a_repeated_poll_for_a_new_one_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames in it come twice, or from the middle of one. It needs a repetition that carries something."""
    take = PollSession._take

    async def gullible(self: PollSession, piece: Piece, *arguments: Any) -> None:
        if piece.data and piece.first < self.stream.received:
            piece = Piece(piece.received, self.stream.received, piece.data)
        await take(self, piece, *arguments)

    monkeypatch.setattr(PollSession, "_take", gullible)
    first_broken(60)

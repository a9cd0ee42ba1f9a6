"""The answer to a poll that waits is lost, on a connection that stays open: when does a device hear what was in it?

In simulated time, so the seconds are exact, and they are the same on any machine.
"""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from crdt_sync.document import AddNote
from crdt_sync.sync.connection import ASK_AFTER_S
from crdt_sync.sync.polling import OVERDUE_AFTER_S
from tests.simulation.conditions import listening
from tests.simulation.loop import SimulatedLoop
from tests.simulation.whole import World

RENEWED_AFTER_S = 15.0
TRAVEL_S = 0.5


class QuietWorld(World):
    """A device that polls, one that does not, and no trouble but a lost answer."""

    def __init__(self, folder: Path, loop: SimulatedLoop, *, shown: bool, lost_at_s: float) -> None:
        super().__init__(1, folder, loop, False)
        self._lost_at_s = lost_at_s
        self.polls_device, self.other = self.devices[0], self.devices[1]
        self.polls_device.transport, self.other.transport = "polling", "websocket"
        if shown:
            self.polls_device.presence = {"name": self.polls_device.name}
        for device in (self.polls_device, self.other):
            conditions = self.network.way_to(device.name)
            conditions.request_faults, conditions.websockets_pass = 0.0, True
        self.waited_s: list[float] = []

    async def run(self) -> None:
        async with anyio.create_task_group() as self.tasks:
            await self.start_relay()
            for device in (self.polls_device, self.other):
                self.start(device)
            await anyio.sleep(self._lost_at_s)
            (waits,) = self.network.exchanges
            waits.loses_answer = True
            for name in ("lost", "next"):
                self.waited_s.append(await self._seconds_until_seen(name))
            for device in (self.polls_device, self.other):
                await device.close()
            await self.stop_relay(kill=False)
            self.tasks.cancel_scope.cancel()

    async def _seconds_until_seen(self, name: str) -> float:
        assert self.polls_device.library is not None
        async with self.polls_device.library.changes() as feed:
            began_s = anyio.current_time()
            self.other.edit(AddNote(name, id=name))
            with anyio.fail_after(60):
                while name not in {change.item_id for change in await feed.take()}:
                    pass
            return anyio.current_time() - began_s


@pytest.mark.parametrize("lost_at_s", range(41, 66, 4))
@pytest.mark.parametrize("shown", [False, True], ids=["shows nothing", "shows itself"])
def test_what_was_lost_comes_with_the_next_request_and_polls_go_on(
    tmp_path: Path, shown: bool, lost_at_s: float
) -> None:
    """The renewal of a presence, or the question after 25 s of silence, brings it, and shows that the poll is dead."""
    loop = SimulatedLoop()

    async def live() -> list[float]:
        world = QuietWorld(tmp_path, loop, shown=shown, lost_at_s=lost_at_s)
        await world.run()
        assert not world.failures
        return world.waited_s

    try:
        with listening() as logged:
            lost_s, next_s = loop.run_until_complete(live())
    finally:
        loop.close()
    assert not logged
    assert lost_s < (RENEWED_AFTER_S if shown else ASK_AFTER_S) + TRAVEL_S
    assert next_s < OVERDUE_AFTER_S + TRAVEL_S

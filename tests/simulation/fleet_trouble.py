"""What happens to several relays beside what happens to one: to the backplane, and to what two of them do at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import anyio

from crdt_sync.document import AddNote
from crdt_sync_server.errors import RelayError
from tests.simulation.disk import ROOM
from tests.simulation.fleet import End, Fleet
from tests.simulation.relay import RelayProcess

if TYPE_CHECKING:
    from tests.simulation.whole import World

__all__ = ["fleet_trouble"]


def fleet_trouble(world: World) -> list[tuple[float, Callable[[], object]]]:
    """Return what may happen, each with how often."""
    fleet, random = world.fleet, world.random
    return [
        (1.0, _named("kill_silently", partial(world.stop_relay, kill=True, silently=True))),
        (1.0, _named("stop_one", partial(world.stop_relay, kill=False))),
        (1.0, _named("kill_one", partial(world.stop_relay, kill=True))),
        (3.0, world.start_relay),
        (1.0, _named("backplane_fails", partial(_fail, fleet))),
        (1.5, _named("backplane_recovers", partial(_recover, fleet))),
        (1.0, _named("backplane_forgets", partial(_forget, fleet))),
        (1.0, _named("relay_is_cut_off", partial(_cut_off, fleet))),
        (2.0, _named("relays_are_reached", lambda: fleet.mend(range(len(fleet.places))))),
        (2.0, _named("bad_weather", partial(_bad_weather, fleet))),
        (1.5, _named("disk_is_not_read", lambda: _leave_unread(world, random.choice((0.05, 0.5, 4.0))))),
        (1.5, _named("all_put_together", partial(_put_together, world))),
        (0.7, _named("all_close_the_room", partial(_evict, fleet))),
        (4.0, _named("all_edit_at_once", partial(_edit_at_once, world))),
        (4.0, _named("edit_and_move", partial(_edit_and_move, world))),
        (0.7, _named("another_room_is_deleted", partial(_delete_another, world))),
    ]


def _named(name: str, action: Callable[[], object]) -> Callable[[], object]:
    def act() -> object:
        return action()

    act.__name__ = f"_{name}"
    return act


def _fail(fleet: Fleet) -> None:
    if fleet.hub is not None:
        fleet.hub.fail()


def _recover(fleet: Fleet) -> None:
    if fleet.hub is not None and fleet.end is not End.DOWN:
        fleet.hub.recover()


def _forget(fleet: Fleet) -> None:
    if fleet.hub is not None:
        fleet.hub.forget()


def _cut_off(fleet: Fleet) -> None:
    if fleet.hub is not None and fleet.running:
        fleet.backplanes[fleet.random.choice(fleet.running)].cut()


def _bad_weather(fleet: Fleet) -> None:
    random = fleet.random
    sky = random.choice(fleet.skies)
    sky.delay_s = random.choice((0.0, 0.05, 1.0, 10.0))
    sky.fails, sky.loses_answer, sky.drops = (random.choice((0.0, 0.0, 0.1, 0.5)) for _ in range(3))


def _leave_unread(world: World, seconds: float) -> None:
    world.disk.unread_until_s = anyio.current_time() + seconds


def _put_together(world: World) -> None:
    """Let every relay compact the room now."""

    async def put_together(relay: RelayProcess) -> None:
        hosted = relay.host.opened(ROOM)
        if hosted is not None:
            try:
                async with hosted.held():
                    await hosted.compact()
            except RelayError as error:
                world.note("not put together", str(error))

    for relay in world.fleet.relays:
        relay.beside(put_together, relay)


def _evict(fleet: Fleet) -> None:
    """Let all who are in the room come back at once, to relays that have to load it."""
    for relay in fleet.relays:
        hosted = relay.host.opened(ROOM)
        if hosted is not None:
            hosted.disperse(lambda peer: True)
            hosted.evict()


def _edit_at_once(world: World) -> None:
    """The slower the disk, the more commits of one relay cross with those of another."""
    world.disk.latency_s = world.random.choice((0.003, 0.1, 0.3))
    for device in world.devices:
        for _ in range(world.random.randrange(1, 4)):
            device.edit(AddNote("at once", id=f"n{world.random.randrange(1000)}"))


async def _edit_and_move(world: World) -> None:
    """An edit is cut off on its way to the relay or back, and comes with its device to another one."""
    device = world.random.choice(world.devices)
    device.edit(AddNote("on the way", id=f"n{world.random.randrange(1000)}"))
    await anyio.sleep(world.random.random() * 0.1)
    for each in world.network.open_of(device.name):
        each.cut()
    if device.library is not None:
        device.library.reconnect()


def _delete_another(world: World) -> None:
    """Delete a room that nobody is in: all relays are to take notice."""

    async def delete(relay: RelayProcess) -> None:
        try:
            await relay.host.delete(f"room {world.random.randrange(100)}")
        except RelayError as error:
            world.note("not deleted", str(error))

    if world.fleet.relays:
        relay = world.fleet.random.choice(world.fleet.relays)
        relay.beside(delete, relay)

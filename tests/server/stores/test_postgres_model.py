"""Whatever two relays do to a store, in any order, comes to the same in PostgreSQL and in memory."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt_sync_server.errors import RelayError
from crdt_sync_server.ports import RoomRecord, SharedStore, Stored
from crdt_sync_server.stores.memory import MemoryStore
from crdt_sync_server.stores.postgres import PostgresStore
from tests.postgres_server import PostgresServer

ROOMS = ("a", "a/b", "a-", "ä")


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to one of the openings; `part` is of the room's position, for what takes one."""

    what: str
    relay: int
    room: str
    data: bytes
    part: float


STEPS = st.builds(
    Step,
    st.sampled_from(["append", "append", "append", "append", "compact", "since", "load", "heads", "under", "delete"]),
    st.integers(0, 1),
    st.sampled_from(ROOMS),
    st.binary(min_size=1, max_size=20),
    st.floats(0, 1),
)


@pytest.fixture(scope="module")
def opened(postgres: PostgresServer) -> Iterator[tuple[asyncio.Runner, tuple[SharedStore, SharedStore]]]:
    with asyncio.Runner() as runner:
        url = postgres.url(postgres.create())
        one, two = runner.run(PostgresStore.open(url, node="one")), runner.run(PostgresStore.open(url, node="two"))
        yield runner, (one, two)
        runner.run(one.close())
        runner.run(two.close())


EXAMPLES = itertools.count()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=30))
def test_both_come_to_the_same(
    opened: tuple[asyncio.Runner, tuple[SharedStore, SharedStore]], steps: list[Step]
) -> None:
    runner, stores = opened
    memory = MemoryStore("one")
    runner.run(_compare(stores, (memory, memory.beside("two")), f"{next(EXAMPLES)}", steps))


async def _compare(
    stores: tuple[SharedStore, SharedStore], models: tuple[SharedStore, SharedStore], prefix: str, steps: list[Step]
) -> None:
    before = (await stores[0].heads([])).notice
    for step in steps:
        room = f"{prefix}/{step.room}"
        position = (await models[0].heads([room])).rooms[room]
        outcomes = [await _outcome(_done(each[step.relay], step, room, position)) for each in (stores, models)]
        assert outcomes[0] == outcomes[1], step
    names = [f"{prefix}/{room}" for room in ROOMS]
    found = await stores[0].notices(before)
    told = await models[0].notices(0)
    assert found is not None
    assert told is not None
    assert [(each.number - before, each.about, each.node) for each in found] == [
        (each.number, each.about, each.node) for each in told
    ]
    for name in names:
        assert [_seen(each) for each in await stores[1].rooms(name)] == [
            _seen(each) for each in await models[1].rooms(name)
        ]
    assert await stores[0].usage(prefix) == await models[0].usage(prefix)


async def _outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except RelayError as error:
        return type(error)


async def _done(store: SharedStore, step: Step, room: str, position: int) -> Any:
    through = int(step.part * position)
    does: dict[str, Callable[[], Awaitable[Any]]] = {
        "append": lambda: store.append(room, step.data, room.partition("/")[0]),
        "compact": lambda: store.compact(room, [step.data, b"more"] if step.part > 0.5 else [step.data], through),
        "since": lambda: store.since(room, through),
        "load": lambda: store.load(room),
        "heads": lambda: store.heads([room]),
        "under": lambda: store.under(room),
        "delete": lambda: store.delete(room),
    }
    found = await does[step.what]()
    if isinstance(found, Stored):
        return list(found.updates), found.position, found.log_length, found.owner
    if step.what == "heads":
        return found.rooms
    return [_seen(each) for each in found] if step.what == "under" else found


def _seen(record: RoomRecord) -> tuple[Any, ...]:
    is_changed, is_deleted = record.changed_ms is not None, record.deleted_ms is not None
    return record.name, record.owner, record.size_bytes, record.log_length, is_changed, is_deleted

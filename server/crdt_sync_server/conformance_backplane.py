"""What every backplane must do, as a test class: `backplane.Backplane`.

Subclass it, give a block in which an engine runs that relays can meet at, and run pytest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import anyio
import anyio.lowlevel

from crdt_sync_server.backplane import (
    CARRIED_UP_TO_BYTES,
    SAID_UP_TO_BYTES,
    Backplane,
    Carried,
    Committed,
    Missed,
    News,
    Said,
)
from crdt_sync_server.conformance_hearing import WAIT_S, BackplaneEngine, fails, take, take_until

__all__ = ["BackplaneContract", "BackplaneEngine", "take"]

LONGEST_NAME = "Zoë🐢" * 64
ODD_ROOMS = (
    "",
    "a",
    "a/b",
    "g/Zoë 🐢",
    "שלום",
    "*?[^a]\\",
    "{curly}",
    "line\nbreak",
    "'; --",
    "%2F %",
    "ſ",
    LONGEST_NAME,
)


class BackplaneContract:
    """The rules of `backplane.Backplane`."""

    carries = True
    """False for a backplane that carries no updates, but their positions alone."""
    keeps = True
    """False for one that keeps nothing for those who come back: it tells them that they have missed something."""

    def opened(self) -> AbstractAsyncContextManager[BackplaneEngine]:
        """Return a block in which an engine runs, and keeps nothing of what was before."""
        raise NotImplementedError

    async def test_what_is_published_comes_to_all_and_to_oneself(self) -> None:
        """In its order and batch by batch, whatever the rooms are called; positions are those of the store."""
        batches = [
            [Committed(room, position, b"%d" % position) for room in ODD_ROOMS] for position in (1, 2, 2**53 - 1)
        ]
        async with self.opened() as engine:
            ours, theirs = await engine.open(), await engine.open()
            async with ours.subscribe(None) as one, ours.subscribe(None) as two, theirs.subscribe(None) as three:
                for batch in batches:
                    await ours.publish(batch)
                await ours.publish([])
                for news in (one, two, three):
                    assert await take(news, 3 * len(ODD_ROOMS)) == self._as_carried(
                        [each for batch in batches for each in batch]
                    )

    async def test_entering_the_block_is_being_subscribed(self) -> None:
        """What is published and said the moment after comes, and nothing of before."""
        async with self.opened() as engine:
            ours, theirs = await engine.open(), await engine.open()
            for number in range(1, 20, 2):
                await theirs.publish([Committed("room", number, b"before")])
                await theirs.say([Said("theirs", b"before")])
                async with ours.subscribe(None) as news:
                    after = Committed("room", number + 1, b"after")
                    await theirs.say([Said("theirs", b"after")])
                    await theirs.publish([after])
                    heard = await take(news, 2)
                    assert sorted(map(str, heard)) == sorted(
                        map(str, [*self._as_carried([after]), Said("theirs", b"after")])
                    )

    async def test_all_see_one_order(self) -> None:
        """However many publish at once, and each publisher's own order is kept."""
        seen: list[list[News]] = []
        async with self.opened() as engine:
            relays = [await engine.open() for _ in range(3)]

            async def watch(news: AsyncIterator[Carried]) -> None:
                seen.append(await take(news, 3 * 40))

            async def publish(number: int) -> None:
                for each in range(20):
                    pair = (Committed(f"{number}", 2 * each, b"first"), Committed(f"{number}", 2 * each + 1))
                    await relays[number].publish(pair)

            async with (
                relays[0].subscribe(None) as one,
                relays[1].subscribe(None) as two,
                relays[1].subscribe(None) as three,
                anyio.create_task_group() as tasks,
            ):
                for news in (one, two, three):
                    tasks.start_soon(watch, news)
                for number in range(3):
                    tasks.start_soon(publish, number)
        first, *others = seen
        assert all(other == first for other in others)
        committed = [each for each in first if isinstance(each, Committed)]
        for number in range(3):
            assert [each.position for each in committed if each.room == f"{number}"] == list(range(40))

    async def test_a_subscriber_goes_on_after_its_cursor(self) -> None:
        """After each that it was told, also the first, it misses nothing and gets nothing twice."""
        published = [Committed("room", position, b"%d" % position) for position in range(1, 7)]
        carried: list[Carried] = []
        async with self.opened() as engine:
            relay, other = await engine.open(), await engine.open()
            async with relay.subscribe(None) as news:
                with anyio.fail_after(WAIT_S):
                    carried.append(await anext(news))
                    assert carried[0].news == ()
                    for each in published:
                        await other.publish([each])
                        carried.append(await anext(news))
            assert [each for one in carried for each in one.news] == self._as_carried(published)
            for number, one in enumerate(carried):
                async with other.subscribe(one.cursor) as news:
                    await relay.publish([Committed("another", number + 1)])
                    another = [Committed("another", each + 1) for each in range(number + 1)]
                    if self.keeps:
                        assert await take(news, 6 - number + len(another)) == [*published[number:], *another]
                    else:
                        assert await take(news, 2) == [Missed(), another[-1]]

    async def test_a_cursor_that_is_not_known_is_told_first(self) -> None:
        """Wherever it comes from; and what follows comes then."""
        async with self.opened() as engine:
            relay = await engine.open()
            for number, cursor in enumerate(("", "x", "-", "9-9", "1-1-1", "9999999999999-7", "é\n", "7" * 400)):
                async with relay.subscribe(cursor) as news:
                    await relay.publish([last := Committed("room", number)])
                    first, *others = await take_until(news, last)
                    assert first == Missed(), cursor
                    assert Missed() not in others

    async def test_bytes_come_as_they_are(self) -> None:
        """Of any value and length; no update, and one that is too large to be carried, come as None."""
        sizes = (0, 1, 255, 256, 4096, CARRIED_UP_TO_BYTES - 1, CARRIED_UP_TO_BYTES)
        updates = [bytes(range(256)), *(b"\xff" * size for size in sizes), None]
        updates += [bytes(n % 251 for n in range(CARRIED_UP_TO_BYTES))] * 30
        batch = [Committed("room", position, update) for position, update in enumerate(updates)]
        too_large = Committed("room", len(batch), bytes(CARRIED_UP_TO_BYTES + 1))
        async with self.opened() as engine:
            relay = await engine.open()
            async with relay.subscribe(None) as news:
                await relay.publish([*batch, too_large])
                expected = self._as_carried([*batch, Committed("room", too_large.position)])
                assert await take(news, len(expected)) == expected

    async def test_what_is_said_comes_to_those_who_listen(self) -> None:
        """To oneself too, in its order, byte for byte; too long is refused, and nothing is kept."""
        said = [
            Said(f"Zoë/{size}", bytes(n % 253 for n in range(size))) for size in (0, 1, 5000, 100, SAID_UP_TO_BYTES)
        ]
        async with self.opened() as engine:
            ours, theirs = await engine.open(), await engine.open()
            async with ours.subscribe(None) as one, theirs.subscribe(None) as two:
                await ours.say(said)
                await ours.say([])
                await ours.say([Said("", b"\x00")])
                for news in (one, two):
                    assert await take(news, 6) == [*said, Said("", b"\x00")]
                cursor = await self._cursor(ours)
                await fails(ours.say([Said("", bytes(SAID_UP_TO_BYTES + 1))]))
            for after in (None, cursor):
                async with ours.subscribe(after) as news:
                    await ours.say([Said("ours", b"now")])
                    heard = await take_until(news, Said("ours", b"now"))
                    assert [each for each in heard if isinstance(each, Said)] == [Said("ours", b"now")]

    async def test_what_each_says_keeps_its_order(self) -> None:
        """While several say something at once, long and short."""
        async with self.opened() as engine:
            relays = [await engine.open() for _ in range(3)]

            async def say(number: int) -> None:
                for each in range(20):
                    await relays[number].say(
                        [Said(f"{number}", b"%d" % (2 * each)), Said(f"{number}", b"%d" % (2 * each + 1) + bytes(9000))]
                    )

            async with relays[0].subscribe(None) as news:
                async with anyio.create_task_group() as tasks:
                    for number in range(3):
                        tasks.start_soon(say, number)
                heard = [each for each in await take(news, 120) if isinstance(each, Said)]
        for number in range(3):
            assert [int(each.words.rstrip(b"\0")) for each in heard if each.node == f"{number}"] == list(range(40))

    async def test_who_stops_waiting_loses_nothing(self) -> None:
        """Waiting is given up again and again, while things come; each comes once."""
        count = 200
        heard: list[News] = []
        async with self.opened() as engine:
            ours, theirs = await engine.open(), await engine.open()

            async def publish() -> None:
                for position in range(count):
                    await theirs.publish([Committed("room", position)])

            async with ours.subscribe(None) as news, anyio.create_task_group() as tasks:
                tasks.start_soon(publish)
                with anyio.fail_after(WAIT_S):
                    while len(heard) < count:
                        with anyio.move_on_after(0.0005):
                            heard += (await anext(news)).news
        assert heard == [Committed("room", position) for position in range(count)]

    async def test_who_reads_late_gets_all(self) -> None:
        """What came meanwhile waits, in its order."""
        published = [Committed("room", position, bytes(1024)) for position in range(500)]
        async with self.opened() as engine:
            ours, theirs = await engine.open(), await engine.open()
            async with ours.subscribe(None) as news:
                for start in range(0, 500, 10):
                    await theirs.publish(published[start : start + 10])
                assert await take(news, 500) == self._as_carried(published)

    async def test_an_engine_that_dies_is_told_by_an_error(self) -> None:
        """Within seconds, by every call and to who waits; when it is back all goes on, and who comes back is told."""
        async with self.opened() as engine:
            ours, theirs = await engine.open(), await engine.open()
            async with ours.subscribe(None) as news:
                await theirs.publish([Committed("room", 1)])
                await take(news, 1)
                cursor = await self._cursor(ours)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(fails, take(news, 1))
                    await anyio.lowlevel.checkpoint()
                    await engine.stop()
                await fails(take(news, 1))
            await self._all_fail(ours, cursor)
            await engine.start()
            async with ours.subscribe(cursor) as news:
                await theirs.publish([Committed("room", 2)])
                assert await take(news, 2) == [Missed(), Committed("room", 2)]

    async def test_a_closed_one_is_closed(self) -> None:
        """It says so to each call and to who waits, may be closed again, and the others are not touched."""
        async with self.opened() as engine:
            ours, theirs = await engine.open(), await engine.open()
            async with ours.subscribe(None) as news, theirs.subscribe(None) as heard:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(fails, take(news, 1))
                    await anyio.lowlevel.checkpoint()
                    await ours.close()
                await ours.close()
                await self._all_fail(ours, None)
                await theirs.publish([Committed("room", 1)])
                assert await take(heard, 1) == [Committed("room", 1)]

    def _as_carried(self, committed: Sequence[Committed]) -> list[News]:
        return [each if self.carries else Committed(each.room, each.position) for each in committed]

    async def _cursor(self, relay: Backplane) -> str:
        """Return where one is now."""
        async with relay.subscribe(None) as news:
            return (await anext(news)).cursor

    async def _all_fail(self, relay: Backplane, cursor: str | None) -> None:
        async def enter() -> None:
            async with relay.subscribe(cursor) as news:
                await take(news, 1)

        await fails(relay.publish([Committed("room", 1)]))
        await fails(relay.say([Said("node", b"")]))
        await fails(enter())

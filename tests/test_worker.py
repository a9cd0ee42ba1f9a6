from __future__ import annotations

import threading

import anyio
import pytest

from crdt_sync.worker import Worker

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_calls_run_in_order_on_one_thread_and_raise_to_the_caller() -> None:
    worker = Worker("test")
    worker.start()
    threads: list[str] = []

    def work(number: int) -> int:
        threads.append(threading.current_thread().name)
        if number == 3:
            raise KeyError(number)
        return number * 2

    assert [await worker.call(work, number) for number in (1, 2)] == [2, 4]
    with pytest.raises(KeyError):
        await worker.call(work, 3)
    assert await worker.call(work, 4) == 8
    assert threads == ["test"] * 4
    await worker.stop()


async def test_a_call_that_has_begun_is_not_cancelled_half_way() -> None:
    worker = Worker("test")
    worker.start()
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def work() -> None:
        begun.set()
        go_on.wait(10)
        done.append("done")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.call, work)
        await anyio.to_thread.run_sync(begun.wait, 10)
        tasks.cancel_scope.cancel()
        go_on.set()
    assert done == ["done"]
    await worker.stop()

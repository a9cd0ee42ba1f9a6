"""A rolling restart under load: clients of every kind write while all workers are replaced, and no edit is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from crdt_sync import Library, open_library
from crdt_sync.feeds import State
from tests.relay import RelayProcess
from tests.web.conftest import WEB, Package, package

__all__ = ["package"]

pytestmark = pytest.mark.anyio
WITHIN_S = 40.0
MOVED_WITHIN_S = 5.0
"""A client waits up to a second before it comes back. The rest is for a machine that does much else meanwhile."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Device:
    """A library that writes, and how long each of its moves took."""

    library: Library
    titles: list[str] = field(default_factory=list)
    moves_s: list[float] = field(default_factory=list)

    async def write(self, is_over: anyio.Event) -> None:
        while not is_over.is_set():
            self.titles.append(f"{id(self)}/{len(self.titles)}")
            await self.library.add_note("body", title=self.titles[-1])
            await anyio.sleep(0.1)

    async def follow(self) -> None:
        lost_s: float | None = None
        async for status in self.library.status_changes():
            if status.state is not State.CONNECTED:
                lost_s = lost_s or time.monotonic()
            elif lost_s is not None:
                self.moves_s.append(time.monotonic() - lost_s)
                lost_s = None


@contextmanager
def node_clients(relay: RelayProcess, each: int) -> Iterator[subprocess.Popen[str]]:
    """Run the clients of `web/test/moving.mjs`; they are in step and write when the block begins."""
    command = ["node", "test/moving.mjs", relay.url, "node-clients", str(each)]
    with subprocess.Popen(command, cwd=WEB, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> Any:
    out, _ = process.communicate("stop\n", timeout=WITHIN_S)
    return json.loads(out)


async def test_a_rolling_restart_moves_everybody_and_loses_nothing(
    tmp_path: Path, postgres_url: str, package: Package
) -> None:
    environment = {"CRDT_SYNC_SERVER_DATABASE_URL": postgres_url}
    with (
        RelayProcess(tmp_path / "relay", "--workers", "2", environment=environment) as relay,
        node_clients(relay, each=3) as node,
    ):
        async with AsyncExitStack() as stack:
            devices = []
            for number, way in enumerate(("websocket", "websocket", "polling", "polling")):
                opened = open_library(tmp_path / str(number), relay=relay.url, room="devices", transport=way)  # type: ignore[arg-type]
                device = Device(await stack.enter_async_context(opened))
                assert await device.library.synced(WITHIN_S)
                devices.append(device)
            is_over = anyio.Event()
            async with anyio.create_task_group() as following:
                for device in devices:
                    following.start_soon(device.follow)
                async with anyio.create_task_group() as writing:
                    for device in devices:
                        writing.start_soon(device.write, is_over)
                    relay.signal(signal.SIGHUP)
                    await anyio.to_thread.run_sync(relay.until_said, "restart state=done")
                    is_over.set()
                for device in devices:
                    assert await device.library.synced(WITHIN_S), device.library.status
                following.cancel_scope.cancel()
            with anyio.fail_after(WITHIN_S):
                every = sorted(title for device in devices for title in device.titles)
                for device in devices:
                    while sorted(note.title for note in await device.library.notes()) != every:  # noqa: ASYNC110
                        await anyio.sleep(0.02)
        told = await anyio.to_thread.run_sync(finish, node)
    assert told["written"] > 50
    assert set(told["holds"]) == {told["written"]}
    moves_s = {kind: [each / 1e3 for mover in told["movers"] if mover["kind"] == kind for each in mover["moves"]]
               for kind in ("websocket", "polling", "stock")}  # fmt: skip
    moves_s["engine"] = [each for device in devices for each in device.moves_s]
    print({kind: (len(each), round(max(each), 2)) for kind, each in moves_s.items()})
    for mover in told["movers"]:
        assert mover["kind"] == "polling" or mover["moves"], mover
        assert set(mover["closes"]) <= {1012}, mover
    for kind, each in moves_s.items():
        assert each, kind
        assert max(each) < MOVED_WITHIN_S, (kind, each)
    assert not any("Traceback" in line for line in relay.output)

"""A client that keeps what arrives and decodes it only afterwards, so that the relay and not the load is measured."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.wire import STEP_2, SYNC, Arrived, Room, whole_messages

DEFLATE = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
JOIN_WITHIN_S = 60.0
MAX_FRAME_BYTES = 256 * 1024 * 1024
FIRST_FRAMES = 16
FIRST_SILENCE_S = 0.6


class Client(WSListener):  # type: ignore[misc]  # picows has no stubs for its compiled classes
    """One connection. It offers compression, as browsers and node do; `frames` is (when, payload, rsv1, fin)."""

    def __init__(self) -> None:
        self.transport: WSTransport | None = None
        self.frames: list[tuple[float, bytes, bool, bool]] = []
        self.news = asyncio.Event()
        self.is_open = True
        self._before = 0
        self._since_s = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.is_open = False
        self.news.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in (WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self.frames.append((time.perf_counter(), frame.get_payload_as_bytes(), frame.rsv1, frame.fin))
            if len(self.frames) < FIRST_FRAMES:  # somebody waits for the first ones only
                self.news.set()

    def send(self, message: bytes) -> None:
        """Send one message."""
        assert self.transport is not None
        self.transport.send(WSMsgType.BINARY, message)

    def start_over(self) -> None:
        """Leave what came so far out of `messages` and `count`; it stays, as a compressed stream refers back to it."""
        self._before = len(self.frames)
        self._since_s = time.perf_counter()

    @property
    def count(self) -> int:
        """How many frames have come since."""
        return len(self.frames) - self._before

    def everything(self) -> Iterator[Arrived]:
        """Yield all that ever came, whole and inflated."""
        return whole_messages(self.frames)

    def messages(self) -> Iterator[Arrived]:
        """Yield what has come since, whole and inflated."""
        return ((at, message) for at, message in whole_messages(self.frames) if at >= self._since_s)


async def connect(url: str) -> Client:
    """Connect, and say nothing."""
    _, client = await ws_connect(
        Client,
        url,
        extra_headers=DEFLATE,
        max_frame_size=MAX_FRAME_BYTES,
        websocket_handshake_timeout=JOIN_WITHIN_S,
    )
    assert isinstance(client, Client)
    return client


async def join(room: Room) -> Client:
    """Connect, and return once the relay has answered step 1."""
    client = await connect(f"{room.url}/{room.name}")
    for message in room.hello():
        client.send(message)
    async with asyncio.timeout(JOIN_WITHIN_S):
        while not any((sync := room.sync(message)) and sync[0] == STEP_2 for _, message in client.messages()):
            if not client.is_open:
                raise ConnectionError(f"the relay closed a client that joined {room.name}")
            await client.news.wait()
            client.news.clear()
    return client


async def join_all(rooms: list[Room], *, at_once: int = 20) -> list[Client]:
    """Join each of `rooms`, a few at a time, a room's first client alone: one of the peers hangs at two at once."""
    gate = asyncio.Semaphore(at_once)
    joined: dict[int, Client] = {}

    async def one(number: int) -> None:
        async with gate:
            joined[number] = await join(rooms[number])

    first = {room: number for number, room in reversed(list(enumerate(rooms)))}
    await asyncio.gather(*(one(number) for number in first.values()))
    await asyncio.gather(*(one(number) for number in range(len(rooms)) if number not in joined))
    return [joined[number] for number in range(len(rooms))]


def update_message(room: Room, update: bytes) -> bytes:
    """Return the message that brings an update."""
    return room.message(SYNC, 2, update)


def start_timing() -> None:
    """Put aside what was made so far, and collect no garbage while the clock runs."""
    gc.collect()
    gc.freeze()
    gc.disable()


async def until(at_s: float) -> None:
    """Sleep until `at_s` of the clock of `time.perf_counter`; the event loop's timers count milliseconds."""
    if (wait := at_s - time.perf_counter()) > 0:
        await asyncio.sleep(wait)


class Progress:
    """Waits until all is there, and says how busy this process was until the last arrival."""

    def __init__(self, clients: list[Client]) -> None:
        self._clients = clients
        self._began, self._used = time.perf_counter(), time.process_time()
        self._last_s = self._began
        self._arrived = 0
        self.busy = 0.0

    async def until(self, is_complete: Callable[[], bool], deadline_s: float) -> bool:
        """Return whether `is_complete` before the clock passes `deadline_s`; it is asked only while nothing comes."""
        silence_s = FIRST_SILENCE_S
        while await self._until_silent(silence_s, deadline_s):
            if is_complete():
                return True
            silence_s *= 2
        return is_complete()

    async def _until_silent(self, silence_s: float, deadline_s: float) -> bool:
        while (now := time.perf_counter()) < deadline_s:
            arrived = sum(client.count for client in self._clients)
            if arrived != self._arrived:
                self._arrived, self._last_s = arrived, now
                self.busy = (time.process_time() - self._used) / max(now - self._began, 0.1)
            elif now - self._last_s > silence_s:
                return True
            await asyncio.sleep(0.1)
        return False

"""What an attacker has: a bare socket. And whom it must not hurt: two clients in a room of their own."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import psutil
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import Barrier, Message, SyncStep1, SyncStep2, SyncUpdate, decode, encode
from crdt_sync.protocol.update import EMPTY_UPDATE
from crdt_sync_server.stores.sqlite import SqliteStore
from tests.relay import RelayProcess

BINARY, TEXT, CLOSE, PING = 2, 1, 8, 9
NO_CODE = 1005
WITHIN_S = 20.0


class RawSocket:
    """A WebSocket by hand, which may say anything. It answers nothing by itself."""

    def __init__(self, port: int, path: str = "/room", *, source: str = "127.0.0.1", upgrade: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S, source_address=(source, 0))
        self._buffer = bytearray()
        self.close_code: int | None = None
        self.reason = ""
        if upgrade:
            self.upgrade(path)

    def upgrade(self, path: str) -> None:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self.socket.sendall(request.encode())
        while b"\r\n\r\n" not in self._buffer:
            data = self.socket.recv(65536)
            assert data, "the relay cut the handshake"
            self._buffer += data
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        assert b" 101 " in head, head
        self._buffer[:] = rest

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.frame(encode(message))

    def frame(self, payload: bytes, *, opcode: int = BINARY, fin: bool = True, announce: int | None = None) -> None:
        self.socket.sendall(frame(payload, opcode=opcode, fin=fin, announce=announce))

    def receive(self) -> bytes | None:
        """Return the next message, or None once the relay has closed or cut."""
        while (found := self._next()) is None:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._buffer += data
        opcode, payload = found
        if opcode == CLOSE:
            self.close_code = struct.unpack("!H", payload[:2])[0] if payload else NO_CODE
            self.reason = payload[2:].decode()
            return None
        return payload

    def hear(self, wanted: type[Message]) -> Any:
        while (payload := self.receive()) is not None:
            for message in decode(payload):
                if isinstance(message, wanted):
                    return message
        raise AssertionError(f"no {wanted.__name__}, but a close: {self.close_code} {self.reason}")

    def until_closed(self) -> int | None:
        """Read to the end and return the close code, None if the relay cut."""
        while self.receive() is not None:
            pass
        return self.close_code

    def sync(self) -> None:
        self.send(SyncStep1(b"\x00"), SyncStep2(EMPTY_UPDATE))
        self.hear(SyncStep2)

    def _next(self) -> tuple[int, bytes] | None:
        data = self._buffer
        if len(data) < 2:
            return None
        length, at = data[1] & 0x7F, 2
        if length >= 126:
            at = 4 if length == 126 else 10
            if len(data) < at:
                return None
            length = int.from_bytes(data[2:at], "big")
        if len(data) < at + length:
            return None
        payload, opcode = bytes(data[at : at + length]), data[0] & 0x0F
        del data[: at + length]
        return opcode, payload

    def __enter__(self) -> RawSocket:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()


def frame(payload: bytes, *, opcode: int = BINARY, fin: bool = True, announce: int | None = None) -> bytes:
    """Return a client's frame; the mask of four zeros leaves the payload as it is."""
    length = len(payload) if announce is None else announce
    head = bytes([opcode | (0x80 if fin else 0)])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65536:
        head += b"\xfe" + length.to_bytes(2, "big")
    else:
        head += b"\xff" + length.to_bytes(8, "big")
    return head + bytes(4) + payload


def update(key: str, value: object = 1) -> bytes:
    doc: Doc[Map[object]] = Doc()
    doc.get("m", type=Map)[key] = value
    return doc.get_update()


class Bystanders:
    """Two honest clients that write and read without pause, and remember how long each word took."""

    def __init__(self, relay: RelayProcess, *, every_s: float = 0.05) -> None:
        self._relay = relay
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None
        self.room = f"bystanders-{os.urandom(4).hex()}"
        self.written = 0
        self.slowest_s = 0.0

    def _run(self) -> None:
        try:
            with (
                RawSocket(self._relay.port, f"/{self.room}", source="127.0.0.77") as writer,
                RawSocket(self._relay.port, f"/{self.room}", source="127.0.0.77") as reader,
            ):
                writer.sync()
                reader.sync()
                while not self._stop.wait(self._every_s):
                    began = time.perf_counter()
                    writer.send(SyncUpdate(update(f"k{self.written}")), Barrier(self.written))
                    reader.hear(SyncUpdate)
                    assert writer.hear(Barrier).number == self.written
                    self.slowest_s = max(self.slowest_s, time.perf_counter() - began)
                    self.written += 1
        except BaseException as error:  # told to the test when it leaves the block
            self._error = error

    def __enter__(self) -> Bystanders:
        self._thread.start()
        until(lambda: self.written or self._error)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._stop.set()
        self._thread.join(2 * WITHIN_S)
        assert not self._thread.is_alive(), "the bystanders hang"
        if self._error is not None and kind is None:
            raise self._error
        assert kind is not None or self.written, "the bystanders wrote nothing"


def stored(data: Path, room: str) -> dict[str, Any]:
    """Return what the store of a stopped relay holds of a room."""

    async def load() -> list[bytes]:
        store = await SqliteStore.open(data / "relay.sqlite3", durability="full")
        try:
            return list((await store.load(room)).updates)
        finally:
            await store.close()

    doc: Doc[Any] = Doc()
    for each in anyio.run(load):
        doc.apply_update(each)
    return dict(doc.get("m", type=Map).to_py() or {})


def memory_bytes(relay: RelayProcess) -> int:
    return int(psutil.Process(relay.pid).memory_info().rss)


def client_sockets(pid: int) -> int:
    """Return how many TCP sockets a process holds open, but for those that listen.

    A socket that its peer has reset is in none of the system's tables any more, and counts until it is closed. Files do
    not count: the store keeps those of as many readers as it has had at a time.
    """
    process = Path(f"/proc/{pid}")
    listening, unix = "0A", {row[6] for row in _table(process / "net" / "unix")}
    tables = [*_table(process / "net" / "tcp"), *_table(process / "net" / "tcp6")]
    own = unix | {row[9] for row in tables if row[3] == listening}
    inodes = set()
    for each in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            kind, _, rest = os.readlink(each).partition(":[")
            if kind == "socket":
                inodes.add(rest.removesuffix("]"))
    return len(inodes - own)


def _table(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()[1:]]


def until(condition: Any, within_s: float = WITHIN_S) -> None:
    """Wait until something holds that the relay does in its own time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        threading.Event().wait(0.05)

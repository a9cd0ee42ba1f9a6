"""A WebSocket client that reads when it is told to and never else, so that a test can be a slow reader."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Request

from crdt_sync.protocol.messages import Message, decode, encode

WAIT_S = 20.0


class RawClient:
    """One connection; use it as a `with` block."""

    def __init__(self, port: int, room: str, *, receive_buffer_bytes: int | None = None) -> None:
        self._socket = socket.socket()
        if receive_buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.settimeout(WAIT_S)
        self._socket.connect(("127.0.0.1", port))
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._parts = bytearray()
        self._heard: list[Message] = []
        self.close_code: int | None = None
        self._socket.sendall(self._protocol.send(Request(host=f"127.0.0.1:{port}", target=f"/{room}")))
        self._accepted = False
        while not self._accepted:
            self._read()

    def say(self, *messages: Message) -> None:
        """Send each message in a frame of its own."""
        for message in messages:
            self.say_bytes(encode(message))

    def say_bytes(self, frame: bytes) -> None:
        """Send one frame."""
        self._socket.sendall(self._protocol.send(BytesMessage(frame)))

    def hear(self) -> Iterator[Message]:
        """Yield what arrives until the relay closes. Raises `TimeoutError` after 20 s of silence."""
        while True:
            heard, self._heard = self._heard, []
            yield from heard
            if self.close_code is not None:
                return
            if not self._heard:
                self._read()

    def _read(self) -> None:
        data = self._socket.recv(65536)
        self._protocol.receive_data(data or None)
        for event in self._protocol.events():
            match event:
                case AcceptConnection():
                    self._accepted = True
                case BytesMessage(data=part, message_finished=finished):
                    self._parts += part
                    if finished:
                        self._heard += decode(bytes(self._parts))
                        self._parts.clear()
                case Ping():
                    self._socket.sendall(self._protocol.send(event.response()))
                case CloseConnection(code=code):
                    self.close_code = code

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

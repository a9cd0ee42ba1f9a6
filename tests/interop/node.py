"""Drives the stock Yjs clients of `provider.mjs`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

INTEROP = Path(__file__).parent
WAIT_S = 15


class Stock:
    """One node process with any number of clients; `until` waits, bounded, for what a client will see."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, call: str, client: str, argument: object = None) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": call, "client": client, "argument": argument}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"{client}: {answer['error']}")
        return answer["result"]

    def open(self, client: str, url: str, room: str, **options: object) -> None:
        self.call("open", client, {"url": url, "room": room, **options})

    def set(self, client: str, values: dict[str, object], root: str = "m") -> None:
        self.call("set", client, {"map": root, "values": values})

    def until(self, client: str, *, seconds: float = WAIT_S, **wanted: object) -> dict[str, Any]:
        seen: dict[str, Any] = self.call("until", client, {"wanted": wanted, "seconds": seconds})
        return seen

    def see(self, client: str) -> dict[str, Any]:
        seen: dict[str, Any] = self.call("see", client)
        return seen


@contextmanager
def stock_clients(*arguments: str) -> Iterator[Stock]:
    """Start node; it ends with the block."""
    process = subprocess.Popen(
        ["node", "provider.mjs", *arguments], cwd=INTEROP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield Stock(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                raise

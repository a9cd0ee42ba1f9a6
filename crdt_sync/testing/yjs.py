"""Replicas in real Yjs: node behind a pipe, with the Yjs of your own `node_modules`."""

from __future__ import annotations

import json
import subprocess
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crdt_sync.errors import CrdtSyncError
from crdt_sync.testing.model import Edit, Model

__all__ = ["NodeError", "Yjs"]

_DRIVER = Path(__file__).with_name("twins") / "driver.mjs"


class NodeError(CrdtSyncError):
    """Node could not be started, or the module threw; the message holds what it said."""


class Yjs:
    """An `OpenReplica` whose documents live in node. One process serves all of them.

    `module` is the path of a JavaScript module that exports `apply(Y, doc, edit)` and `read(Y, doc)`, the twins of
    your model's functions; it takes Yjs from its first parameter and need not import it. `packages` is a folder with
    `node_modules/yjs`, or one below it; by default that of the module.
    """

    def __init__(self, module: str | Path, *, packages: str | Path | None = None) -> None:
        self._module = Path(module).resolve()
        self._packages = Path(packages).resolve() if packages is not None else self._module.parent
        self._process: subprocess.Popen[str] | None = None

    def __repr__(self) -> str:
        """Return the code that makes it."""
        return f"Yjs({str(self._module)!r}, packages={str(self._packages)!r})"

    def __call__(self, model: Model, updates: Sequence[bytes], client_id: int) -> _YjsReplica:
        """See `OpenReplica`. Raises `NodeError`."""
        handle = self.call("open", [update.hex() for update in updates], client_id)
        return _YjsReplica(self, handle)

    def call(self, name: str, *arguments: object) -> Any:
        """Call into node. Raises `NodeError`."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps([name, *arguments]) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError as error:
            raise NodeError(f"node has stopped: {error}") from error
        if not line:
            raise NodeError(f"node has stopped; is there a node_modules/yjs in or above {self._packages}?")
        answer = json.loads(line)
        if "error" in answer:
            raise NodeError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """End the process; the next call starts a new one."""
        if self._process is not None:
            self._process = None
            self._end()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            command = ["node", str(_DRIVER), str(self._module), str(self._packages)]
            try:
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
            except OSError as error:
                raise NodeError(f"node could not be started; install node 20 or later ({error})") from error
            self._process = process
            self._end = weakref.finalize(self, _end, process)
        return self._process


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


class _YjsReplica:
    def __init__(self, node: Yjs, handle: int) -> None:
        self._node = node
        self._handle = handle

    def edit(self, edit: Edit) -> bytes | None:
        return _bytes(self._node.call("edit", self._handle, edit))

    def take(self, update: bytes) -> bytes | None:
        return _bytes(self._node.call("take", self._handle, update.hex()))

    def state_vector(self) -> bytes:
        return bytes.fromhex(self._node.call("stateVector", self._handle))

    def diff(self, state_vector: bytes) -> bytes:
        return bytes.fromhex(self._node.call("diff", self._handle, state_vector.hex()))

    def read(self) -> Any:
        return self._node.call("read", self._handle)

    def close(self) -> None:
        self._node.call("close", self._handle)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)

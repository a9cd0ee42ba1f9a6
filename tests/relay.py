"""The relay as a real process: started, killed and started again on the same port and data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

STOP_WITHIN_S = 20


class RelayProcess:
    """`crdt-sync-server serve` in a process of its own. Use it in a `with` block."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        command: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._data = data
        self._environment = environment or {}
        self._arguments = arguments
        self._command = command or (sys.executable, "-m", "crdt_sync_server", "serve")
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.port = 0
        self.output: list[str] = []

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Return once the relay listens."""
        command = [*self._command, "--port", str(self.port), "--data", str(self._data), *self._arguments]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **self._environment},
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output.append(line)
            if found := re.search(r"://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise AssertionError("the relay did not start:\n" + "".join(self.output))
        self._reader = threading.Thread(target=self.output.extend, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def until_said(self, words: str, *, times: int = 1, within_s: float = 30.0) -> None:
        """Wait until so many lines of its output hold `words`."""
        deadline = time.monotonic() + within_s
        while sum(words in line for line in self.output) < times:
            assert time.monotonic() < deadline, f"never said {words!r}:\n" + "".join(self.output)
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill_if_running(self) -> None:
        """kill -9, if it was not killed already."""
        if self._process is not None:
            self.kill()

    def restart(self) -> None:
        """SIGTERM, and start it again on the same port and data."""
        self.terminate()
        self.start()

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._finish()

    def terminate(self) -> int:
        """SIGTERM; return the exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._finish()

    def wait(self) -> int:
        """Wait until it has ended by itself; return the exit status."""
        return self._finish()

    def _finish(self) -> int:
        assert self._process is not None
        assert self._reader is not None
        try:
            status = self._process.wait(STOP_WITHIN_S)
        finally:
            self._process.kill()
            self._reader.join(STOP_WITHIN_S)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process.wait()
        self._process = None
        return status

    def __enter__(self) -> RelayProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            status = self.terminate()
            assert kind is not None or status == 0, "".join(self.output)

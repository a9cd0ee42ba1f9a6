"""The load as a process on a core of its own, whose reports are lines of JSON, and the relay's memory watched."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from benchmarks.common import LOAD_CORE, pin

SAMPLE_EVERY_S = 0.05


class LoadFailed(Exception):
    """The load ended with an error, or said nothing within its time."""


class LoadProcess:
    """A running load. It says what it has to say in lines of JSON, and may wait for `go` between its phases."""

    def __init__(self, process: subprocess.Popen[str], errors: list[str]) -> None:
        self._process = process
        self._errors = errors
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def report(self, within_s: float) -> dict[str, Any]:
        """Return the next report. Raises `LoadFailed` if none comes within `within_s`."""
        try:
            line = self._lines.get(timeout=within_s)
        except queue.Empty:
            raise LoadFailed(f"no report within {within_s:.0f} s") from None
        if not line:
            self._process.wait(10)
            raise LoadFailed("".join(self._errors)[-2000:] or "it ended without a report")
        report: dict[str, Any] = json.loads(line)
        return report

    def go(self) -> None:
        """Let it go on to its next phase."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()


@contextmanager
def loading(module: str, spec: object) -> Iterator[LoadProcess]:
    """Run `python -m benchmarks.<module> SPEC` on the load's core; it ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", json.dumps(spec)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=pin(LOAD_CORE),
    )
    errors: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        yield LoadProcess(process, errors)
    finally:
        process.kill()
        process.wait()
        reader.join(5)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


class Watch:
    """Samples the memory of a relay, and ends it at a bound before it takes the machine with it."""

    def __init__(self, process: psutil.Process, limit_mb: float | None) -> None:
        self._process = process
        self._limit_mb = limit_mb
        self._stop = threading.Event()
        self.peak_mb = 0.0
        self.exceeded = False
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_EVERY_S):
            try:
                used_mb = self._process.memory_info().rss / 1e6
                self.peak_mb = max(self.peak_mb, used_mb)
                if self._limit_mb is not None and used_mb > self._limit_mb:
                    self.exceeded = True
                    self._process.kill()
                    return
            except psutil.Error:
                return

    def stop(self) -> None:
        """End the sampling."""
        self._stop.set()
        self._thread.join()


@contextmanager
def watched(process: psutil.Process, limit_mb: float | None = None) -> Iterator[Watch]:
    """Watch a relay's memory while the block lasts."""
    watch = Watch(process, limit_mb)
    try:
        yield watch
    finally:
        watch.stop()

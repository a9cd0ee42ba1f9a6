"""A real Redis or Valkey server of a test's own, which can be killed, brought back, flushed and filled."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

START_WITHIN_S = 20.0
PASSWORD = "a secret/with?odd#characters"


def program() -> str:
    """Return the path of the server. Without one the test is skipped on a developer's machine, and fails elsewhere."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        words = "neither valkey-server nor redis-server is installed: `make system`"
        assert os.environ.get("CI") != "true", words
        pytest.skip(words)
    return found


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens now."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


class RedisServer:
    """Use it in a `with` block. It keeps its port over `kill` and `start`, and nothing of its data unless `keeps`."""

    def __init__(self, folder: Path, *options: str, keeps: bool = False, tls: tuple[Path, Path] | None = None) -> None:
        """`tls` is a certificate and its key."""
        self.port = free_port()
        self._tls = tls
        self._tls_port = free_port()
        self._folder = folder
        self._options = options
        self._keeps = keeps
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def tls_url(self) -> str:
        return f"rediss://127.0.0.1:{self._tls_port}/0"

    @property
    def pid(self) -> int:
        """The number of its first process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Run it, and return when it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program(), *self._arguments()],
                stdout=log,
                stderr=log,
            )
        deadline_s = time.monotonic() + START_WITHIN_S
        while not self._is_ready():
            assert self._process.poll() is None, (self._folder / "redis.log").read_text()
            assert time.monotonic() < deadline_s, "the server did not start in time"
            time.sleep(0.01)

    def kill(self) -> None:
        """Let it die at once, as of `kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(START_WITHIN_S)

    def __call__(self, *command: object) -> Any:
        """Run a command on it."""
        with self.client() as client:
            return client.execute_command(*command)

    @contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """Give a client of the program's own."""
        retry = Retry(NoBackoff(), 0)
        client = redis.Redis(port=self.port, protocol=2, socket_timeout=START_WITHIN_S, retry=retry)
        with closing(client):
            yield client

    def traffic(self) -> int:
        """Return how many bytes have gone in and out of it."""
        with self.client() as client:
            stats: Any = client.info("stats")
        return int(stats["total_net_input_bytes"]) + int(stats["total_net_output_bytes"])

    @property
    def version(self) -> str:
        with self.client() as client:
            server: Any = client.info("server")
        return str(server["redis_version"])

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.kill()

    def _arguments(self) -> Iterator[str]:
        yield from ("--port", f"{self.port}", "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", "")
        yield from ("--appendonly", "yes" if self._keeps else "no", "--appendfsync", "always")
        yield from ("--repl-diskless-sync-delay", "0")
        if self._tls is not None:
            yield from ("--tls-port", f"{self._tls_port}", "--tls-auth-clients", "no")
            yield from ("--tls-cert-file", str(self._tls[0]), "--tls-key-file", str(self._tls[1]))
        yield from self._options

    def _is_ready(self) -> bool:
        try:
            with self.client() as client:
                client.ping()
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False
        return True

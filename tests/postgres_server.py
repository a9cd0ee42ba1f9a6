"""A real PostgreSQL server of Debian's packages, on a folder of its own, a unix socket and a free port.

The fixture `postgres` is one server for all tests, `postgres_url` a database of each. A test that kills or stops the
server starts one of its own: `with PostgresServer() as server:`.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

PASSWORD = "a p@ssword/that?nobody#guesses"
START_WITHIN_S = 60
RUN_AS = "postgres"
"""Who the server runs as where the tests run as root: it refuses to be root."""


def binaries() -> Path | None:
    """Return where the newest server's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    program = shutil.which("postgres")
    return Path(program).parent if program else None


class PostgresServer:
    """One server. It starts with the `with` block, and what it has written goes with it."""

    def __init__(self, **settings: str) -> None:
        programs = binaries()
        if programs is None:
            message = "these tests need a PostgreSQL server: `make system` finds or installs it (Debian: postgresql)"
            pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
        self._programs = programs
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="crdt-sync-postgres-"))
        self._databases = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam(RUN_AS)
            self._identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        self.port = _free_port()

    def __enter__(self) -> PostgresServer:
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._folder)

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self._folder / "data"

    @property
    def pid(self) -> int:
        """The number of its first process."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str, *, user: str = "postgres", password: str = PASSWORD, port: int | None = None) -> str:
        """Return the URL of a database over TCP, with its password; `port` may be that of a proxy."""
        return psycopg.conninfo.make_conninfo(
            host="127.0.0.1", port=port or self.port, dbname=database, user=user, password=password
        )

    def create(self, template: str = "template1") -> str:
        """Make a database and return its name."""
        name = f"test_{next(self._databases)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def run(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the administrator, over the socket; return the rows of the last."""
        with psycopg.connect(
            host=str(self._folder), port=self.port, dbname=database, user="postgres", autocommit=True
        ) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start it, also after a `kill` or `stop`, and wait until it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
            "shared_buffers": "32MB",
            "max_connections": "60",
            "log_min_messages": "fatal",
            **self._settings,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [self._programs / "postgres", "-D", self.data, *flags]
        with (self._folder / "log").open("ab") as log_file:
            self._process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=log_file, cwd=self._folder, **self._identity
            )
        give_up = time.monotonic() + START_WITHIN_S
        while True:
            try:
                self.run("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > give_up:
                    log = (self._folder / "log").read_text(errors="replace")
                    raise AssertionError(f"the server did not start: {log}") from error
                time.sleep(0.02)  # it has no other way to say that it is ready

    def kill(self) -> None:
        """End all of its processes at once, with SIGKILL, as a machine that fails does."""
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        postmaster.suspend()  # or it would start others, or end the rest with less violence
        every = [*postmaster.children(recursive=True), postmaster]
        for each in every:
            each.kill()
        self._process.wait()
        psutil.wait_procs(every, timeout=START_WITHIN_S)
        self._process = None

    def stop(self) -> None:
        """End it in order, cutting off who is connected."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(START_WITHIN_S)
        self._process = None

    def pause(self) -> None:
        """Let none of its processes run: connections stay, and nothing is answered."""
        for each in self._all():
            each.suspend()

    def resume(self) -> None:
        """Let them run again."""
        for each in self._all():
            each.resume()

    def _all(self) -> list[psutil.Process]:
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def _initialise(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if self._identity:
            os.chown(password, self._identity["user"], self._identity["group"])
        version = int(self._programs.parts[-2]) if self._programs.parts[-2].isdecimal() else 0
        # a language's order, which is not the bytes': the adapter must say what it wants
        collation = ["--locale-provider=icu", "--icu-locale=en-US"] if version >= 15 else []
        command = [
            self._programs / "initdb", "--pgdata", self.data, "--username=postgres", "--encoding=UTF8",
            "--locale=C.UTF-8", *collation, "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile", password,
            "--data-checksums", "--no-sync", "--no-instructions",
        ]  # fmt: skip
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, timeout=START_WITHIN_S, cwd=self._folder, **self._identity
        )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    name = postgres.create()
    yield postgres.url(name)
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")

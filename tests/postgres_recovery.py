"""Real PostgreSQL servers made from another: a standby that follows it, and one that is put back to a moment."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.postgres_server import START_WITHIN_S, PostgresServer


class Copied(PostgresServer):
    """A server on a copy of another's data. `other` must run."""

    def __init__(self, other: PostgresServer, *options: str, **settings: str) -> None:
        super().__init__(**settings)
        self._other = other
        self._options = options

    def run_program(self, program: str, *arguments: str | Path) -> None:
        """Run one of the server's programs, as the user whom its files belong to."""
        command = [self._programs / program, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=START_WITHIN_S, cwd=self._folder, **self._identity
        )
        assert done.returncode == 0, done.stderr

    def _initialise(self) -> None:
        url = self._other.url("postgres")
        self.run_program(
            "pg_basebackup", "--dbname", url, "--pgdata", self._folder / "data", "--checkpoint=fast", *self._options
        )


class Standby(Copied):
    """A server that follows `other` until it is promoted. What the other commits does not wait for it."""

    def __init__(self, other: PostgresServer) -> None:
        super().__init__(other, "--write-recovery-conf", "--wal-method=stream")

    def catch_up(self) -> None:
        """Return when it has all that the other has committed."""
        give_up = time.monotonic() + START_WITHIN_S
        while self._other.run("SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication") != [(True,)]:
            assert time.monotonic() < give_up
            time.sleep(0.02)

    def promote(self) -> None:
        """Let it be a server of its own, and return when it takes edits."""
        self.run("SELECT pg_promote(true)")

    def stop_following(self) -> None:
        """Receive nothing more of what the other commits, as one does that is cut off or slow."""
        self.run("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
        give_up = time.monotonic() + START_WITHIN_S
        while self.run("SELECT 1 FROM pg_stat_wal_receiver"):
            assert time.monotonic() < give_up
            time.sleep(0.02)


class Recovered(Copied):
    """A base backup of `other`, at rest until `restore`. `archive` is where the other brings its log."""

    def __init__(self, other: PostgresServer, archive: Path) -> None:
        super().__init__(other, "--wal-method=none")
        self._archive = archive

    def __enter__(self) -> Recovered:
        self._initialise()
        return self

    def restore(self, lines: str) -> None:
        """Take the place of the other, which must be stopped, as of the moment that these lines of settings say."""
        self.port = self._other.port
        data = self._folder / "data"
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(lines)
        (data / "recovery.signal").touch()
        self.start()
        give_up = time.monotonic() + START_WITHIN_S
        while self.run("SELECT pg_is_in_recovery()") != [(False,)]:
            assert time.monotonic() < give_up
            time.sleep(0.02)

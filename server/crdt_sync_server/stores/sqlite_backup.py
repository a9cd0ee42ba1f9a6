"""Copies of the relay's file: a backup while it runs, and the way back when it does not.

A backup is SQLite's own online copy, read in one transaction: the store as of one commit. It is made by whoever asks,
in a process of its own, so that the relay has no part in it but the disk.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from crdt_sync_server.errors import StoreError
from crdt_sync_server.stores import sqlite_rows as rows
from crdt_sync_server.stores.sqlite_devices import keep_devices
from crdt_sync_server.stores.sqlite_file import check_ours, connect, hold, prepare, transaction, translate
from crdt_sync_server.stores.sqlite_members import keep_members
from crdt_sync_server.stores.sqlite_tokens import keep_revocations
from crdt_sync_server.stores.sqlite_webhooks import keep_webhooks

__all__ = ["Copied", "back_up", "restore"]

_SIDE_FILES = ("-wal", "-shm")
_LOGS = ("-wal", "-journal")
"""What SQLite plays back into the file that it lies beside, whichever that is."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds: its rooms and their bytes, tombstones, and where the file that it replaced is kept, if any."""

    rooms: int
    size_bytes: int
    tombstones: int
    replaced: Path | None = None


def back_up(source: Path, target: Path) -> Copied:
    """Copy the store to `target`, which must not be there. It appears whole and checked, or not at all.

    Raises `StoreError`.
    """
    if not source.exists():
        raise StoreError(f"there is no store at {source}")
    if target.exists():
        raise StoreError(f"{target} is there already; name another file")
    part = target.with_name(f"{target.name}.part")
    try:
        with closing(connect(source)) as connection:
            _check_source(connection, source)
            _copy(connection, part)
        part.chmod(0o600)
        with closing(connect(part)) as copy:
            copied = _checked(copy, part)
        _sync(part)
        part.rename(target)
        _sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise translate(error, target) from error
    finally:
        part.unlink(missing_ok=True)
    return copied


def restore(backup: Path, database: Path) -> Copied:
    """Put `backup` in the place of the store, which no process may have. The replaced file is kept beside it.

    What was deleted stays deleted: the tombstones of both are in the result, and nothing of their rooms. What was
    revoked stays revoked; who is in which room, which devices were seen, and which webhooks there are, stays as it was.
    Raises `StoreError`, and `StoreInUse` while a relay runs; the store is then as it was.
    """
    if not backup.exists():
        raise StoreError(f"there is no backup {backup}")
    part = database.with_name(f"{database.name}.restoring")
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        lock = hold(database)
    except (sqlite3.Error, OSError) as error:
        raise translate(error, database) from error
    try:
        with closing(lock):
            if not database.exists():
                _check_no_log(database)
            part.unlink(missing_ok=True)
            with closing(connect(backup)) as connection:
                if not _check_source(connection, backup):
                    raise StoreError(f"{backup} is no backup of a relay")
                _copy(connection, part)
            with closing(connect(part)) as copy:
                if database.exists():
                    _keep_ends(copy, database)
                copied = _checked(copy, part)
            part.chmod(0o600)
            replaced = _keep(database, part) if database.exists() else None
            _sync(part)
            part.replace(database)
            _sync(database.parent)
    except (sqlite3.Error, OSError) as error:
        raise translate(error, backup) from error
    finally:
        for name in ("", *_SIDE_FILES):
            part.with_name(part.name + name).unlink(missing_ok=True)
    return Copied(copied.rooms, copied.size_bytes, copied.tombstones, replaced)


def _check_source(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of what is to be copied. Raises `StoreError`, which names it and not where the copy goes."""
    try:
        return check_ours(connection, path)
    except sqlite3.Error as error:
        raise translate(error, path) from error


def _check_no_log(database: Path) -> None:
    """Raise `StoreError` if the log of a store that was moved away was left behind."""
    for suffix in _LOGS:
        log = database.with_name(database.name + suffix)
        if log.exists():
            raise StoreError(f"{log} belongs to a store that is not here any more; move it to where that is")


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    target.unlink(missing_ok=True)  # of a copy that was cut off
    with closing(connect(target)) as copy:
        connection.backup(copy)


def _checked(copy: sqlite3.Connection, path: Path) -> Copied:
    """Bring the copy to this version, in one file and without waste, and say what it holds.

    Raises `StoreError` if it is not sound.
    """
    prepare(copy, path)
    with transaction(copy):
        while rows.sweep(copy):
            pass
    copy.execute("PRAGMA journal_mode = DELETE")
    (word,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if word != "ok":
        raise StoreError(f"the copy {path} is not sound: {word}")
    row = copy.execute("SELECT count(*) - count(deleted_ms), coalesce(sum(bytes), 0), count(deleted_ms) FROM rooms")
    return Copied(*row.fetchone())


def _keep_ends(copy: sqlite3.Connection, database: Path) -> None:
    """Carry over what was deleted since the backup, what was revoked, who is in which room, and the webhooks."""
    prepare(copy, database)
    with closing(connect(database)) as old:
        try:
            prepare(old, database)
            with transaction(copy):
                keep_revocations(copy, old)
                keep_members(copy, old)
                keep_webhooks(copy, old)
                keep_devices(copy, old)
            deleted = old.execute("SELECT room, owner, deleted_ms FROM rooms WHERE deleted_ms IS NOT NULL").fetchall()
            old.execute("PRAGMA journal_mode = DELETE")  # its last commits must not lie in a file beside it
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"what was deleted, which tokens were revoked, who is in which room and which webhooks there are "
                f"cannot be read from {database} ({error}); move it away yourself, and all that will be as it is in "
                "the backup"
            ) from error
    with transaction(copy):
        for room, owner, deleted_ms in deleted:
            rows.bury(copy, room, owner, deleted_ms)


def _keep(database: Path, like: Path) -> Path:
    """Give the store a second name that says when, and `like` its owner and mode; the first name is never free."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    aside = database.with_name(f"{database.name}.replaced-{stamp}")
    try:
        aside.hardlink_to(database)
    except OSError:  # a file system without links
        shutil.copy2(database, aside)
    status = database.stat()
    like.chmod(status.st_mode)
    with suppress(OSError, AttributeError):
        os.chown(like, status.st_uid, status.st_gid)
    return aside


def _sync(path: Path) -> None:
    """Wait until the file, or the names in the folder, are on the disk."""
    with suppress(OSError):  # Windows opens no folder
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

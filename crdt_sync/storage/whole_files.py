"""Writes a file whole or not at all, and never over another one unless that is asked for."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from crdt_sync.errors import StorageError

__all__ = ["check_free", "put_in_place", "write_whole"]


def check_free(path: Path) -> None:
    """Raise `StorageError` if there is something at `path`."""
    if path.exists():
        raise StorageError(f"{path} is there already, and nothing is written over it; name another file")


def write_whole(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write `data` to `path`, durably. Raises `OSError`, and `StorageError` if it is there and not to be replaced."""
    if not replace:
        check_free(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(draft, path, replace=replace)
    finally:
        draft.unlink(missing_ok=True)


def put_in_place(draft: Path, path: Path, *, replace: bool = False) -> None:
    """Give `draft`, which is on the same disk, the name `path`, at once."""
    if replace:
        draft.replace(path)
    else:
        try:
            os.link(draft, path)  # fails if the name is taken, which a rename would not
        except FileExistsError:
            check_free(path)
        except OSError:  # a disk without hard links, as a USB stick often is
            check_free(path)
            draft.rename(path)
    with suppress(OSError):  # a system where a folder cannot be flushed
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

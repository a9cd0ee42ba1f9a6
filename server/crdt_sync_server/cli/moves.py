"""`crdt-sync-server move-to-postgres`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crdt_sync_server.cli.options import Json, with_settings
from crdt_sync_server.cli.output import as_json, console, counted, size
from crdt_sync_server.settings import Effective
from crdt_sync_server.wiring_stores import move_to_postgres

__all__ = ["move_command"]

LARGE_BYTES = 32 * 1024 * 1024
"""From here on a terminal is shown how far it is."""
COUNTED = ("members", "invitations", "audit", "tokens", "devices", "webhooks")


@with_settings("data")
def move_command(settings: Effective, json: Json = False) -> None:
    """Copy the store in the data folder into the empty database of `database-url`; the relay must be stopped.

    The file is checked first and stays as it is. All of it is in the database in the end, or nothing.
    """
    started_s = time.monotonic()
    file = settings.config.database
    with _progress(file.stat().st_size if file.exists() else 0) as told:
        moved = asyncio.run(move_to_postgres(settings.config, told))
    seconds = time.monotonic() - started_s
    if json:
        found = {"rooms": moved.rooms, "size_bytes": moved.size_bytes, "tombstones": moved.tombstones}
        others = {table: moved.rows[table] for table in COUNTED}
        as_json({"file": str(file), "to": moved.where, **found, **others, "seconds": round(seconds, 3)})
        return
    words = [counted(moved.rows[table], table.removesuffix("s")) for table in COUNTED if table != "audit"]
    words.insert(2, counted(moved.rows["audit"], "line") + " of the audit")
    line = f"{counted(moved.rooms, 'room')}, {size(moved.size_bytes)}, {counted(moved.tombstones, 'tombstone')}"
    console().print(f"{line}, {', '.join(words)}", soft_wrap=True)
    console().print(f"all of {file} is in PostgreSQL at {moved.where}, after {seconds:.1f} s", soft_wrap=True)


@contextmanager
def _progress(size_bytes: int) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on the terminal while much is copied, if there is one."""
    from rich.console import Console
    from rich.progress import Progress

    shown = Console(stderr=True)
    with Progress(console=shown, transient=True, disable=not shown.is_terminal or size_bytes < LARGE_BYTES) as progress:
        bar = progress.add_task("checking and copying", total=None)
        yield lambda sent_bytes, of_bytes: progress.update(bar, completed=sent_bytes, total=of_bytes)

"""`crdt-sync-server backup` and `restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crdt_sync_server.cli.options import Json, with_settings
from crdt_sync_server.cli.output import as_json, console, counted, size
from crdt_sync_server.settings import Effective
from crdt_sync_server.wiring_stores import back_up, restore

__all__ = ["backup_command", "restore_command"]


@with_settings("data")
def backup_command(
    settings: Effective,
    file: Annotated[Path, typer.Argument(help="Where the copy goes; it must not be there.", show_default=False)],
    json: Json = False,
) -> None:
    """Copy the store as of one moment, while the relay runs or not. The copy is checked before it gets its name."""
    copied = back_up(settings.config, file)
    if json:
        as_json({"file": str(file), "rooms": copied.rooms, "size_bytes": copied.size_bytes})
        return
    console().print(f"{file}: {counted(copied.rooms, 'room')}, {size(copied.size_bytes)}", soft_wrap=True)


@with_settings("data")
def restore_command(
    settings: Effective,
    file: Annotated[Path, typer.Argument(help="A file that `backup` has written.", show_default=False)],
    json: Json = False,
) -> None:
    """Put a backup in the place of the store; the relay must be stopped. What was deleted since stays deleted.

    The replaced file is kept beside the new one. Devices that connect afterwards bring back what the backup lacks.
    """
    copied = restore(settings.config, file)
    if json:
        replaced = None if copied.replaced is None else str(copied.replaced)
        as_json({"rooms": copied.rooms, "size_bytes": copied.size_bytes, "replaced": replaced})
        return
    kept = f"; the replaced store is kept as {copied.replaced}" if copied.replaced else ""
    line = f"restored {counted(copied.rooms, 'room')}, {size(copied.size_bytes)}{kept}"
    console().print(line, soft_wrap=True)

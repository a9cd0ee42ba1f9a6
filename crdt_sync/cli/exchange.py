"""Edits in a file, where no network reaches: `crdt-sync export-updates`, `apply-updates`, `state-vector`."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated

import typer

from crdt_sync import Library
from crdt_sync.cli.output import as_json, console
from crdt_sync.cli.running import DEFAULT, Json, LibraryPath, with_library
from crdt_sync.errors import RemoteProtocolError, UnreadableExport
from crdt_sync.protocol.exchange import MAGIC, MAX_EXPORT_BYTES, decode_export
from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.storage.whole_files import check_free, write_whole

__all__ = ["app"]

app = typer.Typer()


@app.command("export-updates")
def export_updates(
    file: Annotated[Path, typer.Argument(help="The file to write, on a USB stick for instance.")],
    since: Annotated[
        str | None,
        typer.Option(
            help="Only what the other device lacks: a file that it exported, or what `state-vector` printed there."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Write the library's edits into a file that another device takes with `apply-updates`. Without --since, all.

    The file has the whole content that the other device lacks, unencrypted.
    """

    async def call(opened: Library) -> None:
        if not force:
            check_free(file)
        data = await opened.export_updates(b"\x00" if since is None else _state_vector(since))
        write_whole(file, data, replace=force)
        count = len(decode_export(data).updates)
        if json:
            as_json({"file": str(file), "bytes": len(data), "updates": count})
        else:
            console.print(
                f"{file} has {len(data):,} bytes. On the other device: crdt-sync apply-updates", soft_wrap=True
            )

    with_library(library, call)


@app.command("apply-updates")
def apply_updates(
    file: Annotated[Path, typer.Argument(help="A file that another device exported.")],
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Take what another device exported, all or nothing. Taking it twice is harmless."""

    async def call(opened: Library) -> None:
        anything = await opened.apply_updates(_read(file))
        if json:
            as_json({"new": anything, "pending": opened.status.pending})
        else:
            console.print("It is in." if anything else "There was nothing new in it.")

    with_library(library, call)


@app.command("state-vector")
def state_vector(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Print what this library has, for --since of another device. It holds numbers alone and no content."""

    async def call(opened: Library) -> None:
        text = base64.b64encode(await opened.state_vector()).decode()
        as_json({"state_vector": text}) if json else print(text)

    with_library(library, call)


def _read(file: Path) -> bytes:
    if file.stat().st_size > MAX_EXPORT_BYTES:
        raise UnreadableExport(f"{file} has more than {MAX_EXPORT_BYTES} bytes; export less, with --since")
    return file.read_bytes()


def _state_vector(since: str) -> bytes:
    """Return the state vector that a file, a file of base64, or base64 itself gives."""
    path = Path(since)
    text: str | bytes = since
    if len(since) < 4096 and path.is_file():
        text = _read(path)
        if text.startswith(MAGIC):
            return decode_export(text).vector
    try:
        vector = base64.b64decode(text.strip(), validate=True)
        decode_state_vector(vector)
    except (binascii.Error, ValueError, RemoteProtocolError):
        raise UnreadableExport(
            f"--since {since[:60]!r} is neither a file of updates nor what `crdt-sync state-vector` prints"
        ) from None
    return vector

"""Looking after the file: `crdt-sync compact`, `verify`, `repair`, `rescued`, `devices`, `sign-out`."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from crdt_sync import Highlight, Library, Note
from crdt_sync import upkeep as files
from crdt_sync.cli.output import as_json, console, counted, highlight_value, moment, note_value, plain
from crdt_sync.cli.running import DEFAULT, Json, LibraryPath, run, with_library
from crdt_sync.cli.settings import Settings
from crdt_sync.errors import LibraryDamaged

__all__ = ["app"]

NAMED_ITEMS = 20
"""How many unsynced items are named before `sign-out --wipe` asks."""

app = typer.Typer()


@app.command()
def compact(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Put the library's log together and give disk space back. It happens by itself, but for the disk space."""

    async def call(opened: Library) -> None:
        done = await opened.compact()
        if json:
            as_json(asdict(done))
        else:
            console.print(f"{done.bytes_before:,} bytes before, {done.bytes_after:,} bytes now.")

    with_library(library, call)


@app.command()
def verify(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Check that the whole file is as it was written. Status 1 and one line for each finding if it is not."""

    async def call(opened: Library) -> None:
        await opened.verify()

    try:
        with_library(library, call, caught=LibraryDamaged)
    except LibraryDamaged as error:
        if json:
            as_json({"sound": False, "findings": error.findings})
        for finding in error.findings:
            typer.echo(f"crdt-sync: {finding}", err=True)
        typer.echo("crdt-sync: make a new file of what can be read with: crdt-sync repair FILE --into NEW", err=True)
        raise typer.Exit(1) from None
    as_json({"sound": True, "findings": []}) if json else console.print("The library is sound.")


@app.command()
def repair(
    damaged: Annotated[Path, typer.Argument(help="The damaged file. It is only read, and stays as it is.")],
    into: Annotated[Path, typer.Option(help="The new library. It must not be there yet.")],
    any_version: Annotated[
        bool, typer.Option("--any-version", help="Read a file that says that a newer version made it.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a new library of all that can still be read of a damaged one."""

    async def call() -> None:
        done = files.repair(damaged, into, any_version=any_version)
        settings = Settings.file_of(damaged)
        if settings.exists() and not Settings.file_of(into).exists():
            Settings.load(damaged).save(into)
        if json:
            as_json(asdict(done))
            return
        for line in _report(done, into):
            console.print(line, soft_wrap=True)

    run(call)


@app.command()
def rescued(
    library: LibraryPath = DEFAULT,
    take: Annotated[
        bool, typer.Option("--take", help="Write those that the library lacks into it. Sync first.")
    ] = False,
    json: Json = False,
) -> None:
    """List what a repair found outside the log: what the library lacks, or has otherwise."""

    async def call(opened: Library) -> None:
        taken = await opened.take_rescued() if take else ()
        kept = await opened.rescued()
        if json:
            as_json(
                {
                    "taken": taken,
                    "rescued": [{"item": _value(each.item), "now": each.now and _value(each.now)} for each in kept],
                }
            )
            return
        if take:
            console.print(f"Written into the library: {counted(len(taken), 'item')}.")
        for each in kept:
            state = "missing " if each.now is None else "differs "
            console.print(state + _line(each.item), soft_wrap=True)

    with_library(library, call)


@app.command()
def devices(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Say who wrote into the library, as far as it can be known. A device has no name of its own in it."""

    async def call(opened: Library) -> None:
        found = await opened.devices()
        if json:
            as_json(asdict(found))
            return
        for author in found.authors:
            last = moment(author.last_made_at_ms, "%Y-%m-%d %H:%M")
            name = author.name or "(no name)"
            made = f"{counted(author.highlights, 'highlight')}, {counted(author.notes, 'note')}"
            console.print(f"{name}: {made}, the last made {last}")
        console.print(f"Edited in {counted(found.sessions, 'session')}, on all devices together.")
        console.print(f"This file belongs to {found.binding or 'no relay yet'}.", soft_wrap=True)

    with_library(library, call)


@app.command("sign-out")
def sign_out(
    library: LibraryPath = DEFAULT,
    wipe: Annotated[bool, typer.Option("--wipe", help="Destroy the library on this device.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Part the library from its relay, room and account. It stays on this device, unless you wipe it.

    The next relay that you name for it gets all of it: two libraries that have merged cannot be parted.
    """
    unsaved: list[str] = []
    versions: list[str] = []

    async def look(opened: Library) -> None:
        unsaved.extend(await opened.unsaved())
        versions.extend(each.name for each in await opened.versions())
        if wipe:
            await _warn(opened, unsaved)
            if versions:
                told = f"{counted(len(versions), 'version')} saved on this device alone go with it"
                typer.echo(f"{told}: {', '.join(map(plain, versions))}", err=True)

    async def leave(opened: Library) -> None:
        await opened.sign_out()

    with_library(library, look)
    if wipe:
        _confirm(library, yes=yes)
        run(lambda: _wipe(library))
    else:
        with_library(library, leave)
        settings = Settings.load(library)
        replace(settings, relay=None, room=None, subject=None).save(library)
    if json:
        as_json({"wiped": wipe, "unsaved": unsaved, **({"versions": versions} if wipe else {})})
    elif wipe:
        console.print(f"{library} is gone from this device.", soft_wrap=True)
    else:
        console.print(
            "Signed out. What is in the library stays; name its next relay with: crdt-sync init --relay URL "
            "--room NAME. That relay gets all of it, which cannot be undone.",
            soft_wrap=True,
        )


async def _wipe(library: Path) -> None:
    files.wipe(library)
    Settings.file_of(library).unlink(missing_ok=True)


def _confirm(library: Path, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        typer.echo("crdt-sync: nothing was destroyed; without a terminal to ask on, say --yes", err=True)
        raise typer.Exit(1)
    typer.confirm(f"Destroy {library} on this device?", abort=True, err=True)


async def _warn(opened: Library, unsaved: list[str]) -> None:
    if not opened.status.pending:
        typer.echo("Everything in it was confirmed by its relay.", err=True)
        return
    typer.echo(f"Never confirmed by a relay: {counted(opened.status.pending, 'edit')}, in:", err=True)
    for item_id in unsaved[:NAMED_ITEMS]:
        item = await opened.highlight(item_id) or await opened.note(item_id)
        typer.echo(f"  {_line(item) if item else item_id + '  (purged)'}", err=True)
    if len(unsaved) > NAMED_ITEMS:
        typer.echo(f"  and {len(unsaved) - NAMED_ITEMS} more", err=True)


def _report(done: files.Repaired, into: Path) -> list[str]:
    lines = [f"Found: {finding}" for finding in done.findings] or [
        "SQLite and the checksums find nothing wrong with the file."
    ]
    lines.append(
        f"{into} has {counted(done.highlights, 'highlight')} and {counted(done.notes, 'note')}, "
        f"from {counted(done.updates, 'update')}."
    )
    if done.waiting:
        lines.append(
            f"{counted(done.waiting, 'update')} put aside for what was lost; a sync that brings it takes them in."
        )
    if done.rescued:
        lines.append(
            f"{counted(done.rescued, 'item')} in the old tables alone, or otherwise. Sync, then: crdt-sync rescued"
        )
    if done.pending:
        lines.append("All of it counts as unsynced until a relay confirms it.")
    if done.binding is not None:
        lines.append(f"It belongs to {done.binding}.")
    return lines


def _value(item: Highlight | Note) -> dict[str, Any]:
    return highlight_value(item) if isinstance(item, Highlight) else note_value(item)


def _line(item: Highlight | Note) -> str:
    """Say in a few words which item it is."""
    if isinstance(item, Note):
        words = item.title or item.text
    else:
        words = f"{item.anchor.source or ''}  {item.anchor.quote.exact if item.anchor.quote else item.comment}"
    return f"{item.id}  {words}".partition("\n")[0][:120]

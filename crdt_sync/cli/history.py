"""Going back: `crdt-sync undo`, `redo`, `trash` and `version`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from crdt_sync import Highlight, Library, Note
from crdt_sync.cli.output import (
    as_json,
    console,
    counted,
    highlight_value,
    moment,
    note_value,
    print_highlights,
    print_notes,
)
from crdt_sync.cli.running import DEFAULT, ItemId, Json, LibraryPath, full_id, with_library
from crdt_sync.history import Undone, Version

__all__ = ["app"]

app = typer.Typer()
trash = typer.Typer(help="List what is in the trash, restore it, or destroy it.", no_args_is_help=True)
version = typer.Typer(help="Save the whole library under a name, look at it, go back to it.", no_args_is_help=True)
app.add_typer(trash, name="trash")
app.add_typer(version, name="version")

VersionId = Annotated[int, typer.Argument(metavar="VERSION", help="Its number, as `version list` shows it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command()
def undo(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Take back the last edit of this device. What others have changed since stays; a purge cannot be undone."""

    async def call(opened: Library) -> None:
        _tell(await opened.undo(), "undo", json=json)

    with_library(library, call)


@app.command()
def redo(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Make again what the last undo took back."""

    async def call(opened: Library) -> None:
        _tell(await opened.redo(), "redo", json=json)

    with_library(library, call)


@trash.command("list")
def trash_list(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List what is in the trash, what came there last first."""

    async def show(opened: Library) -> None:
        items = await opened.trash()
        if json:
            as_json([highlight_value(each) if isinstance(each, Highlight) else asdict(each) for each in items])
            return
        for each in items:
            if isinstance(each, Highlight):
                words = f"{each.anchor.source or ''}  {each.anchor.quote.exact if each.anchor.quote else each.comment}"
            else:
                words = each.title or (each.text if isinstance(each, Note) else "")
            line = f"{each.id}  {moment(each.deleted_at_ms or 0, '%Y-%m-%d')}  {words}"
            console.print(line.partition("\n")[0][:160], soft_wrap=True)

    with_library(library, show)


@trash.command("restore")
def trash_restore(item: ItemId, library: LibraryPath = DEFAULT) -> None:
    """Take a highlight or note out of the trash."""

    async def restore(opened: Library) -> None:
        await opened.restore(await full_id(opened, item))

    with_library(library, restore)


@trash.command("empty")
def trash_empty(
    older_than: Annotated[
        int | None, typer.Option(metavar="DAYS", help="Only what has been there for so many days.")
    ] = None,
    yes: Yes = False,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Destroy what is in the trash. It is the one command that can lose what another device writes meanwhile.

    Undo does not bring it back. A version that was saved before still has it.
    """
    if older_than is not None and older_than < 0:
        raise typer.BadParameter("--older-than takes 0 or more days")
    days = None if older_than is None else timedelta(days=older_than)

    async def empty(opened: Library) -> None:
        count = len(await opened.trash())
        if count:
            what = f"{counted(count, 'item')} in the trash" if days is None else f"what is over {older_than} days old"
            _confirm(f"Destroy {what}, with whatever another device is writing into it?", yes=yes)
        gone = await opened.empty_trash(older_than=days)
        as_json({"purged": gone}) if json else console.print(f"Destroyed: {counted(len(gone), 'item')}.")

    with_library(library, empty)


@trash.command("purge")
def trash_purge(
    item: ItemId,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Take it out of all versions, too.")] = False,
    yes: Yes = False,
    library: LibraryPath = DEFAULT,
) -> None:
    """Destroy one highlight or note, in the trash or not."""

    async def purge(opened: Library) -> None:
        item_id = item if everywhere and not await opened.ids_starting_with(item) else await full_id(opened, item)
        _confirm(f"Destroy {item_id}, with whatever another device is writing into it?", yes=yes)
        if everywhere:
            await opened.purge_everywhere(item_id)
        else:
            await opened.purge(item_id)

    with_library(library, purge)


@version.command("save")
def version_save(name: str, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Keep the library as it is now, on this device; print the version's number."""

    async def save(opened: Library) -> None:
        number = await opened.save_version(name)
        as_json({"id": number}) if json else console.print(str(number))

    with_library(library, save)


@version.command("list")
def version_list(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List the versions, the newest first."""

    async def show(opened: Library) -> None:
        found = await opened.versions()
        if json:
            as_json([asdict(each) for each in found])
        for each in () if json else found:
            console.print(_line(each), soft_wrap=True)

    with_library(library, show)


@version.command("show")
def version_show(number: VersionId, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Print the highlights and notes of a version, without its trash."""

    async def show(opened: Library) -> None:
        with await opened.at_version(number) as then:
            marks, texts = then.highlights(), then.notes()
        if json:
            as_json({"highlights": [*map(highlight_value, marks)], "notes": [*map(note_value, texts)]})
            return
        print_highlights(marks)
        print_notes(texts)

    with_library(library, show)


@version.command("restore")
def version_restore(number: VersionId, yes: Yes = False, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Bring the library back to a version, on all devices. `undo` takes that back; nothing is destroyed."""

    async def restore(opened: Library) -> None:
        _confirm(f"Bring the library back to version {number}?", yes=yes)
        changed = await opened.restore_version(number)
        as_json({"changed": changed}) if json else console.print(f"Changed: {counted(len(changed), 'item')}.")

    with_library(library, restore)


@version.command("delete")
def version_delete(number: VersionId, library: LibraryPath = DEFAULT) -> None:
    """Forget a version. The library stays as it is."""

    async def delete(opened: Library) -> None:
        await opened.delete_version(number)

    with_library(library, delete)


def _line(each: Version) -> str:
    what = f"{counted(each.highlights, 'highlight')}, {counted(each.notes, 'note')}"
    return f"{each.id}  {moment(each.saved_at_ms, '%Y-%m-%d %H:%M')}  {each.name}  ({what}, {each.size_bytes:,} bytes)"


def _tell(done: Undone | None, what: str, *, json: bool) -> None:
    if json:
        as_json(None if done is None else asdict(done))
    elif done is None:
        console.print(f"There is nothing to {what}.")
    else:
        console.print(f"Changed: {', '.join(done.ids) or 'nothing'}.", soft_wrap=True)
        if done.kept:
            console.print(f"Left as others have it since: {', '.join(done.kept)}.", soft_wrap=True)


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        typer.echo("crdt-sync: nothing was changed; without a terminal to ask on, say --yes", err=True)
        raise typer.Exit(1)
    typer.confirm(question, abort=True, err=True)

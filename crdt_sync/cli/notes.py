"""`crdt-sync note`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from crdt_sync import Library
from crdt_sync.cli.output import as_json, console, note_value, plain, print_notes
from crdt_sync.cli.running import DEFAULT, ItemId, Json, LibraryPath, full_id, with_library
from crdt_sync.errors import NotFound

__all__ = ["app"]

app = typer.Typer(help="Write and read notes.", no_args_is_help=True)


@app.command("add")
def note_add(
    text: str,
    title: str = "",
    highlight: Annotated[str | None, typer.Option(help="The highlight it belongs to.")] = None,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Write a note; print its id."""

    async def add(opened: Library) -> None:
        of = None if highlight is None else await full_id(opened, highlight)
        note_id = await opened.add_note(text, title=title, highlight_id=of)
        as_json({"id": note_id}) if json else console.print(note_id)

    with_library(library, add)


@app.command("list")
def note_list(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List notes, the newest first."""

    async def show(opened: Library) -> None:
        notes = await opened.notes()
        as_json([note_value(each) for each in notes]) if json else print_notes(notes)

    with_library(library, show)


@app.command("show")
def note_show(item: ItemId, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Print a note."""

    async def show(opened: Library) -> None:
        note = await opened.note(await full_id(opened, item))
        if note is None:
            raise NotFound(f"{item!r} is a highlight and no note")
        if json:
            as_json(note_value(note))
        else:
            print(plain("\n".join(part for part in (note.title, note.text) if part)))

    with_library(library, show)


@app.command("append")
def note_append(item: ItemId, text: str, library: LibraryPath = DEFAULT) -> None:
    """Add paragraphs, one for each line, at the end of a note."""

    async def append(opened: Library) -> None:
        await opened.append_to_note(await full_id(opened, item), text)

    with_library(library, append)


@app.command("links")
def note_links(
    item: Annotated[str | None, typer.Argument(help="A note's or highlight's id, or a place: osis:Gen.1.")] = None,
    to: Annotated[bool, typer.Option("--to", help="The links that lead to it, and not those in it.")] = False,
    dangling: Annotated[bool, typer.Option("--dangling", help="The links of all items that lead to nothing.")] = False,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Print the links in a note or a highlight's comment, those that lead to it, or those that lead to nothing."""
    if (item is None) != dangling or (dangling and to):
        raise typer.BadParameter("name an item, or say --dangling")

    async def show(opened: Library) -> None:
        if item is None:
            found = await opened.dangling_links()
        elif item.startswith("osis:"):
            found = await opened.backlinks(item)
        else:
            item_id = await full_id(opened, item)
            found = await (opened.backlinks(item_id) if to else opened.links(item_id))
        if json:
            as_json([asdict(link) for link in found])
        for link in () if json else found:
            where = ", ".join(link.to) or ("a place" if link.is_place else "nothing")
            several = "one of " * link.is_ambiguous
            console.print(f"{link.item_id}  {link.written} → {several}{where}", soft_wrap=True)

    with_library(library, show)

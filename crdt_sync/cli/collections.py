"""`crdt-sync collection`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from crdt_sync import Highlight, Library, Note
from crdt_sync.cli.filtering import Trash, collection_id
from crdt_sync.cli.output import as_json, console, counted, highlight_value, note_value
from crdt_sync.cli.running import DEFAULT, Json, LibraryPath, full_id, with_library

__all__ = ["app"]

app = typer.Typer(help="Put highlights and notes together, in an order of your own.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="COLLECTION", help="Its title, its id, or the first characters of that.")]
Items = Annotated[list[str], typer.Argument(help="Ids of highlights and notes, or the first characters.")]


@app.command("add")
def collection_add(
    title: str,
    items: Annotated[list[str] | None, typer.Argument(help="Ids of highlights and notes to put in.")] = None,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Begin a collection; print its id."""

    async def add(opened: Library) -> None:
        made = await opened.add_collection(title, [await full_id(opened, item) for item in items or ()])
        as_json({"id": made}) if json else console.print(made)

    with_library(library, add)


@app.command("list")
def collection_list(trash: Trash = False, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List the collections by title."""

    async def show(opened: Library) -> None:
        found = [(each, await opened.collection_size(each.id)) for each in await opened.collections(trashed=trash)]
        if json:
            as_json([{**asdict(each), "items": size} for each, size in found])
            return
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("id", "title", "items"):
            table.add_column(column, overflow="fold", no_wrap=column == "id")
        for each, size in found:
            table.add_row(each.id, each.title, str(size))
        console.print(table)

    with_library(library, show)


@app.command("show")
def collection_show(collection: Named, library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """Print what is in a collection, in its order."""

    async def show(opened: Library) -> None:
        items = await opened.collection_items(await collection_id(opened, collection))
        if json:
            as_json([_value(item) for item in items])
        for item in () if json else items:
            console.print(f"{item.id}  {_line(item)}".replace("\n", " "), soft_wrap=True)

    with_library(library, show)


@app.command("put")
def collection_put(
    collection: Named,
    items: Items,
    before: Annotated[str | None, typer.Option(help="The item they shall come before; else they come last.")] = None,
    library: LibraryPath = DEFAULT,
) -> None:
    """Put highlights and notes into a collection, or move those that are in it."""

    async def put(opened: Library) -> None:
        ids = [await full_id(opened, item) for item in items]
        place = None if before is None else await full_id(opened, before)
        await opened.add_to_collection(await collection_id(opened, collection), *ids, before=place)

    with_library(library, put)


@app.command("take")
def collection_take(collection: Named, items: Items, library: LibraryPath = DEFAULT) -> None:
    """Take highlights and notes out of a collection. They themselves stay."""

    async def take(opened: Library) -> None:
        ids = [await full_id(opened, item) for item in items]
        await opened.remove_from_collection(await collection_id(opened, collection), *ids)

    with_library(library, take)


@app.command("rename")
def collection_rename(collection: Named, title: str, library: LibraryPath = DEFAULT) -> None:
    """Give a collection another title."""

    async def rename(opened: Library) -> None:
        await opened.rename_collection(await collection_id(opened, collection), title)

    with_library(library, rename)


@app.command("delete")
def collection_delete(collection: Named, library: LibraryPath = DEFAULT) -> None:
    """Move a collection to the trash. What is in it stays."""

    async def delete(opened: Library) -> None:
        found = await collection_id(opened, collection)
        size = await opened.collection_size(found)
        await opened.delete(found)
        console.print(f"In the trash. What it holds ({counted(size, 'item')}) stays where it is.", soft_wrap=True)

    with_library(library, delete)


@app.command("restore")
def collection_restore(collection: Named, library: LibraryPath = DEFAULT) -> None:
    """Take a collection out of the trash."""

    async def restore(opened: Library) -> None:
        await opened.restore(await collection_id(opened, collection, trashed=True))

    with_library(library, restore)


def _value(item: Highlight | Note) -> dict[str, Any]:
    kind = item.kind if isinstance(item, Highlight) else "note"
    return {"kind": kind, **(highlight_value(item) if isinstance(item, Highlight) else note_value(item))}


def _line(item: Highlight | Note) -> str:
    if isinstance(item, Note):
        return item.title or item.text.partition("\n")[0]
    return f"{item.anchor.source or ''}  {item.anchor.quote.exact if item.anchor.quote else ''}"

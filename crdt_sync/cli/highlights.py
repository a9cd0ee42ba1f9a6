"""`crdt-sync highlight`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crdt_sync import Anchor, Library, Quote
from crdt_sync.cli.filtering import (
    ChangedSince,
    ChangedUntil,
    Color,
    InCollection,
    KindOption,
    Limit,
    Offset,
    Since,
    SortBy,
    SortOption,
    Tags,
    Trash,
    Until,
    WithNote,
    WorkOption,
    filters,
)
from crdt_sync.cli.output import as_json, console, highlight_value, print_highlights
from crdt_sync.cli.running import DEFAULT, ItemId, Json, LibraryPath, full_id, with_library
from crdt_sync.cli.texts import anchor_in, highlight_resolve
from crdt_sync.document import AddHighlight, EditHighlight, osis_source

__all__ = ["app"]

app = typer.Typer(help="Add, list, change, delete and restore highlights.", no_args_is_help=True)
app.command("resolve")(highlight_resolve)


@app.command("add")
def highlight_add(
    source: Annotated[str, typer.Argument(help="The place, like Gen.1.1-Gen.1.3 or GEN 1:1-3, or a file of the work.")],
    quote: Annotated[str | None, typer.Argument(help="The marked text.")] = None,
    work: Annotated[str, typer.Option(help="The text it stands in.")] = "Bible.KJV",
    color: Annotated[str, typer.Option(help="yellow, green, blue, pink, or another.")] = "yellow",
    tag: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    comment: str = "",
    text: Annotated[Path | None, typer.Option(help="The text it stands in; the quote is taken from it.")] = None,
    find: Annotated[str | None, typer.Option(help="The words to mark in --text.")] = None,
    start: Annotated[int | None, typer.Option(help="Where it starts in --text, in code points.")] = None,
    end: Annotated[int | None, typer.Option(help="Where it ends in --text, in code points.")] = None,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Mark a passage; print its id."""
    if text is None and (find is not None or start is not None or end is not None):
        raise typer.BadParameter("--find, --start and --end are places in a text; name it with --text")
    if text is not None and quote is not None:
        raise typer.BadParameter("with --text the quote is taken from the text; leave it out")

    async def add(opened: Library) -> None:
        place = osis_source(source)
        if text is None:
            anchor = Anchor(work={"id": work}, source=place, quote=None if quote is None else Quote(quote))
        else:
            anchor = anchor_in(text, find, start, end, work={"id": work}, source=place)
        (item_id,) = await opened.edit(AddHighlight(anchor, color=color, tags=tuple(tag or ()), comment=comment))
        as_json({"id": item_id}) if json else console.print(item_id)

    with_library(library, add)


@app.command("list")
def highlight_list(
    within: Annotated[str | None, typer.Argument(help="A place: Gen, Gen.1 or Gen.1.1.")] = None,
    kind: KindOption = None,
    work: WorkOption = None,
    color: Color = None,
    tag: Tags = None,
    collection: InCollection = None,
    since: Since = None,
    until: Until = None,
    changed_since: ChangedSince = None,
    changed_until: ChangedUntil = None,
    with_note: WithNote = None,
    trash: Trash = False,
    sort: SortOption = SortBy.PLACE,
    limit: Limit | None = None,
    offset: Offset = 0,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """List highlights and bookmarks, by place if nothing else is said."""

    async def show(opened: Library) -> None:
        wanted = await filters(
            opened, kind=kind, work=work, within=within, color=color, tag=tag, collection=collection, since=since,
            until=until, changed_since=changed_since, changed_until=changed_until, with_note=with_note, trash=trash,
        )  # fmt: skip
        most = -1 if limit is None else limit
        highlights = await opened.highlights(sort=sort.value, limit=most, offset=offset, **wanted)
        as_json([highlight_value(each) for each in highlights]) if json else print_highlights(highlights)

    with_library(library, show)


@app.command("edit")
def highlight_edit(
    item: ItemId,
    color: str | None = None,
    comment: str | None = None,
    tag: Annotated[list[str] | None, typer.Option(help="Add a tag. Repeatable.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="Take a tag away. Repeatable.")] = None,
    library: LibraryPath = DEFAULT,
) -> None:
    """Change a highlight."""

    async def change(opened: Library) -> None:
        item_id = await full_id(opened, item)
        edit = EditHighlight(
            item_id, color=color, comment=comment, add_tags=tuple(tag or ()), remove_tags=tuple(untag or ())
        )
        await opened.edit(edit)

    with_library(library, change)


@app.command("delete")
def highlight_delete(item: ItemId, library: LibraryPath = DEFAULT) -> None:
    """Move a highlight to the trash."""

    async def delete(opened: Library) -> None:
        await opened.delete(await full_id(opened, item))

    with_library(library, delete)


@app.command("restore")
def highlight_restore(item: ItemId, library: LibraryPath = DEFAULT) -> None:
    """Take a highlight out of the trash."""

    async def restore(opened: Library) -> None:
        await opened.restore(await full_id(opened, item))

    with_library(library, restore)

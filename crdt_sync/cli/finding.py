"""`crdt-sync search`, and what is in a library at a glance: `works`, `tags`, `colors`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from crdt_sync import Library
from crdt_sync.cli.filtering import (
    ChangedSince,
    ChangedUntil,
    Color,
    InCollection,
    KindOption,
    Limit,
    Offset,
    Since,
    Tags,
    Trash,
    Until,
    WithNote,
    WorkOption,
    filters,
)
from crdt_sync.cli.output import as_json, console, moment
from crdt_sync.cli.running import DEFAULT, Json, LibraryPath, with_library

__all__ = ["app"]

app = typer.Typer()


@app.command(context_settings={"ignore_unknown_options": True})
def search(
    words: list[str],
    kind: KindOption = None,
    work: WorkOption = None,
    within: Annotated[str | None, typer.Option(help="Only in this place: Gen, Gen.1 or Gen.1.1.")] = None,
    color: Color = None,
    tag: Tags = None,
    collection: InCollection = None,
    since: Since = None,
    until: Until = None,
    changed_since: ChangedSince = None,
    changed_until: ChangedUntil = None,
    with_note: WithNote = None,
    trash: Trash = False,
    limit: Limit = 50,
    offset: Offset = 0,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Find highlights and notes that hold all the words, the best first.

    A "phrase in quotes" is found as it stands (quote it for the shell too), and -word must not be there. The last word
    may be unfinished.
    """
    if unknown := next((word for word in words if word.startswith("--")), None):
        raise typer.BadParameter(f"there is no option {unknown}; a word to leave out has one dash")

    async def find(opened: Library) -> None:
        wanted = await filters(
            opened, kind=kind, work=work, within=within, color=color, tag=tag, collection=collection, since=since,
            until=until, changed_since=changed_since, changed_until=changed_until, with_note=with_note, trash=trash,
        )  # fmt: skip
        found = await opened.search(" ".join(words), limit=limit, offset=offset, **wanted)
        if json:
            as_json(asdict(found))
            return
        for hit in found.hits:
            console.print(f"{hit.item_id}  {hit.snippet}".replace("\n", " "), soft_wrap=True)
        if not found.is_complete:
            console.print("Very many hold these words: only the newest were looked at. Add a word.", soft_wrap=True)

    with_library(library, find)


@app.command()
def works(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List the works that have highlights, the last changed first."""

    async def show(opened: Library) -> None:
        found = await opened.works()
        rows = (
            (each.id, each.title or "", each.author or "", each.highlights, moment(each.last_changed_at_ms))
            for each in found
        )
        _print(found, ("work", "title", "author", "highlights", "last changed"), rows, json)

    with_library(library, show)


@app.command()
def tags(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List the tags, the commonest first."""

    async def show(opened: Library) -> None:
        found = await opened.tags()
        _print(found, ("tag", "items"), ((each.tag, each.items) for each in found), json)

    with_library(library, show)


@app.command()
def colors(library: LibraryPath = DEFAULT, json: Json = False) -> None:
    """List the colours of highlights, the commonest first."""

    async def show(opened: Library) -> None:
        found = await opened.colors()
        _print(found, ("colour", "highlights"), ((each.color, each.highlights) for each in found), json)

    with_library(library, show)


def _print(found: Sequence[object], columns: tuple[str, ...], rows: Iterable[tuple[object, ...]], json: bool) -> None:
    if json:
        as_json([asdict(each) for each in found])  # type: ignore[call-overload]
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)

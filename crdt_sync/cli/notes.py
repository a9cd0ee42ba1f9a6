"""`crdt-sync note`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from crdt_sync import Library
from crdt_sync.cli.note_editing import note_edit
from crdt_sync.cli.output import as_json, console, note_value, plain, print_notes
from crdt_sync.cli.running import DEFAULT, ItemId, Json, LibraryPath, full_id, with_library
from crdt_sync.errors import InvalidEdit, NotFound

__all__ = ["app"]

app = typer.Typer(help="Write and read notes.", no_args_is_help=True)


app.command("edit")(note_edit)


class Format(StrEnum):
    """How a note is printed."""

    PLAIN = "plain"
    MARKDOWN = "markdown"
    HTML = "html"


@app.command("add")
def note_add(
    text: Annotated[str | None, typer.Argument(help="A paragraph on each line, or Markdown.")] = None,
    title: str = "",
    highlight: Annotated[str | None, typer.Option(help="The highlight it belongs to.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", "-m", help="The text is Markdown.")] = False,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read Markdown from here; - is standard input.")
    ] = None,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Write a note; print its id."""

    async def add(opened: Library) -> None:
        of = None if highlight is None else await full_id(opened, highlight)
        if (text is None) == (file is None):
            raise InvalidEdit("give the note's text, or with --file a file of Markdown (- for standard input)")
        said = _markdown(file) if file is not None else text or ""
        note_id = await opened.add_note(said, title=title, highlight_id=of, markdown=markdown or file is not None)
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
def note_show(
    item: ItemId,
    format_: Annotated[Format, typer.Option("--format", help="HTML is safe to show, whoever wrote it.")] = Format.PLAIN,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Print a note, its title first; as Markdown or HTML its body alone."""

    async def show(opened: Library) -> None:
        note_id = await full_id(opened, item)
        note = await opened.note(note_id)
        if note is None:
            raise NotFound(f"{item!r} is a highlight and no note")
        if format_ is Format.HTML:
            body = await opened.note_html(note_id)
        else:
            body = await opened.note_markdown(note_id) if format_ is Format.MARKDOWN else note.text
        if json:
            value = note_value(note)
            as_json(value if format_ is Format.PLAIN else {**value, format_.value: body})
        elif format_ is not Format.PLAIN:
            print(plain(body))
        else:
            print(plain("\n".join(part for part in (note.title, note.text) if part)))

    with_library(library, show)


@app.command("append")
def note_append(item: ItemId, text: str, library: LibraryPath = DEFAULT) -> None:
    """Add paragraphs, one for each line, at the end of a note."""

    async def append(opened: Library) -> None:
        await opened.append_to_note(await full_id(opened, item), text)

    with_library(library, append)


def _markdown(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InvalidEdit(f"{file} is not UTF-8; save it as UTF-8 and add it again") from None


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

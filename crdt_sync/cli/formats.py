"""`crdt-sync import`, `export` and `formats`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from crdt_sync import Library
from crdt_sync.cli.output import as_json, console, counted
from crdt_sync.cli.running import DEFAULT, Json, LibraryPath, with_library
from crdt_sync.errors import InvalidEdit
from crdt_sync.formats import ImportReport, Skipped, Written
from crdt_sync.interchange.registry import FORMATS

__all__ = ["app"]

app = typer.Typer()
SHOWN = 20


@app.command("import")
def import_files(
    files: Annotated[list[Path], typer.Argument(help="Files, or a folder of Markdown.", metavar="FILE…")],
    format: Annotated[  # noqa: A002
        str | None, typer.Option("--format", "-f", help="What they are; it is recognised if this is left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come in, and change nothing.")] = False,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Take highlights, bookmarks and notes of other programs in. Each file comes in whole or not at all.

    Twice changes nothing. What was changed here stays, and nothing is deleted because a file lacks it.
    """

    async def take(opened: Library) -> None:
        reports = []
        for file in files:
            with _counting(file, quiet=json) as progress:
                report = await opened.import_file(file, format, dry_run=dry_run, progress=progress)
            reports.append({"file": str(file), **asdict(report)})
            if not json:
                _tell(file, report)
        if json:
            as_json(reports)

    with_library(library, take)


@app.command()
def export(
    format: Annotated[str, typer.Option("--format", "-f", help="See `crdt-sync formats`.")] = "bundle",  # noqa: A002
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="The file, or for Markdown the folder, to write.")
    ] = None,
    work: Annotated[str | None, typer.Option(help="One work alone, by the id that its highlights have.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Write the library, or one work of it, into a file of another format. A bundle loses nothing.

    Without --to a file's text is printed. Markdown needs a folder, and its second export leaves what you wrote there.
    """

    async def write(opened: Library) -> None:
        if to is None:
            await _print(opened, format, work)
            return
        written = await opened.export_file(to, format, work=work, replace=force)
        if json:
            as_json({**asdict(written), "files": [str(file) for file in written.files]})
            return
        _tell_written(to, written)

    with_library(library, write)


@app.command("formats")
def formats(json: Json = False) -> None:
    """List the formats of other programs, and what can be done with each."""
    rows = [
        {"name": each.name, "title": each.title, "import": each.reads is not None, "export": each.exported}
        for each in FORMATS.values()
    ]
    if json:
        as_json(rows)
    for row in () if json else rows:
        does = " and ".join(verb for verb in ("import", "export") if row[verb])
        console.print(f"{row['name']:<12}{does:<19}{row['title']}", soft_wrap=True)


async def _print(opened: Library, format_name: str, work: str | None) -> None:
    encoded = await opened.encode(format_name, work=work)
    try:
        text = encoded.data.decode()
    except UnicodeDecodeError:
        raise InvalidEdit(f"{format_name} is no text to print; name a file with --to") from None
    print(text.removesuffix("\n"), flush=True)
    _tell_skipped(encoded.skipped, err=True)


@contextmanager
def _counting(file: Path, *, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """Show how many records there were so far, on a line that changes, where somebody looks."""
    if quiet or not console.is_terminal:
        yield None
        return
    with console.status(f"reading {file}") as line:
        yield lambda count: line.update(f"reading {file}: {count:,}")


def _tell(file: Path, report: ImportReport) -> None:
    would = "would come in" if report.dry_run else "came in"
    parts = [f"{len(report.added):,} {would}"]
    if report.changed:
        parts.append(f"{len(report.changed):,} changed")
    if report.there:
        parts.append(f"{len(report.there):,} there already")
    if report.skipped:
        parts.append(f"{len(report.skipped):,} skipped")
    console.print(f"{file} ({report.format}): {', '.join(parts)}", soft_wrap=True)
    for conflict in report.conflicts[:SHOWN]:
        what = ", ".join(conflict.fields)
        console.print(f"  {conflict.where}: you changed {what} of {conflict.item_id}; yours stays", soft_wrap=True)
    if report.without_original:
        what = counted(report.without_original, "record")
        console.print(f"  {what} too large to be kept as they stood; an export writes what is known here")
    _tell_skipped(report.skipped)


def _tell_written(to: Path, written: Written) -> None:
    files = "" if len(written.files) == 1 else f", {counted(len(written.files), 'file')} written"
    console.print(f"{to}: {counted(written.items, 'item')}{files}", soft_wrap=True)
    _tell_skipped(written.skipped)


def _tell_skipped(skipped: tuple[Skipped, ...], *, err: bool = False) -> None:
    tell: Callable[[str], None] = (
        (lambda line: typer.echo(line, err=True)) if err else (lambda line: console.print(line, soft_wrap=True))
    )
    for each in skipped[:SHOWN]:
        tell(f"  {each.where}: {each.reason}")
    if len(skipped) > SHOWN:
        tell(f"  and {len(skipped) - SHOWN:,} more; --json lists them all")

"""What the commands do with the text of a work: they make anchors from it and look for highlights in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from crdt_sync import Anchor, Library, Text, Verdict
from crdt_sync.anchoring import ENOUGH_TO_WRITE, Resolved
from crdt_sync.cli.output import as_json, console, counted
from crdt_sync.cli.running import DEFAULT, Json, LibraryPath, with_library
from crdt_sync.document import osis_source
from crdt_sync.errors import InvalidEdit

__all__ = ["anchor_in", "highlight_resolve", "read_text"]


def read_text(path: Path) -> Text:
    """Read a file of text, whose lines end in one character each. Raises `OSError` or `InvalidEdit`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidEdit(
            f"{path.name} is no text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None
    return Text(text.replace("\r\n", "\n").replace("\r", "\n"))


def anchor_in(path: Path, find: str | None, start: int | None, end: int | None, **more: Any) -> Anchor:
    """Return the anchor of the words to find, or of a stretch in code points. Raises `OSError` or `InvalidEdit`."""
    text = read_text(path)
    if find is not None and start is None and end is None:
        places = text.find(find)
        if len(places) > 1:
            places = [place for place in places if text.text[slice(*place)] == find] or places
        if len(places) != 1:
            raise InvalidEdit(
                f"{path.name} has these words {len(places)} times; give more of them, or --start and --end"
                if places
                else f"{path.name} does not have these words"
            )
        return text.anchor(*places[0], **more)
    if find is not None or start is None or end is None:
        raise InvalidEdit("with --text goes --find, or --start and --end")
    return text.anchor(start, end, **more)


def highlight_resolve(
    textfile: Annotated[Path, typer.Argument(help="The text of the work, in UTF-8.")],
    work: Annotated[str | None, typer.Option(help="Only the highlights of this work.")] = None,
    within: Annotated[str | None, typer.Option(help="Only those in this part of it, like Gen.1 or GEN 1.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Anchor those anew that have moved without doubt.")] = False,
    score: Annotated[float, typer.Option(help="What --write asks for at least, 0 to 1.")] = ENOUGH_TO_WRITE,
    library: LibraryPath = DEFAULT,
    json: Json = False,
) -> None:
    """Say where highlights stand in a text, and how sure that is. It changes nothing but with --write."""

    async def resolve(opened: Library) -> None:
        text = read_text(textfile)
        place = None if within is None else osis_source(within)
        answers = await opened.reanchor(text, work=work, within=place, write=write, minimum_score=score)
        if json:
            as_json([_value(each) for each in answers])
            return
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("id", "place", "verdict", "score", "at", "text"):
            table.add_column(column, overflow="fold", no_wrap=column == "id")
        for each in answers:
            answer, quote = each.resolution, each.highlight.anchor.quote
            stands = "" if answer.start is None else text.text[answer.start : answer.end]
            at = "" if answer.start is None else f"{answer.start}-{answer.end}"
            verdict = answer.verdict.value + (", written" if each.is_written else "")
            shown = stands or (quote.exact if quote else "")
            table.add_row(
                each.highlight.id, each.highlight.anchor.source or "", verdict, f"{answer.score:.2f}", at, shown[:200]
            )
        console.print(table)
        console.print(_summary(answers), soft_wrap=True)

    with_library(library, resolve)


def _summary(answers: list[Resolved]) -> str:
    counts = [(verdict, sum(each.resolution.verdict is verdict for each in answers)) for verdict in Verdict]
    written = sum(each.is_written for each in answers)
    said = ", ".join(f"{count} {verdict.value}" for verdict, count in counts)
    return f"{counted(len(answers), 'highlight')}: {said}; {written} written"


def _value(each: Resolved) -> dict[str, Any]:
    answer = each.resolution
    return {
        "id": each.highlight.id,
        "verdict": answer.verdict.value,
        "score": answer.score,
        "start": answer.start,
        "end": answer.end,
        "foundBy": None if answer.found_by is None else answer.found_by.value,
        "written": each.is_written,
        "candidates": [{"start": one.start, "end": one.end, "score": one.score} for one in answer.candidates],
    }

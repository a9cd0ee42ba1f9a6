"""How commands speak: to people by default, to programs with `--json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crdt_sync import Highlight, Note, Status

__all__ = [
    "as_json",
    "console",
    "counted",
    "highlight_value",
    "moment",
    "note_value",
    "plain",
    "print_highlights",
    "print_notes",
    "status_line",
]

CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


def plain(text: str) -> str:
    """Return text that others wrote, with nothing in it that a terminal would obey."""
    return text.translate(CONTROLS)


class _Console(Console):
    """Prints what others wrote as `plain` text."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(plain(text), **options)


console = _Console(highlight=False, soft_wrap=False, markup=False, emoji=False)
"""What is printed comes from other devices, the relay and file names: nothing in it is markup."""
_COLORS = {"yellow": "black on yellow", "green": "black on green", "blue": "white on blue", "pink": "black on magenta"}


def as_json(value: Any) -> None:
    """Print one JSON value on a line of its own."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def highlight_value(highlight: Highlight) -> dict[str, Any]:
    """Return a highlight as JSON."""
    return {**asdict(highlight), "anchor": highlight.anchor.to_json()}


def note_value(note: Note) -> dict[str, Any]:
    """Return a note as JSON."""
    return asdict(note)


def counted(number: int, what: str) -> str:
    """Return `1 note`, `2 notes`."""
    return f"{number} {what}{'s' * (number != 1)}"


def moment(at_ms: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a time in milliseconds since 1970 as this machine writes it; a clock of some other device made it."""
    try:
        return datetime.fromtimestamp(at_ms / 1000).strftime(form)
    except (ValueError, OverflowError, OSError):
        return f"at {at_ms} ms, which is no date"


def print_highlights(highlights: Iterable[Highlight]) -> None:
    """Print highlights as a table."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "place", "text", "tags", "comment"):
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for highlight in highlights:
        quote = highlight.anchor.quote.exact if highlight.anchor.quote else ""
        text = Text(plain(quote), style=_COLORS.get(highlight.color, "reverse"))
        table.add_row(highlight.id, highlight.anchor.source or "", text, ", ".join(highlight.tags), highlight.comment)
    console.print(table)


def print_notes(notes: Iterable[Note]) -> None:
    """Print notes as a table: what they are called, and their first line."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "title", "text", "of highlight"):
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for note in notes:
        table.add_row(note.id, note.title, note.text.partition("\n")[0], note.highlight_id or "")
    console.print(table)


def status_line(status: Status) -> str:
    """Say in one line how a library stands."""
    parts = [status.state.value]
    if status.pending:
        parts.append(f"{counted(status.pending, 'change')} waiting")
    if status.confirms_storage is False:
        parts.append("the relay does not confirm what it stores")
    if status.durable_at_ms is not None:
        parts.append(f"last saved on the relay {moment(status.durable_at_ms)}")
    if status.last_error:
        parts.append(status.last_error)
    if status.retry_in_s is not None:
        parts.append(f"trying again in {status.retry_in_s:.0f} s")
    return ", ".join(parts)

"""How commands speak: tables for people, `--json` for programs.

rich is imported by what prints with it, so that a relay that runs does without.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["as_json", "console", "counted", "moment", "print_table", "size"]


@cache
def console() -> Console:
    """Return the terminal, or the file that stands for it."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False, markup=False, emoji=False)


def as_json(value: Any) -> None:
    """Print one JSON value on a line of its own."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print rows of strings; the columns in `right` are aligned there. Nothing in a cell is markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in right else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def counted(number: int, what: str) -> str:
    """Return `1 room`, `2 rooms`."""
    return f"{number} {what}{'s' * (number != 1)}"


def size(size_bytes: int) -> str:
    """Return `512 B`, `1.5 KiB`, `20.0 MiB`."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    value, units = size_bytes / 1024, ["KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.1f} {units[0]}"


def moment(at_ms: int | None) -> str:
    """Return a time of the wall clock, in milliseconds since 1970, as this machine writes it."""
    return "" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000):%Y-%m-%d %H:%M:%S}"

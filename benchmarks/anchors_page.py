"""Writes the tables of docs/anchors.md from benchmarks/results/anchors.json: `python -m benchmarks.anchors_page`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "anchors.md"
VERDICTS = ("exact", "relocated", "ambiguous", "orphan", "wrong")


def quality(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of verdicts."""
    yield f"| in | marked | {' | '.join(VERDICTS)} |"
    yield "|---|---|" + "---:|" * len(VERDICTS)
    for text, kinds in result["quality"].items():
        for kind, counts in kinds.items():
            yield f"| {text} | {kind} | {' | '.join(str(counts.get(verdict, 0)) for verdict in VERDICTS)} |"


def seconds(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of durations."""
    yield "| in a book of 5 MB | s |"
    yield "|---|---:|"
    for what, duration in result["seconds"].items():
        yield f"| {what} | {duration:.2g} |"


def render(page: str, result: Mapping[str, Any]) -> str:
    """Return the page with its tables made anew."""
    for name, table in (("quality", quality), ("seconds", seconds)):
        content = "\n".join(table(result))
        pattern = f"<!-- anchors {name} -->\n.*?<!-- end -->"
        page = re.sub(pattern, f"<!-- anchors {name} -->\n\n{content}\n\n<!-- end -->", page, flags=re.DOTALL)
    return page


def load() -> dict[str, Any]:
    """Return the figures that the benchmark kept."""
    result: dict[str, Any] = json.loads((RESULTS / "anchors.json").read_text("utf-8"))
    return result


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8"), load()), "utf-8")

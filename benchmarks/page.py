"""Writes the tables of docs/benchmarks.md from the JSON of `benchmarks/results`; the prose between them stays.

Run `python -m benchmarks.page`; a test fails while the page's tables are not what the results say. A table stands
between `<!-- table NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import ratio

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
OURS = ("crdt-sync", "crdt-sync, no fsync", "crdt-sync, plain ASGI")
MARGIN = 1.05
"""A figure within 5 % of another is called equal."""

Results = Mapping[str, Mapping[str, Any]]
Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Column:
    """A figure; `better` is 1 where more is better, -1 where less is, 0 where it is only told."""

    key: str
    head: str
    better: int = -1


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page: which results, which of their questions, which figures. `said` is how losses name it."""

    name: str
    result: str
    question: str | None
    said: str
    columns: tuple[Column, ...]

    def rows(self, results: Results) -> Rows:
        """Return the figures of each contender; nothing if it was not measured."""
        medians: Mapping[str, Any] = results.get(self.result, {}).get("medians", {})
        found: Rows = medians.get(self.question, {}) if self.question is not None else medians
        return found


LATENCY = (Column("p50_ms", "p50, ms"), Column("p99_ms", "p99, ms"), Column("max_ms", "max, ms"))
STORM = (
    Column("seconds", "until all are synced, s"),
    Column("p50_ms", "p50, ms"),
    Column("peak_mb", "peak memory, MB"),
    Column("synced", "synced", 0),
)
IDLE = (
    Column("kb_each", "KB each"),
    Column("cpu_percent", "idle CPU, %"),
    Column("p50_ms", "join and sync p50, ms"),
    Column("p99_ms", "join and sync p99, ms"),
)
SLOW = (
    Column("growth_mb", "memory grew by, MB"),
    Column("p50_ms", "the others' p50, ms"),
    Column("p99_ms", "the others' p99, ms"),
)
FLOOD = (Column("deliveries_per_s", "deliveries/s", 1), *LATENCY, Column("frames_per_delivery", "frames a delivery", 0))
REQUESTS = (
    Column("requests_per_s", "requests/s", 1),
    Column("p50_ms", "p50, ms"),
    Column("p99_ms", "p99, ms"),
    Column("processor_us_each", "CPU a request, µs"),
)

CLUSTER = (
    Column("deliveries_per_s", "deliveries/s", 0),
    Column("p50_ms", "p50, ms", 0),
    Column("p99_ms", "p99, ms", 0),
    Column("within_p50_ms", "within a relay p50, ms", 0),
    Column("within_p99_ms", "within a relay p99, ms", 0),
    Column("across_p50_ms", "across relays p50, ms", 0),
    Column("across_p99_ms", "across relays p99, ms", 0),
    Column("commits_per_s", "commits/s", 0),
    Column("redis_bytes_per_update", "bytes through Redis an update", 0),
)

TABLES = (
    Table("ceiling", "ceiling", None, "", (Column("frames_per_s", "frames/s", 0), Column("mb_per_s", "MB/s", 0))),
    Table("flood", "fan_out", "flood", "fan-out, flood", FLOOD),
    *(Table(f"fan-out {rate}", "fan_out", rate, f"fan-out, {rate}", LATENCY) for rate in ("100/s", "300/s", "1000/s")),
    Table(
        "rooms join",
        "rooms",
        "3,000 clients join",
        "3,000 clients join 1,000 rooms",
        (Column("join_s", "seconds"), Column("mb", "memory, MB"), Column("peak_mb", "peak of all, MB")),
    ),
    Table(
        "rooms now and then",
        "rooms",
        "now and then, 300/s",
        "1,000 rooms, now and then",
        (*LATENCY, Column("cpu_percent", "CPU, %")),
    ),
    Table("rooms at once", "rooms", "all at once", "1,000 rooms, all at once", FLOOD[:-1]),
    Table("idle 1,000", "idle", "1,000 connections", "1,000 idle connections", IDLE),
    Table("idle 10,000", "idle", "10,000 connections", "10,000 idle connections", IDLE),
    *(
        Table(f"storm {case}", "join_storm", case, f"join storm, {case}", STORM)
        for case in (
            "100 fresh",
            "1,000 fresh",
            "1,000 up to date",
            "1 fresh, after a restart",
            "100 fresh, after a restart",
            "1,000 up to date, after a restart",
        )
    ),
    Table("slow none", "slow_reader", "everybody reads", "ten writers of long comments", SLOW),
    Table(
        "slow one",
        "slow_reader",
        "one reads nothing",
        "a slow reader",
        (*SLOW, Column("catch_up_s", "it catches up in, s"), Column("catch_up_frames", "frames for it", 0)),
    ),
    Table(
        "presence",
        "presence",
        None,
        "presence",
        (*LATENCY, Column("frames", "frames", 0), Column("cpu_percent", "CPU, %")),
    ),
    Table(
        "authentication",
        "authentication",
        None,
        "authentication",
        (
            Column("connect_p50_ms", "connect p50, ms", 0),
            Column("connect_p99_ms", "connect p99, ms", 0),
            Column("connect_cpu_us", "relay's CPU a connection, µs", 0),
            Column("p50_ms", "fan-out p50, ms", 0),
            Column("p99_ms", "fan-out p99, ms", 0),
            Column("delivery_cpu_us", "relay's CPU a delivery, µs", 0),
        ),
    ),
    *(
        Table(f"cluster {rate}", "cluster", rate, f"several relays, {rate}", CLUSTER)
        for rate in ("flood", "100/s", "300/s", "1000/s")
    ),
    Table(
        "capacity",
        "capacity",
        None,
        "what a device costs",
        (
            Column("relay_ms", "relay, ms of a core", 0),
            Column("postgres_ms", "PostgreSQL, ms", 0),
            Column("redis_ms", "Redis, ms", 0),
            Column("kb", "relay's memory, KB", 0),
        ),
    ),
    Table(
        "million",
        "million",
        None,
        "a week of readers",
        (
            Column("there", "devices there at the worst moment", 0),
            Column("coming_s", "come a second", 0),
            Column("edits_s", "edits a second", 0),
            Column("relay_cores", "cores of relays", 0),
            Column("postgres_cores", "of PostgreSQL", 0),
            Column("redis_cores", "of Redis", 0),
            Column("memory_gb", "memory of relays, GB", 0),
            Column("machines", "machines", 0),
        ),
    ),
    *(
        Table(f"api {question}", "api", question, f"the API, {question}", REQUESTS)
        for question in ("get state", "diff", "apply update", "list members")
    ),
    Table(
        "disk relay",
        "disk",
        "relay",
        "disk of a relay, a highlight",
        (
            Column("files_bytes_each", "all files, bytes a highlight", 0),
            Column("bytes_each", "bytes a highlight"),
            Column("compacted_bytes_each", "after compaction"),
            Column("edits", "edits", 0),
        ),
    ),
    Table(
        "disk library",
        "disk",
        "library",
        "disk of a library, a highlight",
        (
            Column("bytes_each", "bytes a highlight"),
            Column("compacted_bytes_each", "after compaction"),
            Column("document_bytes_each", "the document alone", 0),
        ),
    ),
    Table(
        "engine",
        "engine",
        None,
        "the engine",
        (
            Column("edit_us", "durable edit, µs"),
            Column("open_ms", "open and first answer, ms"),
            Column("query_ms", "a chapter, ms"),
            Column("first_edit_ms", "first edit, ms"),
            Column("catch_up_s", "catch-up, s"),
            Column("mb_per_10000", "MB per 10,000"),
        ),
    ),
)


def number(value: Any) -> str:
    """Return a figure as the page writes it: three digits, or all of an integer part that has more."""
    if not isinstance(value, int | float) or value != value:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def is_whole(row: Mapping[str, Any]) -> bool:
    """Say whether every round of a contender finished."""
    return bool(row.get("finished") == row.get("rounds"))


def share(row: Mapping[str, Any]) -> str:
    """Return what an unfinished contender had delivered, where that is known."""
    for key, of in (("deliveries", "expected"), ("known", "expected")):
        if row.get(key) and row.get(of):
            return f", {row[key] / row[of]:.0%} was there"
    return ""


def lines(table: Table, rows: Rows) -> Iterator[str]:
    """Yield the lines of a Markdown table; the times in parentheses are a peer's figure to ours."""
    yield "| | " + " | ".join(column.head for column in table.columns) + " |"
    yield "|---|" + "---:|" * len(table.columns)
    ours = rows.get(OURS[0], {})
    for name, row in rows.items():
        title = f"**{name}**" if name in OURS else name
        if not is_whole(row):
            title += f" (finished {row.get('finished', 0)} of {row.get('rounds', 0)}{share(row)})"
        cells = []
        for column in table.columns:
            value, own = row.get(column.key), ours.get(column.key)
            cell = number(value)
            if name not in OURS and column.better and value is not None and own and is_whole(row) and is_whole(ours):
                cell += f" ({ratio(value, own)})"
            cells.append(cell)
        yield f"| {title} | " + " | ".join(cells) + " |"


def losses(results: Results) -> Iterator[str]:
    """Yield a line for each figure in which somebody else is better than ours, and for each that we did not finish."""
    for table in TABLES:
        rows = table.rows(results)
        ours = rows.get(OURS[0])
        if ours is None:
            continue
        if not is_whole(ours):
            yield f"- {table.said}: ours did not finish."
            continue
        for column in table.columns:
            own = ours.get(column.key)
            if not column.better or own is None:
                continue
            better = [
                f"{name} {number(row[column.key])}"
                for name, row in rows.items()
                if name not in OURS
                and is_whole(row)
                and row.get(column.key) is not None
                and (own > row[column.key] * MARGIN if column.better < 0 else own * MARGIN < row[column.key])
            ]
            if better:
                yield f"- {table.said}, {column.head}: ours {number(own)}, {', '.join(better)}."


def busiest(results: Results) -> Iterator[str]:
    """Yield how busy the load was where it was busiest; the ceiling itself is left out."""
    found = [
        (float(row["busy"]), name, table.said)
        for table in TABLES
        if table.result != "ceiling"
        for name, row in table.rows(results).items()
        if "busy" in row
    ]
    if found:
        busy, name, said = max(found)
        yield f"In the benchmarks below the load was busiest, {busy:.0%} of its core, at: {said}, {name}."


def circumstances(results: Results) -> Iterator[str]:
    """Yield what the results say of machine, versions, and the state of the machine when they were made."""
    named = {table.result for table in TABLES}
    results = {name: record for name, record in results.items() if name in named and "machine" in record}
    if not results:
        return
    newest = max(results.values(), key=lambda record: record["at"])
    yield f"- Machine: {newest['machine']}."
    versions = ", ".join(f"{name} {version}" for name, version in newest.get("versions", {}).items())
    yield f"- Python {newest['python']}, node {newest['node'].lstrip('v')}; {versions}."
    for name, record in sorted(results.items()):
        note = f" {record['note']}" if record.get("note") else ""
        load = record.get("load average at the start")
        busy = f", load average {load:.1f} when it began" if load is not None else ""
        yield f"- `{name}`: {record['at'][:10]}{busy}.{note}"


def render(page: str, results: Results) -> str:
    """Return the page with every table made anew. Raises `KeyError` for a table that is not known."""
    tables = {table.name: table for table in TABLES}

    def content(name: str) -> Iterator[str]:
        if name == "where we lose":
            return losses(results)
        if name == "circumstances":
            return circumstances(results)
        if name == "busiest load":
            return busiest(results)
        rows = tables[name].rows(results)
        return lines(tables[name], rows) if rows else iter(["Not measured yet."])

    def replace(found: re.Match[str]) -> str:
        return f"<!-- table {found[1]} -->\n\n" + "\n".join(content(found[1])) + "\n\n<!-- end -->"

    return re.sub(r"<!-- table (.*?) -->\n.*?<!-- end -->", replace, page, flags=re.DOTALL)


def load_results(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Return all results, by their benchmark's name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8"), load_results()), "utf-8")

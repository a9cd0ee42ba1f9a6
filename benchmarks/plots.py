"""Draws the results into docs/images as SVG, readable on a light page and a dark one.

Run `python -m benchmarks.plots`. Ours is filled and its name is bold, the peers are outlines: no colour has to be told
from another. The same results give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.figures import ratio
from benchmarks.page import is_whole, load_results, number

IMAGES = Path(__file__).parents[1] / "docs" / "images"
OURS = "crdt-sync"
INK, OWN = "#7d8590", "#2f81f7"  # grey and blue that have contrast enough on white and on black
RATES = ("100/s", "300/s", "1000/s")
STYLE = {
    "svg.hashsalt": "crdt-sync",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.transparent": True,
}

Rows = Mapping[str, Mapping[str, Any]]


def bars(axes: Axes, rows: Rows, key: str, unit: str, *, missing: str = "did not finish") -> None:
    """Draw one bar for each contender, with its figure and how many times ours it is."""
    names = list(rows)
    values = [float(rows[name].get(key) or 0) if is_whole(rows[name]) else 0.0 for name in names]
    own = values[names.index(OURS)] if OURS in names else 0.0
    widest = max(values, default=0.0) or 1.0
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        is_own = name.startswith(OURS)
        axes.barh(
            place, value, height=0.62, color=OWN if is_own else "none", edgecolor=OWN if is_own else INK, linewidth=1.2
        )
        if not is_whole(rows[name]):
            told = missing
        else:
            told = f"{number(value)} {unit}" + (f"  ({ratio(value, own)})" if own and name != OURS else "")
        axes.text(value + widest * 0.015, place, told, va="center", fontweight="bold" if is_own else "normal")
    axes.set_yticks(range(len(names)), names)
    for label in axes.get_yticklabels():
        if label.get_text().startswith(OURS):
            label.set_fontweight("bold")
    axes.invert_yaxis()
    axes.set_xlim(0, widest * 1.45)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def ranges(axes: Axes, questions: Mapping[str, Rows]) -> None:
    """Draw, for each rate, a line from p50 (dot) to p99 (bar) for each contender, on a scale of powers of ten."""
    place = 0.0
    ticks: list[tuple[float, str]] = []
    for question, rows in questions.items():
        for name, row in rows.items():
            is_own = name.startswith(OURS)
            color = OWN if is_own else INK
            if is_whole(row):
                axes.plot([row["p50_ms"], row["p99_ms"]], [place, place], color=color, linewidth=2.4 if is_own else 1.2)
                axes.plot(
                    [row["p50_ms"]], [place], marker="o", markersize=6, color=color, mfc=color if is_own else "none"
                )
                axes.plot([row["p99_ms"]], [place], marker="|", markersize=9, color=color)
            else:
                axes.text(0.01, place, "did not finish", transform=axes.get_yaxis_transform(), va="center", fontsize=9)
            ticks.append((place, f"{name}, {question}"))
            place += 1
        place += 0.7
    axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    for label in axes.get_yticklabels():
        if label.get_text().startswith(OURS):
            label.set_fontweight("bold")
    axes.set_ylim(place - 0.9, -0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("ms from the send to the arrival: dot p50, bar p99")
    axes.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
    axes.tick_params(axis="y", length=0)


def keep(figure: Figure, name: str) -> None:
    """Write a figure, without a date in it."""
    IMAGES.mkdir(exist_ok=True)
    figure.savefig(IMAGES / f"bench_{name}.svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def panels(count: int, rows: int) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure of `count` panels, one above the other, each for so many bars."""
    figure, axes = pyplot.subplots(count, 1, figsize=(7.6, count * (0.42 * rows + 0.75)), squeeze=False)
    figure.subplots_adjust(hspace=0.35)
    return figure, [row[0] for row in axes]


def draw_bars(name: str, of: Sequence[tuple[str, Rows, str, str]]) -> None:
    """Draw panels of (title, rows, key, unit); those without figures are left out."""
    shown = [panel for panel in of if panel[1]]
    if not shown:
        return
    figure, axes = panels(len(shown), max(len(rows) for _, rows, _, _ in shown))
    for place, (title, rows, key, unit) in zip(axes, shown, strict=True):
        bars(place, rows, key, unit)
        place.set_title(title, loc="left", fontsize=10.5)
    keep(figure, name)


def draw_week(shape: Mapping[str, Sequence[float]]) -> None:
    """Draw how a week of 100,000 readers is, hour by hour of UTC: who is there, and what they do a minute."""
    if not shape:
        return
    figure, axes = pyplot.subplots(2, 1, figsize=(7.6, 3.6), sharex=True)
    hours = range(len(shape["there"]))
    axes[0].fill_between(hours, shape["there"], color=OWN)
    axes[0].set_title("100,000 readers: devices that are connected", loc="left", fontsize=10.5)
    axes[1].plot(hours, shape["coming"], color=OWN, label="come, a minute")
    axes[1].plot(hours, shape["edits"], color=INK, label="edits, a minute")
    axes[1].legend(frameon=False)
    axes[1].set_xticks(range(12, 168, 24), ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
    for place in axes:
        place.set_ylim(bottom=0)
    keep(figure, "week")


def main() -> None:
    medians = {name: record.get("medians", {}) for name, record in load_results().items()}

    def of(result: str, question: str) -> Rows:
        rows: Rows = medians.get(result, {}).get(question, {})
        return rows

    with matplotlib.rc_context(STYLE):
        draw_bars(
            "flood", [("Flood: deliveries a second to 110 clients", of("fan_out", "flood"), "deliveries_per_s", "/s")]
        )
        questions = {rate: of("fan_out", rate) for rate in RATES if of("fan_out", rate)}
        if questions:
            figure, axes = pyplot.subplots(figsize=(7.6, 0.3 * sum(map(len, questions.values())) + 1.2))
            ranges(axes, questions)
            keep(figure, "latency")
        draw_bars(
            "idle",
            [
                (
                    f"{count} idle connections, a room each: memory of one",
                    of("idle", f"{count} connections"),
                    "kb_each",
                    "KB",
                )
                for count in ("1,000", "10,000")
            ],
        )
        draw_bars(
            "join_storm",
            [
                (f"100,000 highlights, {case}: until all are synced", of("join_storm", case), "seconds", "s")
                for case in ("100 fresh", "1,000 fresh", "1,000 up to date", "1,000 up to date, after a restart")
            ],
        )
        draw_bars(
            "slow_reader",
            [
                (f"30 s of long comments, {case}: memory grew by", of("slow_reader", case), "growth_mb", "MB")
                for case in ("everybody reads", "one reads nothing")
            ],
        )
        several = {rate: of("cluster", rate) for rate in RATES if of("cluster", rate)}
        if several:
            figure, axes = pyplot.subplots(figsize=(7.6, 0.3 * sum(map(len, several.values())) + 1.2))
            ranges(axes, several)
            keep(figure, "cluster")
        draw_week(load_results().get("million", {}).get("shape", {}))
        engine: Rows = medians.get("engine", {})
        draw_bars(
            "engine",
            [
                ("A library of 100,000 highlights: open, first answer", engine, "open_ms", "ms"),
                ("A chapter of 84", engine, "query_ms", "ms"),
                ("A durable edit", engine, "edit_us", "µs"),
            ],
        )


if __name__ == "__main__":
    main()

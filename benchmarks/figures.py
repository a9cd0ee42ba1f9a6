"""From measurements to figures: spreads, medians and ratios. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median, quantiles
from typing import Any

Report = Mapping[str, Any]


def rounded(value: float, digits: int = 3) -> float:
    """Return `value` with so many significant digits."""
    return float(f"{value:.{digits}g}")


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, 99th percentile and maximum of durations, in ms; NaN of fewer than two."""
    if len(seconds) < 2:
        return dict.fromkeys(("p50_ms", "p99_ms", "max_ms"), float("nan"))
    cuts = quantiles(seconds, n=100, method="inclusive")
    low, high = min(seconds), max(seconds)  # interpolation may round beyond them
    p50, p99 = (min(max(cut, low), high) for cut in (cuts[49], cuts[98]))
    return {"p50_ms": p50 * 1e3, "p99_ms": p99 * 1e3, "max_ms": high * 1e3}


def medians(reports: Iterable[Report]) -> dict[str, Any]:
    """Return the median of each number over the rounds.

    `finished` is how many rounds finished, of how many; where none or not all did, the other figures are of what was
    delivered until the bound.
    """
    kept = list(reports)
    figures: dict[str, Any] = {"rounds": len(kept)}
    finished = [report for report in kept if report.get("finished", True)]
    figures["finished"] = len(finished)
    for name in dict.fromkeys(name for report in kept for name in report):
        values = [report[name] for report in finished or kept if name in report]
        if values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            figures[name] = rounded(median(values), 4)
    return figures


def ratio(ours: float, theirs: float) -> str:
    """Return how many times `theirs` ours is, as text."""
    if not theirs:
        return "–"
    times = ours / theirs
    return f"{times:,.0f}×" if times >= 10 else f"{times:.1f}×" if times >= 1 else f"{times:.2f}×"

"""How soon does the testing kit find a planted bug, and shrink it? One row for each bug of the catalogue."""

from __future__ import annotations

import sys

from benchmarks.common import save
from tests.testing.finding import find
from tests.testing.planted import PLANTED

WITHIN_S = 60


def main() -> int:
    figures: dict[str, str] = {}
    missed = 0
    for name, planted in PLANTED.items():
        found, took_s = find(planted)
        _, shrunk_s = find(planted, shrink=True)
        missed += found is None or took_s > WITHIN_S
        figures[name] = f"found in {took_s:.2f} s, found and shrunk in {shrunk_s:.1f} s" if found else "NOT FOUND"
        print(f"{name}: {figures[name]}", flush=True)
    save("planted", {"within": f"{WITHIN_S} s", "missed": missed, **figures})
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The contenders of the engine's benchmark, in Python and in node, are asked the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import engine_task

PROGRAM = (Path(engine_task.__file__).parent / "peers" / "engine.mjs").read_text("utf-8")


@pytest.mark.parametrize("name", ["COUNT", "EACH_SIDE", "EDITS", "QUERIES", "CHAPTERS"])
def test_the_numbers_are_the_same(name: str) -> None:
    (value,) = re.findall(rf"\b{name} = ([\d_]+)", PROGRAM)
    assert int(value) == getattr(engine_task, name)


@pytest.mark.parametrize("name", ["WORK", "WITHIN", "QUOTE"])
def test_the_words_are_the_same(name: str) -> None:
    assert re.findall(rf"\b{name} = '(.*?)'", PROGRAM) == [getattr(engine_task, name)]


def test_a_chapter_has_84_highlights() -> None:
    sources = [engine_task.source_of(number) for number in range(engine_task.COUNT)]
    assert sum(source.startswith(f"{engine_task.WITHIN}.") for source in sources) == 84

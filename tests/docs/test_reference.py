from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_is_what_the_code_says() -> None:
    specification = importlib.util.spec_from_file_location("generate_reference", DOCS / "generate_reference.py")
    assert specification is not None
    assert specification.loader is not None
    generator = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(generator)
    assert generator.page() == (DOCS / "reference.md").read_text("utf-8"), "run: python docs/generate_reference.py"

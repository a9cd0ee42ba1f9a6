"""What the reader says when the relay refuses something: in each language, by codes that the relay has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crdt_sync_server.api.problems import CODES

TEXTS = Path(__file__).parents[2] / "web" / "reader" / "src" / "texts"
OF_THE_READER = {"unreachable"}
"""What it says by itself, when nothing answers."""
OF_GROUPS = {
    "forbidden", "no-such-room", "room-deleted", "no-such-member", "no-such-invitation", "last-owner", "no-such-post",
    "discussion-full", "too-many", "unavailable", "unauthenticated",
}  # fmt: skip
"""What groups and their discussions may be told."""


@pytest.mark.parametrize("language", ["english", "german"])
def test_the_relay_s_refusals_have_words(language: str) -> None:
    text = (TEXTS / f"{language}.ts").read_text("utf-8")
    block = re.search(r"^  refusals: \{$(.*?)^  \}", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    said = set(re.findall(r'^    "?([a-z-]+)"?: "', block[1], re.MULTILINE))
    assert said >= OF_GROUPS | OF_THE_READER
    assert said - OF_THE_READER <= set(CODES)

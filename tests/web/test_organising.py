"""What the package shows of collections, tags, bookmarks and places is what the engine answers from its tables."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from crdt_sync import blocking
from crdt_sync.errors import InvalidEdit, NotFound
from crdt_sync.protocol.exchange import decode_export
from tests.web.conftest import Package
from tests.web.test_document import Step, steps

numbers = itertools.count()
turns = st.lists(st.tuples(st.sampled_from(["p1", "p2"]), st.sampled_from([0.1, 0.5, 0.9])), max_size=3)


@settings(max_examples=25, deadline=None)
@given(script=st.lists(steps, min_size=4, max_size=16), turned=turns)
def test_what_is_organised_is_shown_alike(
    package: Package, script: list[Step], turned: list[tuple[str, float]]
) -> None:
    name = f"organised-{next(numbers)}"
    package("open", {"name": name, "author": name})
    with tempfile.TemporaryDirectory() as folder, blocking.open_library(Path(folder) / "library.sqlite3") as library:
        for step in script:
            try:
                library.edit(step.python)
            except (InvalidEdit, NotFound):
                continue
        for source, progression in turned:
            library.reading.set_position("KJV", source=source, progression=progression)
        library.reading.write()
        for update in decode_export(library.export_updates()).updates:
            package("apply", {"name": name, "update": update.hex()})
        shown = package("organised", {"name": name, "work": "KJV"})
        assert shown["tags"] == [{"tag": each.tag, "items": each.items} for each in library.tags()]
        assert shown["collections"] == {
            each.id: [item.id for item in library.collection_items(each.id)] for each in library.collections()
        }
        assert sorted(shown["bookmarks"]) == sorted(each.id for each in library.bookmarks())
        assert [(each["device"], each["anchor"]["source"], each["atMs"]) for each in shown["positions"]] == [
            (each.device, each.anchor.source, each.at_ms) for each in library.reading.positions("KJV")
        ]

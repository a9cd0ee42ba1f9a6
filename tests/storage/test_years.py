"""A library that has seen many years has the size of its content, not of its history. `benchmarks/fifty_years.py`."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from pycrdt import Doc

from crdt_sync.document import AddHighlight, AddNote, Anchor, EditHighlight
from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.storage import transactions
from tests.storage.opened import opened, whole
from tests.storage.years import years

SESSIONS, EDITS_EACH = 300, 33


def test_ten_thousand_edits_in_three_hundred_sessions(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "COMPACT_AFTER_UPDATES", 40)
    monkeypatch.setattr(transactions, "COMPACT_CHECK_EVERY", 20)
    sizes, log_lengths = [], []
    with opened(path) as store:
        for number, update in enumerate(years(Random(3), sessions=SESSIONS, edits_each=EDITS_EACH), 1):
            assert store.apply_updates([update], "years").failure is None
            log_lengths.append(store._log.length())
            if number % 100 == 0:
                store.compact()
                store.vacuum()
                sizes.append(store.size_bytes())
        assert max(log_lengths) <= 100  # the log is bounded, however long the years
        first, second, third = sizes
        assert abs((third - second) - (second - first)) < 0.3 * (second - first)  # each hundred sessions cost alike
        assert third < 300 * SESSIONS * EDITS_EACH  # bytes for each edit ever made
        vector = store.state_vector()
        assert len(decode_state_vector(vector)) == SESSIONS
        assert len(vector) < 10 * SESSIONS + 10
        with opened(tmp_path / "peer") as peer:
            peer.apply_updates(whole(store), "c")
            before = peer.state_vector()
            highlight = store.read.highlights(limit=1)[0]
            store.edit(EditHighlight(highlight.id, comment="last"))
            diff = store.diff(before).updates
            assert peer.apply_updates(diff, "c").appended
            assert peer.read.content() == store.read.content()
            assert sum(map(len, diff)) < sum(map(len, whole(store))) / 4  # the last edit, and the whole delete set
        store.verify()


def test_the_document_is_read_for_the_tables_in_few_transactions(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs a look at every client id, and there are ten thousand: a verify took more than half an hour."""
    begin, begun = Doc.transaction, []

    def counted(doc: Doc[Any], origin: Any = None) -> Any:
        if doc._txn is None:
            begun.append(doc)
        return begin(doc, origin)

    with opened(path) as store:
        verse = Anchor.verse("Gen.1.1", work="Bible.KJV", quote="In the beginning")
        store.edit(*(AddHighlight(verse, id=f"h{n}", tags=("a",)) for n in range(100)))
        store.edit(*(AddNote("Thoughts", id=f"n{n}") for n in range(100)))
        monkeypatch.setattr(Doc, "transaction", counted)
        store.verify()
        store.rebuild_read_model()
        assert 0 < len(begun) < 20
        with opened(tmp_path / "peer") as peer:
            assert len(peer.apply_updates(whole(store), "c").changes) == 200
    assert 0 < len(begun) < 40

"""Two edits of one body put together, by the same rules as everything else here: as two replicas of a document."""

from __future__ import annotations

from typing import Any

from pycrdt import Doc, XmlFragment

from crdt_sync.document.rich.bodies import write_body
from crdt_sync.document.rich.reading import read_body
from crdt_sync.document.rich.values import Blocks

__all__ = ["merge"]

_ROOT = "body"


def merge(base: Blocks, ours: Blocks, theirs: Blocks) -> Blocks:
    """Return `base` with what made `ours` of it and what made `theirs` of it. What both did alike is there once."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    start = _doc(1, None, base)
    mine, yours = _doc(2, start, ours), _doc(3, start, theirs)
    mine.apply_update(yours.get_update(mine.get_state()))
    return read_body(mine, _ROOT)


def _doc(client_id: int, start: Doc[Any] | None, body: Blocks) -> Doc[Any]:
    doc: Doc[Any] = Doc(client_id=client_id)
    fragment = doc.get(_ROOT, type=XmlFragment)
    if start is not None:
        doc.apply_update(start.get_update())
    with doc.transaction():
        write_body(fragment, body)
    return doc

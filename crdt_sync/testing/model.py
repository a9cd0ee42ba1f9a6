"""What a person who tests a document of their own supplies: how to make an edit, and how to read the state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st
from pycrdt import Doc

__all__ = ["Edit", "Model"]

Edit: TypeAlias = Any
"""An edit as JSON holds it: it crosses to node, and its `repr` is code."""


@dataclass(frozen=True, eq=False)
class Model:
    """A document under test.

    `edits` draws edits; `apply` makes one in a `pycrdt.Doc` (an edit that makes no sense there does nothing); `read`
    returns what a person would see, as a value that compares with `==`; use what JSON holds if some replicas are Yjs.
    `check`, if given, is called at the end with that value and all edits that must be in it; it raises
    `AssertionError`. Convergence alone does not show that an edit was lost everywhere.
    """

    edits: st.SearchStrategy[Edit]
    apply: Callable[[Doc[Any], Edit], object]
    read: Callable[[Doc[Any]], Any]
    check: Callable[[Any, Sequence[Edit]], None] | None = None

"""Libraries for the round trips: items of all kinds, with the characters that break things, drawn by hypothesis."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from crdt_sync.document import AddHighlight, AddNote, Anchor, Edit, Highlight, Note, Position, Quote, Trash
from crdt_sync.storage.store import LibraryStore

WORK = {"id": "urn:isbn:9780000000002", "title": "A Book", "author": "A. N. Author"}

texts = st.one_of(
    st.sampled_from(
        [
            "plain",
            "two\nlines",
            "\n\nblank\n\n",
            "> a quote of a quote",
            "# heading ^anchor",
            'tags:: #no, "no"',
            "<!-- /crdt-sync -->\n<!-- crdt-sync x 0123456789abcdef {} -->\n\\<!-- crdt-sync",
            "---\nfront: matter\n---",
            "a\r\nb\rc",
            "𝔘𝔫𝔦 שלום 日本 e\u0301 \u2028 \u0085 -->",
            "  spaces around  ",
            "|pipe| \\ \" ' <b>&amp;</b> [[Link]] #tag",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20),
)
tags = st.lists(st.sampled_from(["one", "two words", "a/b", 'q"uote', "日本", "#hash", "comma, dot", "9"]), max_size=3)
opaque = st.lists(
    st.one_of(
        st.builds(lambda v: {"type": "CssSelector", "value": v}, texts),
        st.just({"type": "FragmentSelector", "value": "epubcfi(/6/4!/2,/1:0,/1:9)", "conformsTo": "http://x.example/"}),
        st.just({"type": "TextQuoteSelector", "exact": "another"}),
        st.just(
            {"type": "CssSelector", "value": "p", "refinedBy": {"type": "TextPositionSelector", "start": 1, "end": 2}}
        ),
        st.just("/body/DocFragment[3].0"),
        st.just({"pos0": 1.5, "pos1": None}),
    ),
    max_size=2,
).map(tuple)


@st.composite
def anchors(draw: st.DrawFn, work: Any = WORK) -> Anchor:
    start = draw(st.integers(0, 50))
    return Anchor(
        work=work,
        source=draw(st.sampled_from([None, "", "c1.xhtml", "Gen.1.1-Gen.1.3", "https://x.example/a#b"])),
        quote=draw(st.none() | st.builds(Quote, texts, st.just("before "), st.sampled_from(["", " after"]))),
        position=draw(st.none() | st.just(Position(start, start + 9))),
        opaque=draw(opaque) or ("needed",),
        progression=draw(st.sampled_from([None, 0.0, 0.25, 1.0])),
        heading=draw(st.sampled_from([None, "Chapter 1", "A\nB"])),
        page=draw(st.sampled_from([None, "xii", "12"])),
        extra=draw(st.sampled_from([{}, {"future": [1, {"x": None}]}])),
    )


@st.composite
def shelves(draw: st.DrawFn, *, free_notes: bool = True, trash: bool = True, works: int = 1) -> list[Edit]:
    """Return the edits that make a library."""
    edits: list[Edit] = []
    marks = draw(st.integers(0, 4))
    for number in range(marks):
        item_id = draw(st.sampled_from(["{:032x}", "5b0d3a3e-6d0c-5d55-9a55-{:012x}", "an id: ü -- > {}"])).format(
            number
        )
        work = WORK if number % works == 0 else {"title": f"Other {number}"}
        edits.append(
            AddHighlight(
                draw(anchors(work)),
                color=draw(st.sampled_from(["yellow", "red", "green", "#123456"])),
                style=draw(st.sampled_from(["highlight", "underline", "wavy"])),
                tags=tuple(draw(tags)),
                comment=draw(st.just("") | texts),
                id=item_id,
                kind=draw(st.sampled_from(["highlight", "highlight", "bookmark"])),
            )
        )
        for note in range(draw(st.integers(0, 2))):
            text, title = draw(st.just("") | texts), draw(st.just("") | texts)
            edits.append(AddNote(text, title, item_id, tuple(draw(tags)), id=f"note {number} {note}"))
    if free_notes and draw(st.booleans()):
        edits.append(AddNote(draw(texts), draw(texts), tags=tuple(draw(tags)), id="free"))
    if trash and marks and draw(st.booleans()):
        first = edits[0]
        assert isinstance(first, AddHighlight)
        edits.append(Trash(str(first.id)))
    return edits


@cache
def _empty() -> bytes:
    """A new library's file costs a tenth of a second to make, and next to nothing to copy."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library"
        LibraryStore(path, durability="normal").close()
        return path.read_bytes()


@contextmanager
def library(*edits: Edit) -> Iterator[tuple[LibraryStore, Path]]:
    """Return a library with these edits, each made at a time of its own, and its folder."""
    with tempfile.TemporaryDirectory() as folder:
        clock = iter(range(1_700_000_000_123, 1_800_000_000_000, 86_400_001))
        (Path(folder) / "library").write_bytes(_empty())
        store = LibraryStore(Path(folder) / "library", durability="normal", author="ada", now_ms=lambda: next(clock))
        with closing(store):
            for edit in edits:
                store.edit(edit)
            yield store, Path(folder)


def items(store: LibraryStore) -> dict[str, Highlight | Note]:
    found: Sequence[Highlight | Note] = store.query(
        lambda read: [
            *read.highlights(),
            *read.highlights(trashed=True),
            *read.notes(),
            *read.notes(trashed=True),
        ]
    )
    return {item.id: item for item in found}

"""Highlights anchored anew: only when asked, only where there is no doubt, and as an edit that others get."""

from __future__ import annotations

from pathlib import Path

import pytest

from crdt_sync import Anchor, Library, Quote, Text, Verdict, open_library
from crdt_sync.document import AddNote, EditHighlight, Purge, Reanchor
from crdt_sync.errors import InvalidEdit, NotFound

OLD = Text("In the beginning God created the heaven and the earth. And the earth was without form, and void.")
NEW = Text("A preface.\n\n" + OLD.text)
WORK = {"id": "Bible.KJV"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def marked(library: Library) -> tuple[str, str, str]:
    """Add three highlights: one that is found again, one that may be anywhere, one that is not there."""
    first = await library.add_highlight(OLD.anchor(17, 53, work=WORK, source="Gen.1.1"))
    second = await library.add_highlight(Anchor(work=WORK, source="Gen.1.1", quote=Quote("the")))
    third = await library.add_highlight(Anchor(work=WORK, source="Gen.1.2", quote=Quote("something else altogether")))
    return first, second, third


@pytest.mark.anyio
async def test_nothing_is_written_unless_asked_and_then_only_what_is_sure(tmp_path: Path) -> None:
    async with open_library(tmp_path / "a.sqlite3") as library:
        first, second, third = await marked(library)
        await library.add_highlight(Anchor.verse("GEN 1:1", work="Bible.ASV"))
        before = await library.highlights()
        answers = {each.highlight.id: each for each in await library.reanchor(NEW, work="Bible.KJV")}
        assert await library.highlights() == before
        verdicts = [answers[item].resolution.verdict for item in (first, second, third)]
        assert verdicts == [Verdict.RELOCATED, Verdict.AMBIGUOUS, Verdict.ORPHAN]
        written = await library.reanchor(NEW, work="Bible.KJV", write=True)
        assert [each.highlight.id for each in written if each.is_written] == [first]
        now = await library.highlight(first)
        assert now is not None
        assert now.anchor == NEW.anchor(29, 65, work=WORK, source="Gen.1.1")
        assert [await library.highlight(item) for item in (second, third)] == [
            each for item in (second, third) for each in before if each.id == item
        ]
        again = await library.reanchor(NEW, work="Bible.KJV", write=True)
        assert not any(each.is_written for each in again)
        assert next(each for each in again if each.highlight.id == first).resolution.verdict is Verdict.EXACT


@pytest.mark.anyio
async def test_a_score_that_is_asked_for_is_kept_to(tmp_path: Path) -> None:
    async with open_library(tmp_path / "a.sqlite3") as library:
        (first, *_) = await marked(library)
        changed = Text(NEW.text.replace("without form, and void", "waste and void"))
        (answer,) = [each for each in await library.reanchor(changed) if each.highlight.id == first]
        assert answer.resolution.verdict is Verdict.RELOCATED
        assert 0.8 < answer.resolution.score < 1
        strict = await library.reanchor(changed, write=True, minimum_score=1)
        assert not any(each.is_written for each in strict)
        with pytest.raises(InvalidEdit, match="from 0 to 1"):
            await library.reanchor(changed, minimum_score=1.5)


@pytest.mark.anyio
async def test_a_newer_anchor_goes_to_the_other_device_and_what_it_did_meanwhile_stays(tmp_path: Path) -> None:
    async with open_library(tmp_path / "a.sqlite3") as one, open_library(tmp_path / "b.sqlite3") as other:
        first, *_ = await marked(one)
        await other.apply_updates(await one.export_updates())
        await other.edit(EditHighlight(first, color="green"))
        await one.reanchor(NEW, write=True)
        await other.apply_updates(await one.export_updates())
        there = await other.highlight(first)
        assert there is not None
        assert there.color == "green"
        assert there.anchor.position is not None
        assert there.anchor.position.start == 29


@pytest.mark.anyio
async def test_reanchor_is_an_edit_of_a_highlight_that_is_there(tmp_path: Path) -> None:
    async with open_library(tmp_path / "a.sqlite3") as library:
        first, *_ = await marked(library)
        (note,) = await library.edit(AddNote("text"))
        anchor = NEW.anchor(29, 65)
        with pytest.raises(NotFound, match="no highlight"):
            await library.edit(Reanchor(note, anchor))
        with pytest.raises(InvalidEdit, match="lone surrogate"):
            await library.edit(Reanchor(first, Anchor(source="\ud83d")))
        await library.edit(Reanchor(first, anchor))
        vector = await library.state_vector()
        await library.edit(Reanchor(first, anchor))
        assert await library.state_vector() == vector, "the same again writes nothing"
        await library.edit(Purge(first))
        with pytest.raises(NotFound):
            await library.edit(Reanchor(first, anchor))

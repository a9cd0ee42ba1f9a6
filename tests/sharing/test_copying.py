"""Copies into a group's library: made once by however many devices, updated on purpose alone, and nothing private."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt_sync import Anchor, Library, blocking, open_library
from crdt_sync.document import AddHighlight, AddNote, EditHighlight, Purge, Restore, Shared, Trash
from crdt_sync.errors import InvalidEdit, NotFound
from crdt_sync.protocol.update import decode_state_vector
from crdt_sync.sharing import copies, copy_into_group
from crdt_sync.sharing.copying import copy_id
from crdt_sync.storage.binding import Binding
from crdt_sync.storage.store import LibraryStore
from tests.storage.opened import opened, whole

OWN, GROUP = Binding("ws://relay", "u/ada", "ada"), Binding("ws://relay", "g/circle", "ada")
BENS = Binding("ws://relay", "g/circle", "ben")
SECRET = "Verschlusssache 🙈"
SOURCES = ("Gen.1.1", "Gen.1.2", "Exod.1.1")
PEOPLE = {0: GROUP, 1: GROUP, 2: BENS}
"""Two devices of Ada's, and Ben's."""
IDS = {each: copy_id(binding, each) for binding in (GROUP,) for each in SOURCES}
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def own_library(path: Path) -> LibraryStore:
    """Make a library of imported highlights, with ids that follow from the passage, and of much that is private."""
    store = LibraryStore(path, durability="normal")
    for source in SOURCES:
        anchor = Anchor.from_json(
            {"work": {"id": "KJV"}, "source": source, "quote": {"exact": "text"}, "memo": SECRET, "opaque": ["cfi"]}
        )
        store.edit(
            AddHighlight(anchor, id=source, color="green", style="underline", comment=SECRET, tags=(SECRET,)),
            AddNote(SECRET, title=SECRET, highlight_id=source, tags=(SECRET,)),
        )
    store.edit(AddNote(SECRET))
    return store


def holds(store: LibraryStore, path: Path, words: str) -> bool:
    """Say whether the words are in what would be sent, or anywhere in the file."""
    files = [each for each in path.parent.iterdir() if each.name.startswith(path.name)]
    return any(words.encode() in data for data in (*whole(store), *(each.read_bytes() for each in files)))


subsets = st.lists(st.sampled_from(SOURCES), unique=True, min_size=1)
steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(
            st.tuples(st.just("copy"), subsets, st.booleans()),
            st.tuples(st.just("recolor"), st.sampled_from(SOURCES), st.sampled_from(["red", "blue"])),
            st.builds(lambda id_, c: EditHighlight(id_, color=c), st.sampled_from(list(IDS.values())), st.just("pink")),
            st.builds(lambda id_: EditHighlight(id_, comment="ours"), st.sampled_from(list(IDS.values()))),
            st.builds(Trash, st.sampled_from(list(IDS.values()))),
            st.builds(Restore, st.sampled_from(list(IDS.values()))),
            st.builds(Purge, st.sampled_from(list(IDS.values()))),
            st.just("sync"),
        ),
    ),
    max_size=20,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_devices_that_copy_apart_amid_edits_converge_double_nothing_and_tell_nothing_private(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("group")
    wanted: set[str] = set()
    with ExitStack() as stack:
        owns = [own_library(folder / f"own-{device}") for device in PEOPLE]
        groups = [stack.enter_context(opened(folder / f"group-{device}")) for device in PEOPLE]
        stack.callback(lambda: [own.close() for own in owns])
        for device, step in steps:
            own, group = owns[device], groups[device]
            match step:
                case ("copy", chosen, update):
                    found = [each for each in own.read.highlights() if each.id in chosen]
                    wanted |= {copy_id(PEOPLE[device], source) for source in chosen}
                    group.edit(*copies(found, own=OWN, group=PEOPLE[device], update=update))
                case ("recolor", source, color):
                    own.edit(EditHighlight(source, color=color))
                case "sync":
                    other = groups[(device + 1) % len(groups)]
                    assert group.apply_updates(other.diff(group.state_vector()).updates, "c").failure is None
                case _:
                    if group.read.highlight(step.id) is not None:
                        group.edit(step)
        for _ in groups:
            for one, other in permutations(groups, 2):
                assert one.apply_updates(other.diff(one.state_vector()).updates, "c").failure is None
        assert groups[0].read.content() == groups[1].read.content() == groups[2].read.content()
        vectors = [decode_state_vector(group.state_vector()) for group in groups]
        assert vectors[0] == vectors[1] == vectors[2]
        for group in groups:
            group.verify()
            found = [*group.read.highlights(), *group.read.highlights(trashed=True)]
            assert len({each.id for each in found}) == len(found)
            assert {each.id for each in found} <= wanted
            if not any(isinstance(step, Purge) for _, step in steps):
                assert {each.id for each in found} == wanted
            assert group.read.notes() == []
            assert all(each.tags == () and each.comment in ("", "ours") for each in found)
        for device, group in enumerate(groups):
            assert not holds(group, folder / f"group-{device}", SECRET)
        assert holds(owns[0], folder / "own-0", SECRET), "or the test would look for nothing"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LibraryStore]:
    store = own_library(tmp_path / "own")
    yield store
    store.close()


def test_a_copy_keeps_the_passage_and_colour_and_says_whose_it_was(own: LibraryStore, tmp_path: Path) -> None:
    with opened(tmp_path / "group", author="Ada") as group:
        group.edit(*copies(own.read.highlights(within="Gen.1.1"), own=OWN, group=GROUP))
        (copy,) = group.read.highlights()
        (source,) = own.read.highlights(within="Gen.1.1")
        assert (copy.id, copy.shared, copy.created_by) == (IDS["Gen.1.1"], Shared("Gen.1.1", "ada"), "Ada")
        assert (copy.color, copy.style, copy.anchor.quote) == ("green", "underline", source.anchor.quote)
        assert (copy.anchor.work, copy.anchor.source, copy.anchor.opaque) == ({"id": "KJV"}, "Gen.1.1", ("cfi",))
        assert copy.anchor.extra.keys() == {"shared"}
        assert source.shared is None


def test_what_changes_at_the_source_is_copied_again_on_purpose_alone(own: LibraryStore, tmp_path: Path) -> None:
    with opened(tmp_path / "group") as group:

        def copied(*, update: bool = False) -> bool:
            """Copy, and say whether that wrote anything."""
            found = own.read.highlights(within="Gen.1.1")
            return group.edit(*copies(found, own=OWN, group=GROUP, update=update)).appended

        assert copied()
        own.edit(EditHighlight("Gen.1.1", color="blue", style="strikethrough"))
        assert not copied()
        assert group.read.highlights()[0].color == "green"
        assert copied(update=True)
        assert not copied(update=True), "there is nothing new"
        (copy,) = group.read.highlights()
        assert (copy.color, copy.style) == ("blue", "strikethrough")
        group.edit(EditHighlight(copy.id, comment="ours", add_tags=("theirs",)), Trash(copy.id))
        assert not copied()
        assert not copied(update=True)
        assert group.read.highlights() == [], "what the group threw away it has thrown away"
        group.edit(Restore(copy.id))
        assert (group.read.highlights()[0].comment, group.read.highlights()[0].tags) == ("ours", ("theirs",))
        group.edit(Purge(copy.id))
        assert copied(), "a copy that was destroyed is made again when somebody copies again"


def test_a_passage_that_was_anchored_anew_is_copied_with_its_new_anchor(own: LibraryStore, tmp_path: Path) -> None:
    with opened(tmp_path / "group") as group:
        (found,) = own.read.highlights(within="Gen.1.1")
        group.edit(*copies([found], own=OWN, group=GROUP))
        moved = Anchor.verse("Gen.1.1", work="ASV", quote="moved")
        object.__setattr__(found, "anchor", moved)
        group.edit(*copies([found], own=OWN, group=GROUP))
        assert group.read.highlights()[0].anchor.work_id == "KJV"
        group.edit(*copies([found], own=OWN, group=GROUP, update=True))
        (copy,) = group.read.highlights()
        assert (copy.anchor.work_id, copy.anchor.quote, copy.shared) == ("ASV", moved.quote, Shared("Gen.1.1", "ada"))
        group.verify()


def test_two_people_who_imported_the_same_passage_have_a_copy_each(own: LibraryStore, tmp_path: Path) -> None:
    with opened(tmp_path / "group") as group:
        for binding in (GROUP, BENS):
            group.edit(*copies(own.read.highlights(within="Gen.1.1"), own=OWN, group=binding))
        assert {each.shared.by for each in group.read.highlights() if each.shared} == {"ada", "ben"}


def test_ids_of_copies_stay_what_they_were() -> None:
    made = copy_id(GROUP, "Gen.1.1")
    assert made == "365f7f8e-6360-5bc8-944d-8aacd83a0640", "or what is copied again after an upgrade would be doubled"


async def two(tmp_path: Path) -> tuple[str, str]:
    """Make the files of an own library and of a group's that has synced once; return their paths."""
    paths = str(tmp_path / "own"), str(tmp_path / "group")
    own_library(tmp_path / "own").close()
    with opened(tmp_path / "group") as group:
        group.bind(GROUP)
    return paths


async def test_highlights_are_chosen_by_id_book_place_or_collection(tmp_path: Path) -> None:
    own_path, group_path = await two(tmp_path)
    async with open_library(own_path) as own, open_library(group_path) as group:
        first = await copy_into_group(own, group, "Gen.1.1")
        assert (first.made, first.before) == ((IDS["Gen.1.1"],), ())
        chapter = await copy_into_group(own, group, within="Gen.1")
        assert (chapter.made, chapter.before) == ((IDS["Gen.1.2"],), (IDS["Gen.1.1"],))
        twice = await copy_into_group(own, group, ["Gen.1.1", "Gen.1.1"])
        assert (twice.made, twice.before) == ((), (IDS["Gen.1.1"],))
        assert (await copy_into_group(own, group, work="ASV")).made == ()
        assert (await copy_into_group(own, group, tag=SECRET)).made == (IDS["Exod.1.1"],)
        gathered = await own.add_collection("c", ["Gen.1.2"])
        assert (await copy_into_group(own, group, collection=gathered)).before == (IDS["Gen.1.2"],)
        with pytest.raises(NotFound, match="no collection"):
            await copy_into_group(own, group, collection="nothing")
        await own.delete("Exod.1.1")
        for item, words in (("nobody", "no highlight"), ("Exod.1.1", "in the trash")):
            with pytest.raises(NotFound, match=words):
                await copy_into_group(own, group, ["Gen.1.1", item])
        for wrong in ({}, {"ids": ["Gen.1.1"], "tag": "x"}):
            with pytest.raises(InvalidEdit, match="say which"):
                await copy_into_group(own, group, **wrong)  # type: ignore[arg-type]


async def test_a_copy_goes_into_a_group_and_nowhere_else(tmp_path: Path) -> None:
    own_path, group_path = await two(tmp_path)

    async def refused(one: Library, other: Library) -> None:
        with pytest.raises(InvalidEdit):
            await copy_into_group(one, other, within="Gen")

    async with open_library(own_path) as own, open_library(group_path) as group:
        await refused(group, own)
        await refused(own, own)
        await refused(group, group)
        assert await group.binding() == GROUP
        assert await own.binding() is None


def test_the_blocking_library_copies_too(tmp_path: Path) -> None:
    own_library(tmp_path / "own").close()
    with opened(tmp_path / "group") as group:
        group.bind(GROUP)
    with blocking.open_library(tmp_path / "own") as own, blocking.open_library(tmp_path / "group") as circle:
        copied = blocking.copy_into_group(own, circle, within="Gen.1")
        assert set(copied.made) == {IDS["Gen.1.1"], IDS["Gen.1.2"]}
        assert blocking.copy_into_group(own, circle, ["Gen.1.1"]).before == (IDS["Gen.1.1"],)
        with pytest.raises(NotFound):
            blocking.copy_into_group(own, circle, ["nobody"])

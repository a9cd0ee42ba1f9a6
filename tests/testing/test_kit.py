"""The ready models converge, in pycrdt, in real Yjs, and between them; and what the kit itself says is true."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from pycrdt import Doc, Map

from crdt_sync.protocol.awareness import AwarenessTable
from crdt_sync.protocol.messages import Awareness, AwarenessEntry, decode, encode
from crdt_sync.testing import (
    MAP,
    MAP_TWIN,
    TEXT,
    TEXT_TWIN,
    XML,
    XML_TWIN,
    Model,
    NodeError,
    PycrdtReplica,
    State,
    World,
    Yjs,
    awareness_entries,
    convergence_machine,
    state_of,
)
from tests.interop.node import INTEROP
from tests.testing.finding import search

TWINS = [(MAP, MAP_TWIN), (TEXT, TEXT_TWIN), (XML, XML_TWIN)]
NAMES = ["map", "text", "xml"]


@pytest.mark.parametrize("model", [model for model, _ in TWINS], ids=NAMES)
def test_the_ready_models_converge_in_pycrdt(model: Model) -> None:
    run_state_machine_as_test(convergence_machine(model, 3), settings=search(40))


@pytest.mark.parametrize(("model", "twin"), TWINS, ids=NAMES)
def test_pycrdt_and_real_yjs_converge(model: Model, twin: Path) -> None:
    yjs = Yjs(twin, packages=INTEROP)
    try:
        run_state_machine_as_test(convergence_machine(model, [PycrdtReplica, yjs, yjs]), settings=search(20))
    finally:
        yjs.close()


@given(edits=st.lists(TEXT.edits, max_size=12))
@settings(max_examples=30)
def test_an_edit_of_text_means_the_same_in_both(edits: list[list[object]]) -> None:
    """Places are code points for both, whatever each counts inside."""
    here = PycrdtReplica(TEXT, [], 1)
    there = YJS_TEXT(TEXT, [], 1)
    for edit in edits:
        here.edit(edit)
        there.edit(edit)
    assert here.read() == there.read()
    there.close()


YJS_TEXT = Yjs(TEXT_TWIN, packages=INTEROP)


def test_what_goes_wrong_in_node_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mjs"
    broken.write_text("export const apply = () => { throw new Error('no such edit') }; export const read = () => null")
    yjs = Yjs(broken, packages=INTEROP)
    replica = yjs(MAP, [], 1)
    with pytest.raises(NodeError, match="no such edit"):
        replica.edit(["set", "a", 1])
    yjs.close()
    alone = Yjs(broken, packages=tmp_path)
    with pytest.raises(NodeError, match="node_modules/yjs"):
        alone(MAP, [], 1)
    alone.close()


def test_a_state_knows_deletions_that_a_vector_does_not() -> None:
    doc: Doc[object] = Doc(client_id=1)
    values = doc.get("m", type=Map)
    values["a"] = 1
    before = state_of(doc.get_update())
    del values["a"]
    after = state_of(doc.get_update())
    assert before == State({1: 1}, {})
    assert after == State({1: 1}, {1: [(0, 1)]})
    assert before.lacks(after) == "the deletion of 1 0..1"
    assert after.lacks(before) is None


def test_an_edit_that_was_lost_with_a_backup_is_not_asked_for() -> None:
    """And one that another replica had is there again."""
    model = Model(
        MAP.edits,
        MAP.apply,
        MAP.read,
        check=lambda value, edits: [
            pytest.fail(f"{edit} is missing") for edit in edits if edit[0] == "set" and edit[1] not in value
        ],
    )
    world = World(model, 2, seed=3)
    world.back_up(0)
    world.edit(0, ["set", "lost", 1])
    world.restore(0)
    world.edit(1, ["set", "kept", 1])
    world.settle()
    assert world.peers[0].replica.read() == {"kept": 1}
    world.close()


@given(said=st.lists(st.tuples(st.integers(0, 1), awareness_entries()), max_size=8))
def test_what_is_said_of_presence_passes_the_wire_and_leaves_every_table_alike(
    said: list[tuple[int, list[AwarenessEntry]]],
) -> None:
    """A relay's table, and that of a client which hears of it only what is news."""
    relay, client = AwarenessTable(), AwarenessTable()
    for owner, entries in said:
        (message,) = decode(encode(Awareness(tuple(entries))))
        assert message == Awareness(tuple(entries))
        client.receive(relay.receive(entries, owner, 0.0).news, "relay", 0.0)
    assert sorted(client.entries(), key=lambda entry: entry.client_id) == sorted(
        relay.entries(), key=lambda entry: entry.client_id
    )


def test_backups_of_two_replicas_are_counted_apart() -> None:
    world = World(MAP, 2, seed=1)
    world.edit(1, ["set", "a", 1])
    world.back_up(1)
    world.edit(1, ["set", "b", 1])
    world.back_up(0)
    world.restore(1)
    world.edit(0, ["set", "ü/1", 1])
    world.restore(0)
    assert [edit for _, edit in world._edits] == [["set", "a", 1]]
    world.settle()
    assert world.peers[0].replica.read() == {"a": 1}
    world.close()


def test_a_world_leaves_no_document_behind() -> None:
    """A search goes through thousands of worlds, and each step of one through a replica that restarts."""
    documents: weakref.WeakSet[Doc[Any]] = weakref.WeakSet()

    class Watched(PycrdtReplica):
        def __init__(self, model: Model, updates: Sequence[bytes], client_id: int) -> None:
            super().__init__(model, updates, client_id)
            documents.add(self.doc)

    world = World(MAP, [Watched, Watched])
    world.edit(0, ["set", "a", 1])
    world.crash(0)
    world.settle()
    assert documents
    world.close()
    del world
    gc.collect()
    assert not documents

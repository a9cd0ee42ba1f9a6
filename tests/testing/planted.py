"""Bugs that were planted, one at a time, each beside the same thing without it. The kit must find every one.

They are the mistakes that sync engines are made of; `docs/testing.md` shows two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from pycrdt import Doc, Map

from crdt_sync.protocol.session import Effect, Take
from crdt_sync.protocol.structs import read_struct
from crdt_sync.protocol.wire import Reader
from crdt_sync.testing import MAP, Link, Model, OpenReplica, Peer, PycrdtReplica, World
from crdt_sync.testing.model import Edit

__all__ = ["PLANTED", "Planted"]


@dataclass(frozen=True)
class Planted:
    """What is run with the bug; what is not named is sound."""

    model: Model = MAP
    replica: OpenReplica = PycrdtReplica
    world: type[World] = World


# 1. A clock decides a merge: the later time wins, and of two equal ones whichever was there first

CLOCKED = Model(
    edits=st.tuples(st.just("set"), st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 2)).map(list),
    apply=lambda doc, edit: doc.get("map", type=Map).__setitem__(edit[1], {"value": edit[2], "at": edit[3]}),
    read=lambda doc: doc.get("map", type=Map).to_py(),
)


class ClockDecides(PycrdtReplica):
    def __init__(self, model: Model, updates: Sequence[bytes], client_id: int) -> None:
        super().__init__(model, updates, client_id)
        self._shown: dict[str, Any] = {}
        self._merge()

    def _merge(self) -> None:
        for key, value in self.model.read(self.doc).items():
            if key not in self._shown or value["at"] > self._shown[key]["at"]:
                self._shown[key] = value

    def edit(self, edit: Edit) -> bytes | None:
        update = super().edit(edit)
        self._merge()
        return update

    def take(self, update: bytes) -> bytes | None:
        added = super().take(update)
        self._merge()
        return added

    def read(self) -> Any:
        return self._shown


# 2. A nested type is made when it is first needed, by two replicas at once; one of them is lost with all that is in it


def _tags_there(value: Any, edits: Sequence[Edit]) -> None:
    missing = {tag for _, tag in edits} - set(value)
    assert not missing, f"the tags {sorted(missing)} are gone"


def _tag_in_a_nested_map(doc: Doc[Any], edit: Edit) -> None:
    root = doc.get("item", type=Map)
    if "tags" not in root:
        root["tags"] = Map()
    root["tags"][edit[1]] = True


def _read_nested_tags(doc: Doc[Any]) -> Any:
    return sorted(doc.get("item", type=Map).to_py().get("tags", {}))


_TAG_EDITS = st.tuples(st.just("tag"), st.sampled_from("xyz")).map(list)
NESTED_TAGS = Model(_TAG_EDITS, _tag_in_a_nested_map, _read_nested_tags, _tags_there)
FLAT_TAGS = Model(
    _TAG_EDITS,
    lambda doc, edit: doc.get("tags", type=Map).__setitem__(edit[1], True),
    lambda doc: sorted(doc.get("tags", type=Map).to_py()),
    _tags_there,
)


# 3. A client id is used again after a restart; after a restored backup two operations have one name


class SameClientId(World):
    def client_id(self, at: int) -> int:
        return 1000 + at


# 4. Step 2 leaves out the delete set


class DropsDeletes(PycrdtReplica):
    def diff(self, state_vector: bytes) -> bytes:
        update = super().diff(state_vector)
        reader = Reader(update)
        for _ in range(reader.var_uint()):
            count, _, clock = reader.var_uint(), reader.var_uint(), reader.var_uint()
            for _ in range(count):
                clock += read_struct(reader, clock)[0]
        return update[: reader.position] + b"\x00"


# 5. An update with a gap is dropped, and nobody asks for what is missing


class ForgetsGap(Peer):
    def take(self, link: Link, take: Take) -> tuple[Effect, ...]:
        return super().take(link, take) if self.fits(take.update) else ()


class GapsAreForgotten(World):
    peer_type = ForgetsGap


# 6. An update is sent before the step 2 that it may depend on


class SpeaksFirst(Peer):
    def forward(self) -> None:
        for link in self.links.values():
            self.send_rows(link)


class UpdateBeforeStep2(World):
    peer_type = SpeaksFirst


# 7. What is shown is one batch behind


class OneBatchBehind(PycrdtReplica):
    def __init__(self, model: Model, updates: Sequence[bytes], client_id: int) -> None:
        super().__init__(model, updates, client_id)
        self._shown = model.read(self.doc)

    def edit(self, edit: Edit) -> bytes | None:
        update = super().edit(edit)
        self._shown = self.model.read(self.doc)
        return update

    def take(self, update: bytes) -> bytes | None:
        self._shown = self.model.read(self.doc)
        return super().take(update)

    def read(self) -> Any:
        return self._shown


# 8. What was received is logged and sent back, whether it was new or not


class Echoes(Peer):
    def keep(self, added: bytes | None, received_by: str) -> None:
        super().keep(added, "nobody")

    def take(self, link: Link, take: Take) -> tuple[Effect, ...]:
        effects = super().take(link, take)
        self.position = self.log.append(take.update, "nobody")
        return effects


class EchoLoop(World):
    peer_type = Echoes


# 9. A side effect of an update is done again when the update comes again

AMOUNTS = Model(
    edits=st.tuples(st.just("pay"), st.integers(0, 5), st.integers(1, 9)).map(list),
    apply=lambda doc, edit: doc.get("paid", type=Map).__setitem__(f"payment {edit[1]}", edit[2]),
    read=lambda doc: sum(doc.get("paid", type=Map).to_py().values()),
)


class PaysTwice(PycrdtReplica):
    def __init__(self, model: Model, updates: Sequence[bytes], client_id: int) -> None:
        super().__init__(model, updates, client_id)
        self._total = model.read(self.doc)

    def edit(self, edit: Edit) -> bytes | None:
        before = self.model.read(self.doc)
        update = super().edit(edit)
        self._total += self.model.read(self.doc) - before
        return update

    def take(self, update: bytes) -> bytes | None:
        before = self.model.read(self.doc)
        added = super().take(update)
        arrived: Doc[Any] = Doc()
        arrived.apply_update(update)
        self._total += max(self.model.read(self.doc) - before, self.model.read(arrived))
        return added

    def read(self) -> Any:
        return self._total


# 10. The trash keeps a copy, and what was written into the original meanwhile is forgotten when the copy comes back

_ITEM_EDITS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(["color", "style", "comment"]), st.integers(0, 9)).map(list),
    st.just(["trash"]),
    st.just(["restore"]),
)


def _fields_there(value: Any, edits: Sequence[Edit]) -> None:
    missing = {edit[1] for edit in edits if edit[0] == "set"} - set(value)
    assert not missing, f"what was written into {sorted(missing)} is gone"


def _edit_copied(doc: Doc[Any], edit: Edit) -> None:
    items, trash = doc.get("items", type=Map), doc.get("trash", type=Map)
    match edit:
        case ["set", field, value]:
            place = trash if "item" in trash else items
            place["item"] = {**(place.get("item") or {}), field: value}
        case ["trash"] if "item" in items:
            trash["item"] = items.pop("item")
        case ["restore"] if "item" in trash:
            items["item"] = trash.pop("item")


def _edit_marked(doc: Doc[Any], edit: Edit) -> None:
    fields = doc.get("fields", type=Map)
    match edit:
        case ["set", field, value]:
            fields[field] = value
        case ["trash"]:
            fields["deletedAt"] = 1
        case ["restore"] if "deletedAt" in fields:
            del fields["deletedAt"]


def _read_copied(doc: Doc[Any]) -> Any:
    return {**doc.get("trash", type=Map).to_py().get("item", {}), **doc.get("items", type=Map).to_py().get("item", {})}


COPYING_TRASH = Model(_ITEM_EDITS, _edit_copied, _read_copied, _fields_there)
MARKING_TRASH = Model(_ITEM_EDITS, _edit_marked, lambda doc: doc.get("fields", type=Map).to_py(), _fields_there)


# 11. Purged here, edited there: a field without its item is met by code that does not expect it


def _edit_item(doc: Doc[Any], edit: Edit) -> None:
    items, fields = doc.get("items", type=Map), doc.get("fields", type=Map)
    match edit:
        case ["make"]:
            items["item"] = {"made": 1}
        case ["set", field] if "item" in items:
            fields[f"item/{field}"] = 1
        case ["purge"]:
            items.pop("item", None)
            for key in list(fields):
                del fields[key]


def _read_trusting(doc: Doc[Any]) -> Any:
    items = doc.get("items", type=Map).to_py()
    return {key: items[key.partition("/")[0]]["made"] for key in doc.get("fields", type=Map).to_py()}


def _read_wary(doc: Doc[Any]) -> Any:
    items = doc.get("items", type=Map).to_py()
    return sorted(key for key in doc.get("fields", type=Map).to_py() if key.partition("/")[0] in items)


_PURGE_EDITS = st.one_of(
    st.just(["make"]), st.tuples(st.just("set"), st.sampled_from("xy")).map(list), st.just(["purge"])
)
PURGE_RACE = Model(_PURGE_EDITS, _edit_item, _read_trusting)
PURGE_SOUND = Model(_PURGE_EDITS, _edit_item, _read_wary)


# 12. A snapshot is taken, edits go on, and then everything up to now makes room for it


class CompactsLate(Peer):
    snapshot: bytes | None = None

    def compact(self) -> None:
        if self.snapshot is not None:
            self.log.compact([self.snapshot], self.position)
        self.snapshot = self.replica.diff(b"\x00")


class CompactionLosesTail(World):
    peer_type = CompactsLate


# 13. Answers are kept for each state vector, and a deletion, which moves no clock, does not make them stale


class CachesAnswers(PycrdtReplica):
    def __init__(self, model: Model, updates: Sequence[bytes], client_id: int) -> None:
        super().__init__(model, updates, client_id)
        self._answers: dict[tuple[bytes, bytes], bytes] = {}

    def diff(self, state_vector: bytes) -> bytes:
        key = (self.state_vector(), state_vector)
        return self._answers.setdefault(key, super().diff(state_vector))


# 14. What was received is applied and not logged


class KeepsOwnAlone(Peer):
    def keep(self, added: bytes | None, received_by: str) -> None:
        return


class ReceivedIsNotLogged(World):
    peer_type = KeepsOwnAlone


PLANTED = {
    "a clock decides a merge": Planted(CLOCKED, ClockDecides),
    "a nested type is made lazily": Planted(NESTED_TAGS),
    "a client id is used again": Planted(world=SameClientId),
    "the delete set is dropped": Planted(replica=DropsDeletes),
    "a gap is lost": Planted(world=GapsAreForgotten),
    "an update goes before step 2": Planted(world=UpdateBeforeStep2),
    "what is shown is one batch behind": Planted(replica=OneBatchBehind),
    "an echo goes round for ever": Planted(world=EchoLoop),
    "a side effect is done twice": Planted(AMOUNTS, PaysTwice),
    "the trash forgets an edit": Planted(COPYING_TRASH),
    "a purge races an edit": Planted(PURGE_RACE),
    "a compaction loses the tail": Planted(world=CompactionLosesTail),
    "a kept answer is stale": Planted(replica=CachesAnswers),
    "what is received is not logged": Planted(world=ReceivedIsNotLogged),
}
"""Each bug by its name."""

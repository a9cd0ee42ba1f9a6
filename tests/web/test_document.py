"""The document in TypeScript is the one in Python: names, values, and whatever both sides edit."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, XmlFragment

from crdt_sync.document import schema
from crdt_sync.document.anchors import Anchor, Position, Quote
from crdt_sync.document.edits import (
    AddCollection,
    AddHighlight,
    AddNote,
    AddToCollection,
    Edit,
    EditCollection,
    EditHighlight,
    EditNote,
    ImportItem,
    Purge,
    Reanchor,
    RemoveFromCollection,
    Restore,
    Trash,
)
from crdt_sync.document.imported import Imported
from crdt_sync.document.library_document import LibraryDocument
from crdt_sync.document.order import key_between, placed
from crdt_sync.document.positions import SAME_PLACE, ReadingPosition, suggest
from crdt_sync.document.rich import plain_text, read_body
from crdt_sync.document.rich.bodies import write_body
from crdt_sync.document.rich.seeding import seed
from crdt_sync.errors import InvalidEdit, NotFound
from tests.document.rich.bodies import ROOT, blocks
from tests.web.conftest import Package, Refused

texts = st.text(max_size=12).filter(lambda text: not any("\ud800" <= each <= "\udfff" for each in text))
words = st.sampled_from(["", "a", "Grüße", "日本", "𝔘𝔫𝔦", "e\u0301", "yellow"]) | texts


def test_names_are_the_same(package: Package) -> None:
    ours = {name: getattr(schema, name) for name in schema.__all__ if name.isupper()}
    theirs = package("schema")
    assert theirs.pop("FIXED_FIELDS") == list(ours.pop("FIXED_FIELDS"))
    assert theirs == ours


@settings(max_examples=50)
@given(a=words, b=words)
def test_keys_are_the_same(package: Package, a: str, b: str) -> None:
    ours = [
        schema.field_key(a, b),
        schema.tag_key(a, b),
        schema.member_key(a, b),
        schema.note_root(a),
        schema.position_key(a, b),
    ]
    assert package("keys", {"a": a, "b": b}) == ours
    for key in (a, b, *ours, "h/tag/a/b"):
        assert package("splitFieldKey", key) == list(schema.split_field_key(key))


# Edits on both sides

ids = st.sampled_from(["h1", "h2", "n1", "n2", "c1", "c2"])
tags = st.lists(st.sampled_from(["a", "b/c", "日本", "𝔘", "\uffff"]), max_size=2)
anchors = st.builds(
    Anchor,
    work=st.sampled_from([{}, {"id": "KJV"}, {"title": "A book", "hash": "x", "year": 1611}]),
    source=st.sampled_from(["Gen.1.1", "Gen.1.1-Gen.1.3", ""]),
    quote=st.none() | st.builds(Quote, words, words, words),
    position=st.none() | st.builds(Position, st.integers(0, 5), st.integers(5, 9)),
    opaque=st.sampled_from([(), ({"type": "epubcfi", "value": "/4"}, 1.5)]),
    progression=st.none() | st.sampled_from([0.0, 0.25, 1.0]),
    heading=st.none() | words,
    extra=st.sampled_from([{}, {"new": [1, {"a": None}]}]),
)


@dataclass(frozen=True)
class Step:
    """An edit in both languages."""

    python: Edit
    name: str
    given: list[Any]


def changed(**parts: Any) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value is not None}


def add_highlight(item_id: str, anchor: Anchor, color: str, comment: str, new: list[str], bookmark: bool) -> Step:
    kind: Any = "bookmark" if bookmark else "highlight"
    edit = AddHighlight(anchor, color=color, comment=comment, tags=tuple(new), id=item_id, kind=kind)
    made = {"id": item_id, "anchor": anchor.to_json(), "color": color, "comment": comment, "tags": new, "kind": kind}
    return Step(edit, "addHighlight", [made])


def edit_highlight(item_id: str, color: str | None, comment: str | None, add: list[str], remove: list[str]) -> Step:
    edit = EditHighlight(item_id, color=color, comment=comment, add_tags=tuple(add), remove_tags=tuple(remove))
    return Step(edit, "editHighlight", [item_id, changed(color=color, comment=comment, addTags=add, removeTags=remove)])


def add_note(item_id: str, text: str, title: str, highlight_id: str | None, new: list[str]) -> Step:
    edit = AddNote(text, title, highlight_id, tuple(new), item_id)
    return Step(edit, "addNote", [changed(id=item_id, text=text, title=title, highlightId=highlight_id, tags=new)])


def edit_note(item_id: str, title: str | None, add: list[str], remove: list[str]) -> Step:
    edit = EditNote(item_id, title, tuple(add), tuple(remove))
    return Step(edit, "editNote", [item_id, changed(title=title, addTags=add, removeTags=remove)])


def add_to(collection: str, items: list[str], before: str | None) -> Step:
    edit = AddToCollection(collection, tuple(items), before)
    return Step(edit, "addToCollection", [collection, items, before])


members = st.lists(st.sampled_from(["h1", "h2", "n1"]), max_size=3)
titles = st.none() | words
steps = st.one_of(
    st.builds(add_highlight, st.sampled_from(["h1", "h2"]), anchors, words, words, tags, st.booleans()),
    st.builds(add_highlight, st.sampled_from(["h1", "h2"]), anchors, words, words, tags, st.booleans()),
    st.builds(edit_highlight, st.sampled_from(["h1", "h2"]), titles, titles, tags, tags),
    st.builds(lambda i, a: Step(Reanchor(i, a), "reanchor", [i, a.to_json()]), st.sampled_from(["h1", "h2"]), anchors),
    st.builds(add_note, st.sampled_from(["n1", "n2"]), words, words, st.none() | st.just("h1"), tags),
    st.builds(edit_note, st.sampled_from(["n1", "n2"]), titles, tags, tags),
    st.builds(
        lambda i, t, m: Step(AddCollection(t, tuple(m), i), "addCollection", [{"id": i, "title": t, "itemIds": m}]),
        st.sampled_from(["c1", "c2"]),
        words,
        members,
    ),
    st.builds(
        lambda i, t: Step(EditCollection(i, t), "editCollection", [i, changed(title=t)]),
        st.sampled_from(["c1", "c2"]),
        titles,
    ),
    st.builds(add_to, st.sampled_from(["c1", "c2"]), members, st.none() | st.sampled_from(["h1", "h2"])),
    st.builds(
        lambda i, m: Step(RemoveFromCollection(i, tuple(m)), "removeFromCollection", [i, m]),
        st.sampled_from(["c1", "c2"]),
        members,
    ),
    st.builds(lambda i: Step(Trash(i), "trash", [i]), ids),
    st.builds(lambda i: Step(Restore(i), "restore", [i]), ids),
    st.builds(lambda i: Step(Purge(i), "purge", [i]), ids),
)


class Python:
    """A library of the engine, without a file."""

    def __init__(self, author: str) -> None:
        self.author = author
        random = Random(author)
        self.document = LibraryDocument([], lambda: random.getrandbits(53))

    def edit(self, step: Step, at: int) -> bool:
        try:
            self.document.edit([step.python], now_ms=at, author=self.author, new_id=str, members=self._members)
        except (InvalidEdit, NotFound):
            return False
        return True

    def _members(self, collection_id: str) -> set[str]:
        return {
            each
            for touch_id, touch in self.document.all_items().items()
            if touch_id == collection_id
            for each in touch.members
        }

    def values(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {"highlights": {}, "notes": {}, "collections": {}}
        for item_id, touch in self.document.all_items().items():
            item_tags = self.document.tags(item_id, touch.tags)
            if (highlight := self.document.highlight(item_id, item_tags)) is not None:
                own = {"kind": highlight.kind, "anchor": highlight.anchor.to_json(), "color": highlight.color}
                own |= {"style": highlight.style, "comment": highlight.comment}
                found["highlights"][item_id] = common(highlight) | own | {"tags": list(item_tags)}
            elif (note := self.document.note(item_id, item_tags)) is not None:
                own = {"highlightId": note.highlight_id, "title": note.title, "text": note.text}
                found["notes"][item_id] = common(note) | own | {"tags": list(item_tags)}
            elif (collection := self.document.collection(item_id)) is not None:
                keys = {each: self.document.order_key(item_id, each) for each in touch.members}
                order = sorted((key, each) for each, key in keys.items() if key is not None)
                own = {"title": collection.title, "itemIds": [each for _, each in order]}
                found["collections"][item_id] = common(collection) | own
        return found


def common(item: Any) -> dict[str, Any]:
    return {
        "id": item.id,
        "createdAtMs": item.created_at_ms,
        "createdBy": item.created_by,
        "updatedAtMs": item.updated_at_ms,
        "deletedAtMs": item.deleted_at_ms,
    }


class TypeScript:
    """The same of the package."""

    def __init__(self, package: Package, name: str) -> None:
        self._package, self.name = package, name
        package("open", {"name": name, "author": name})

    def edit(self, step: Step, at: int) -> bool:
        try:
            self._package("edit", {"name": self.name, "edit": step.name, "at": at, "given": step.given})
        except Refused as refused:
            assert refused.name == "InvalidEdit", refused
            return False
        return True

    def values(self) -> dict[str, dict[str, Any]]:
        values = self._package("values", self.name)
        for highlight in values["highlights"]:  # Python leaves an empty work out
            highlight["anchor"] = Anchor.from_json(highlight["anchor"]).to_json()
        return {kind: {each["id"]: each for each in items} for kind, items in values.items()}

    def meet(self, other: Python) -> None:
        update = other.document.diff(bytes.fromhex(self._package("vector", self.name)))
        self._package("apply", {"name": self.name, "update": update.hex()})
        argument = {"name": self.name, "vector": other.document.state_vector().hex()}
        _, failure = other.document.receive([bytes.fromhex(self._package("diff", argument))])
        assert failure is None


imported = st.builds(
    Imported,
    format=st.just("kobo"),
    color=words,
    style=words,
    comment=words,
    title=words,
    tags=tags.map(tuple),
    updated_at_ms=st.none() | st.integers(1, 9),
    trashed=st.booleans(),
)
imports = st.one_of(
    st.builds(ImportItem, st.sampled_from(["h1", "h2"]), imported, anchors, created_at_ms=st.integers(0, 9)),
    st.builds(ImportItem, st.sampled_from(["n1", "n2"]), imported, text=words),
)


def imported_by(files: list[ImportItem]) -> Python:
    """Return a device that has read these records, one after another."""
    device = Python("importer")
    for record in files:
        device.document.edit([record], now_ms=1, author="", new_id=str)
    return device


@settings(max_examples=150)
@given(files=st.lists(imports, max_size=4), script=st.lists(steps, max_size=14))
def test_the_same_edits_give_the_same_values(package: Package, files: list[ImportItem], script: list[Step]) -> None:
    importer, python, typescript = imported_by(files), Python("ada"), TypeScript(package, "ada")
    typescript.meet(importer)
    python.document.receive([importer.document.diff(b"\x00")])
    assert typescript.values() == python.values()
    for at, step in enumerate(script, 1):
        assert typescript.edit(step, at) == python.edit(step, at), step
    assert typescript.values() == python.values()


@settings(max_examples=120)
@given(
    files=st.lists(imports, max_size=3),
    script=st.lists(st.tuples(st.sampled_from(["python", "typescript", "meet", "import"]), steps), max_size=16),
)
def test_edits_on_both_sides_merge_to_the_same_values(
    package: Package, files: list[ImportItem], script: list[tuple[str, Step]]
) -> None:
    python, typescript = Python("ada"), TypeScript(package, "bo")
    for at, (side, step) in enumerate(script, 1):
        if side == "meet":
            typescript.meet(python)
        elif side == "import":
            for record in files:
                python.document.edit([record], now_ms=at, author="", new_id=str)
        else:
            (python if side == "python" else typescript).edit(step, at)
    typescript.meet(python)
    assert typescript.values() == python.values()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["exact", "start", "end", "id"]), inner, max_size=3)
    ),
    max_leaves=4,
)
PARTS = ["work", "source", "quote", "position", "opaque", "progression", "heading", "page"]


@settings(max_examples=150)
@given(anchor=json_values | st.dictionaries(st.sampled_from(PARTS), json_values, max_size=4))
def test_an_anchor_of_a_stranger_is_read_alike_and_breaks_nothing(package: Package, anchor: Any) -> None:
    package("open", {"name": "strange", "author": ""})
    package("put", {"name": "strange", "root": "highlights", "key": "h", "value": {"anchor": anchor}})
    (read,) = package("values", "strange")["highlights"]
    ours = Anchor.from_json(anchor)
    known = ours.to_json()
    for part in PARTS:
        wanted = None if part in ours.extra else known.get(part)
        assert (read["anchor"].get(part) or None) == (wanted or None), part


# Collections, positions

keys = st.text("0123456789ABCxyz", max_size=6).map(lambda text: text + "1")


@settings(max_examples=100)
@given(one=st.none() | keys, other=st.none() | keys, item_id=words)
def test_order_keys_are_the_same(package: Package, one: str | None, other: str | None, item_id: str) -> None:
    if one is not None and other is not None:
        one, other = min(one, other), max(one, other)
        if one == other:
            return
    assert package("keyBetween", {"left": one, "right": other, "id": item_id}) == key_between(one, other, item_id)


@settings(max_examples=100)
@given(found=st.lists(keys | st.just("~"), max_size=6), data=st.data())
def test_an_item_is_put_between_alike(package: Package, found: list[str], data: st.DataObject) -> None:
    order = [(key, f"i{at}") for at, key in enumerate(sorted(found))]
    index = data.draw(st.integers(0, len(order)))
    assert dict(package("placed", {"members": order, "index": index, "id": "new"})) == placed(order, index, "new")


@settings(max_examples=40)
@given(st.lists(texts, max_size=8))
def test_texts_sort_alike(package: Package, found: list[str]) -> None:
    assert package("sorted", found) == sorted(found)


places = st.builds(
    ReadingPosition,
    st.just("w"),
    st.sampled_from(["aaaa", "bbbb", "cccc"]),
    st.just("phone"),
    st.builds(lambda p: Anchor(source="", progression=p), st.sampled_from([0.1, 0.1004, 0.5, 0.9])),
    st.integers(1, 5),
    st.none() | st.builds(lambda p: Anchor(source="", progression=p), st.sampled_from([0.1, 0.5, 0.7, 0.95])),
)


@settings(max_examples=100)
@given(
    own=st.none() | places,
    others=st.lists(places, max_size=3),
    declined=st.lists(st.sampled_from([0.5, 0.9, 0.95]), max_size=2),
    same_place=st.sampled_from([SAME_PLACE, 0.0001, 0.3]),
)
def test_the_same_place_is_offered(
    package: Package,
    own: ReadingPosition | None,
    others: list[ReadingPosition],
    declined: list[float],
    same_place: float,
) -> None:
    refused = [Anchor(source="", progression=each) for each in declined]
    jump = suggest(own, others, refused, same_place)
    shown = [(each, False) for each in others] + ([(own, True)] if own else [])
    positions = [
        {
            "work": each.work,
            "device": each.device,
            "anchor": each.anchor.to_json(),
            "atMs": each.at_ms,
            "furthest": each.furthest and each.furthest.to_json(),
            "here": here,
        }
        for each, here in shown
    ]
    argument = {"positions": positions, "declined": [each.to_json() for each in refused], "samePlace": same_place}
    found = package("suggest", argument)
    assert (found and (found["anchor"], found["reason"])) == (jump and (jump.anchor.to_json(), jump.reason.value))


# Bodies


@settings(max_examples=120)
@given(body=blocks())
def test_a_body_is_the_same_plain_text(package: Package, body: Any) -> None:
    doc: Doc[Any] = Doc()
    with doc.transaction():
        write_body(doc.get(ROOT, type=XmlFragment), body)
    argument = {"update": doc.get_update().hex(), "root": ROOT}
    assert package("plainText", argument) == plain_text(read_body(doc, ROOT))


@settings(max_examples=60)
@given(text=st.lists(words, max_size=4).map("\n".join).filter(bool))
def test_an_imported_text_becomes_the_same_body(package: Package, text: str) -> None:
    assert package("seed", {"id": "n", "text": text}) == seed("n", "note/n", text, set()).hex()


def test_an_imported_text_is_put_into_the_body_once_however_many_open_it(package: Package) -> None:
    python, one = Python("ada"), TypeScript(package, "one")
    one.edit(add_note("n1", "", "", None, []), 1)
    package("put", {"name": "one", "root": "fields", "key": "n1/body", "value": "first\n\nlast 𝔘"})
    one.meet(python)
    two = TypeScript(package, "two")
    two.meet(python)
    for name in ("one", "two", "one"):
        assert package("noteBody", {"name": name, "id": "n1", "at": 2}) == "first\n\nlast 𝔘"
    for each in (one, two, one):
        each.meet(python)
    assert python.values()["notes"]["n1"]["text"] == "first\n\nlast 𝔘"
    assert one.values() == two.values() == python.values()

"""What is one subject's in the threads: taken out when it is deleted, and nothing else; or handed out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc

from crdt_sync_server.actions import NEEDS, Do
from crdt_sync_server.authorship import forget, said
from crdt_sync_server.discussion import Change
from crdt_sync_server.errors import DiscussionError, Forbidden, RelayError
from crdt_sync_server.ports import Role
from crdt_sync_server.roster import Actor
from crdt_sync_server.threads import DocumentState, change
from tests.server.test_discussion import ADA, BOB, EVE, EVERYBODY, Threads

ROOTS = ("threads", "posts", "fields", "people", "reactions", "actions")


def taken_out(threads: Threads, actor: Actor) -> tuple[Change, ...]:
    """Delete a subject and return what that changed."""
    assert actor.subject is not None
    threads.now_ms += 1
    with threads.doc.transaction():
        changes = forget(DocumentState(threads.doc), actor.subject, threads.now_ms)
        change(threads.doc, changes)
    return changes


def whole(threads: Threads) -> dict[str, Any]:
    return {name: threads.root(name) for name in ROOTS}


@pytest.fixture
def threads() -> Threads:
    return Threads()


def test_a_deleted_user_leaves_places_and_no_words_names_or_reactions(threads: Threads) -> None:
    first = threads.do(EVE, Do.OPEN, highlight="h", text="Eve was here")
    answer = threads.do(BOB, Do.REPLY, thread=first, text="so it seems")
    second = threads.do(EVE, Do.REPLY, thread=first, parent=answer, text="deleted before")
    threads.do(EVE, Do.DELETE, post=second)
    threads.do(EVE, Do.HIDE, post=answer, role=Role.OWNER)
    threads.do(EVE, Do.HIDE, post=first, role=Role.OWNER)
    threads.do(EVE, Do.RESOLVE, thread=first)
    threads.do(EVE, Do.REACT, post=answer, reaction="+")
    threads.do(BOB, Do.REACT, post=first, reaction="-")
    removed = threads.do(BOB, Do.REPLY, thread=first, text="rude")
    threads.do(EVE, Do.REMOVE, post=removed, role=Role.OWNER)
    taken_out(threads, EVE)
    posts, fields = threads.root("posts"), threads.root("fields")
    assert threads.root("threads")[first] == {"highlight": "h", "by": None, "name": None, "at": 1, "number": 1}
    assert posts[first] == {"thread": first, "parent": None, "by": None, "name": None, "at": 1, "number": 1}
    assert (posts[second]["by"], posts[second]["parent"], posts[second]["number"]) == (None, answer, 3)
    assert posts[answer]["by"] == "bob"
    assert {key: value for key, value in fields.items() if key.startswith(first)} == {
        f"{first}/deleted": {"by": None, "at": threads.now_ms},
        f"{first}/posts": 4,
        f"{first}/resolved": {"by": None, "name": None, "at": 7},
    }
    assert fields[f"{second}/deleted"] == {"by": None, "at": 4}
    assert fields[f"{answer}/hidden"] == {"by": None, "at": 5}
    assert fields[f"{removed}/removed"]["by"] is None
    assert fields[f"{answer}/text"] == "so it seems"
    assert [each["by"] for each in threads.root("reactions").values()] == ["bob"]
    late: Doc[Any] = Doc()
    late.apply_update(threads.doc.get_update())
    for words in (b"eve", b"Eve", b"deleted before"):  # of keys that were deleted nothing tells either
        assert words not in threads.doc.get_update()
        assert words not in late.get_update()


def test_who_was_deleted_and_comes_back_is_another(threads: Threads) -> None:
    action = threads.new(Do.OPEN, highlight="h", text="mine")
    threads.act(EVE, action)
    threads.do(EVE, Do.REACT, post=action.id, reaction="+")
    taken_out(threads, EVE)
    with pytest.raises(DiscussionError, match="another post's"):  # a device sends its last action again
        threads.act(EVE, action)
    with pytest.raises(Forbidden, match="only who wrote"):
        threads.do(EVE, Do.EDIT, post=action.id, text="mine again")
    new = threads.do(EVE, Do.OPEN, highlight="h", text="anew")
    threads.do(EVE, Do.REACT, post=new, reaction="+")
    assert threads.root("people") == {"1": {"by": None}, "2": {"by": "eve/x"}}
    assert set(threads.root("reactions")) == {f"{new}/2"}


def test_a_subject_is_handed_all_that_it_has_said_and_nobody_elses(threads: Threads) -> None:
    thread = threads.do(ADA, Do.OPEN, highlight="h", text="why?")
    kept = threads.do(EVE, Do.REPLY, thread=thread, text="mine")
    gone = threads.do(EVE, Do.REPLY, thread=thread, text="regretted")
    threads.do(EVE, Do.EDIT, post=kept, text="still mine")
    threads.do(EVE, Do.DELETE, post=gone)
    threads.do(EVE, Do.REACT, post=thread, reaction="+")
    threads.do(EVE, Do.RESOLVE, thread=thread)
    threads.do(ADA, Do.HIDE, post=kept)
    state = DocumentState(threads.doc)
    found = said(state, "eve/x")
    assert [(each["post"], each["highlight"], each.get("text")) for each in found["posts"]] == [
        (kept, "h", "still mine"),
        (gone, "h", None),
    ]
    assert found["posts"][0]["edited"] == 4
    assert found["posts"][0]["hidden"] == {"at": 8}
    assert found["reactions"] == [{"post": thread, "name": None, "reactions": ["+"]}]
    assert [(each["on"], each["what"]) for each in found["marks"]] == [(gone, "deleted"), (thread, "resolved")]
    assert "why?" not in json.dumps(found)
    assert said(state, "nobody") == {"posts": [], "reactions": [], "marks": []}


STEP = st.tuples(
    st.sampled_from(EVERYBODY), st.sampled_from([*Do, None]), st.integers(0, 9), st.sampled_from("xy"), st.booleans()
)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEP, min_size=5, max_size=40))
def test_whenever_somebody_is_deleted_of_others_nothing_changes_and_twice_is_once(steps: list[Any]) -> None:
    """None is a deletion, which comes between what people do; who was deleted may go on, as somebody new."""
    threads = Threads()
    for actor, do, which, text, is_owner in steps:
        if do is None:
            before = whole(threads)
            taken_out(threads, actor)
            check_forgotten(actor.subject, before, whole(threads))
            assert taken_out(threads, actor) == ()
            continue
        ids = sorted(threads.root("posts")) or ["none"]  # a document gives them in any order
        one = ids[which % len(ids)]
        values = {"highlight": "h", "thread": one, "post": one, "text": text, "reaction": text}
        try:
            role = Role.OWNER if is_owner else None
            threads.do(actor, do, role, **{name: values[name] for name in NEEDS[do]})
        except RelayError:
            continue
    people = [value["by"] for value in threads.root("people").values()]
    assert len(set(people) - {None}) == len(people) - people.count(None)  # each has one number


def check_forgotten(subject: str | None, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert f'"{subject}"' not in json.dumps(after)
    for root in ("threads", "posts", "people"):
        assert before[root].keys() == after[root].keys()
        for key, value in before[root].items():
            named = {name: after[root][key].get(name) for name in ("by", "name") if name in value}
            assert after[root][key] == (value if value["by"] != subject else {**value, **named})
            assert value["by"] != subject or set(named.values()) == {None}
    for root in ("reactions", "actions"):
        numbers = {person for person, value in before["people"].items() if value["by"] == subject}
        kept = {key: value for key, value in before[root].items() if key.rpartition("/")[2] not in numbers}
        assert after[root] == kept
    for key in before["fields"].keys() | after["fields"].keys():
        value, now = before["fields"].get(key), after["fields"].get(key)
        post, _, what = key.partition("/")
        is_own = before["posts"][post]["by"] == subject
        if is_own and what == "text":
            assert now is None
        elif is_own and what in ("deleted", "hidden") and f"{post}/text" in before["fields"]:
            assert now is None or (what == "deleted" and now["by"] is None)
        elif isinstance(value, Mapping) and value["by"] == subject:
            assert now == {**value, **{name: None for name in ("by", "name") if name in value}}
        else:
            assert now == value

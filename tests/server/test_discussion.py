"""What members may do to threads: the decisions, over a state in memory and over a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pycrdt import Doc, Map

from crdt_sync_server import discussion
from crdt_sync_server.actions import NEEDS, Action, Do
from crdt_sync_server.discussion import MAX_REACTIONS, REMEMBERED, decide
from crdt_sync_server.errors import DiscussionError, DiscussionFull, Forbidden, NoSuchPost, RelayError
from crdt_sync_server.ports import Role
from crdt_sync_server.roster import Actor
from crdt_sync_server.threads import DocumentState, change

ADA, BOB, EVE = Actor("ada", "Ada"), Actor("bob", "Bob"), Actor("eve/x", None)
ROLES = {"ada": Role.OWNER, "bob": Role.EDITOR, "eve/x": Role.EDITOR}
EVERYBODY = (ADA, BOB, EVE)


@dataclass
class Threads:
    """A document, and who acts on it."""

    doc: Doc[Any] = field(default_factory=Doc)
    now_ms: int = 0
    made: int = 0

    def act(self, actor: Actor, action: Action, role: Role | None = None) -> bool:
        """Do it; say whether anything changed."""
        self.now_ms += 1
        assert actor.subject is not None
        role = role or ROLES[actor.subject]
        with self.doc.transaction():
            changes = decide(DocumentState(self.doc), actor, role, action, self.now_ms)
            change(self.doc, changes)
        return bool(changes)

    def do(self, actor: Actor, do: Do, role: Role | None = None, **what: Any) -> str:
        action = self.new(do, **what)
        self.act(actor, action, role)
        return action.id

    def new(self, do: Do, **what: Any) -> Action:
        self.made += 1
        return Action(f"{self.made:016}", do, **what)

    def root(self, name: str) -> Mapping[str, Any]:
        return dict(self.doc.get(name, type=Map).to_py() or {})

    def text(self, post: str) -> str | None:
        return self.root("fields").get(f"{post}/text")

    def everything(self) -> dict[str, Any]:
        return {name: self.root(name) for name in ("threads", "posts", "fields", "people", "reactions")}


@pytest.fixture
def threads() -> Threads:
    return Threads()


def test_a_thread_begins_with_its_first_post_and_counts_those_that_follow(threads: Threads) -> None:
    first = threads.do(ADA, Do.OPEN, highlight="h", text="why?")
    second = threads.do(BOB, Do.REPLY, thread=first, text="because")
    third = threads.do(EVE, Do.REPLY, thread=first, parent=second, text="no")
    assert threads.root("threads") == {
        first: {"highlight": "h", "by": "ada", "name": "Ada", "at": 1, "number": 1},
    }
    posts = threads.root("posts")
    assert posts[first] == {"thread": first, "parent": None, "by": "ada", "name": "Ada", "at": 1, "number": 1}
    assert posts[third] == {"thread": first, "parent": second, "by": "eve/x", "name": None, "at": 3, "number": 3}
    assert [threads.text(each) for each in (first, second, third)] == ["why?", "because", "no"]


def test_only_who_wrote_a_post_edits_or_deletes_it_an_owner_neither(threads: Threads) -> None:
    post = threads.do(BOB, Do.OPEN, highlight="h", text="mine")
    for other in (ADA, EVE):
        with pytest.raises(Forbidden, match="only who wrote"):
            threads.do(other, Do.EDIT, post=post, text="forged")
        with pytest.raises(Forbidden, match="only who wrote"):
            threads.do(other, Do.DELETE, post=post)
    threads.do(BOB, Do.EDIT, post=post, text="still mine")
    assert threads.text(post) == "still mine"
    assert threads.root("fields")[f"{post}/edited"] == threads.now_ms


def test_moderating_is_the_owners_and_hiding_can_be_undone(threads: Threads) -> None:
    post = threads.do(BOB, Do.OPEN, highlight="h", text="rude")
    for do in (Do.HIDE, Do.UNHIDE, Do.REMOVE):
        with pytest.raises(Forbidden, match="only an owner"):
            threads.do(EVE, do, post=post)
    threads.do(ADA, Do.HIDE, post=post)
    assert threads.root("fields")[f"{post}/hidden"]["by"] == "ada"
    threads.do(ADA, Do.UNHIDE, post=post)
    assert f"{post}/hidden" not in threads.root("fields")
    assert threads.text(post) == "rude"


@pytest.mark.parametrize("do", [Do.DELETE, Do.REMOVE, Do.EDIT])
def test_text_that_was_taken_away_is_gone_from_what_late_joiners_get(threads: Threads, do: Do) -> None:
    post = threads.do(ADA, Do.OPEN, highlight="h", text="what I never wanted to say")
    assert b"never wanted" in threads.doc.get_update()
    threads.do(ADA, do, post=post, **({"text": "better"} if do is Do.EDIT else {}))
    assert b"never wanted" not in threads.doc.get_update()
    assert post in threads.root("posts")  # its place stays


def test_readers_read(threads: Threads) -> None:
    thread = threads.do(ADA, Do.OPEN, highlight="h", text="why?")
    for what in (
        {"do": Do.OPEN, "highlight": "h", "text": "x"},
        {"do": Do.REPLY, "thread": thread, "text": "x"},
        {"do": Do.REACT, "post": thread, "reaction": "👍"},
        {"do": Do.RESOLVE, "thread": thread},
    ):
        with pytest.raises(Forbidden, match="readers"):
            threads.do(BOB, **what, role=Role.READER)  # type: ignore[arg-type]


def test_what_was_done_is_answered_as_done_also_to_one_who_may_no_more(threads: Threads) -> None:
    action = threads.new(Do.OPEN, highlight="h", text="why?")
    assert threads.act(BOB, action)
    assert not threads.act(BOB, action, Role.READER)
    with pytest.raises(DiscussionError, match="another post's"):
        threads.act(EVE, action)  # an id is no way into another's post


def test_a_late_copy_of_an_edit_does_not_bring_an_older_text_back(threads: Threads) -> None:
    post = threads.do(ADA, Do.OPEN, highlight="h", text="0")
    first, second = (threads.new(Do.EDIT, post=post, text=text) for text in "12")
    threads.act(ADA, first)
    threads.act(ADA, second)
    for _ in range(REMEMBERED - 2):
        threads.do(ADA, Do.EDIT, post=post, text="2")
    assert not threads.act(ADA, first)
    assert threads.text(post) == "2"
    assert [len(each) for each in threads.root("actions").values()] == [REMEMBERED]


def test_reactions_are_of_one_person_and_bounded(threads: Threads) -> None:
    post = threads.do(ADA, Do.OPEN, highlight="h", text="x")
    for each in range(MAX_REACTIONS):
        threads.do(EVE, Do.REACT, post=post, reaction=f"r{each}")
    with pytest.raises(DiscussionFull, match="take one back"):
        threads.do(EVE, Do.REACT, post=post, reaction="more")
    threads.do(BOB, Do.UNREACT, post=post, reaction="r1")  # of others nothing goes
    (left,) = threads.root("reactions").values()
    assert (left["by"], len(left["reactions"])) == ("eve/x", MAX_REACTIONS)
    for each in range(MAX_REACTIONS):
        threads.do(EVE, Do.UNREACT, post=post, reaction=f"r{each}")
    assert threads.root("reactions") == {}


def test_bounds_are_told(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discussion, "MAX_THREADS", 1)
    monkeypatch.setattr(discussion, "MAX_POSTS", 2)
    thread = threads.do(ADA, Do.OPEN, highlight="h", text="x")
    with pytest.raises(DiscussionFull, match="another group"):
        threads.do(ADA, Do.OPEN, highlight="h", text="x")
    gone = threads.do(ADA, Do.REPLY, thread=thread, text="x")
    threads.do(ADA, Do.DELETE, post=gone)
    with pytest.raises(DiscussionFull, match="open another"):
        threads.do(ADA, Do.REPLY, thread=thread, text="x")
    with pytest.raises(DiscussionFull, match="make it two"):
        threads.do(ADA, Do.OPEN, highlight="h", text="ä" * 8193)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Action("short", Do.DELETE, post="p" * 16), "16 to 64"),
        (Action("i" * 15 + "/", Do.DELETE, post="p" * 16), "16 to 64"),
        (Action("i" * 16, Do.OPEN, highlight="h"), "highlight and text"),
        (Action("i" * 16, Do.OPEN, highlight="h/color", text="x"), "no slash"),
        (Action("i" * 16, Do.OPEN, highlight="h", text=" \n"), "says something"),
        (Action("i" * 16, Do.EDIT, post="p", text="x", thread="t"), "edit takes"),
        (Action("i" * 16, Do.REACT, post="p", reaction="\x00"), "control"),
        (Action("i" * 16, Do.REACT, post="p", reaction="👍" * 9), "32 bytes"),
        (Action("i" * 16, Do.EDIT, post="p", text="x", parent="t"), "edit takes"),
    ],
)
def test_an_action_that_makes_no_sense_is_refused_with_what_would(threads: Threads, action: Action, words: str) -> None:
    with pytest.raises(DiscussionError, match=words):
        threads.act(ADA, action)


def test_what_is_not_there_is_told(threads: Threads) -> None:
    thread = threads.do(ADA, Do.OPEN, highlight="h", text="x")
    other = threads.do(ADA, Do.OPEN, highlight="h", text="x")
    for what in (
        {"do": Do.REPLY, "thread": "nowhere", "text": "x"},
        {"do": Do.REPLY, "thread": thread, "parent": other, "text": "x"},
        {"do": Do.EDIT, "post": "nowhere", "text": "x"},
        {"do": Do.RESOLVE, "thread": "nowhere"},
        {"do": Do.REACT, "post": "nowhere", "reaction": "x"},
        {"do": Do.HIDE, "post": "nowhere"},
    ):
        with pytest.raises(NoSuchPost):
            threads.do(ADA, **what)  # type: ignore[arg-type]
    threads.do(ADA, Do.DELETE, post=other)
    for do, more in ((Do.EDIT, {"text": "x"}), (Do.REACT, {"reaction": "x"})):
        with pytest.raises(NoSuchPost, match="deleted"):
            threads.do(ADA, do, post=other, **more)


class ThreadsMachine(RuleBasedStateMachine):
    """Three people act, and each action may be sent again at any later time. A twin gets every action once."""

    @initialize()
    def begin(self) -> None:
        self.threads, self.twin = Threads(), Threads()
        self.sent: list[tuple[Actor, Action]] = []

    def send(self, actor: Actor, action: Action) -> None:
        before = self.threads.everything()
        try:
            self.threads.act(actor, action)
        except RelayError as error:
            assert self.threads.everything() == before  # a refusal changes nothing
            try:
                self.twin.act(actor, action)
            except RelayError as same:
                assert str(same) == str(error)
            else:
                raise AssertionError("the twin took what was refused") from error
            return
        self.twin.now_ms = self.threads.now_ms - 1
        self.twin.act(actor, action)
        self.sent.append((actor, action))
        self.check_others(actor, action, before)

    def check_others(self, actor: Actor, action: Action, before: dict[str, Any]) -> None:
        """Nobody's post changes by another's hand, but for what owners hide and remove."""
        after = self.threads.everything()
        for name in ("threads", "posts"):
            assert before[name].items() <= after[name].items()
        for post, value in before["posts"].items():
            if value["by"] == actor.subject:
                continue
            text, key = before["fields"].get(f"{post}/text"), f"{post}/text"
            if after["fields"].get(key) != text:
                assert (action.do, action.post) == (Do.REMOVE, post)
                assert ROLES[actor.subject or ""] is Role.OWNER
                assert key not in after["fields"]
        for key, value in before["reactions"].items():
            if value["by"] != actor.subject:
                assert after["reactions"][key] == value
        assert {value["by"] for key, value in after["posts"].items() if key not in before["posts"]} <= {actor.subject}

    def ids(self) -> list[str]:
        return sorted(self.threads.root("posts")) or ["nothing-there-yet"]  # a document gives them in any order

    @rule(actor=st.sampled_from(EVERYBODY), highlight=st.sampled_from("gh"), text=st.text(min_size=1, max_size=3))
    def opens(self, actor: Actor, highlight: str, text: str) -> None:
        self.send(actor, self.threads.new(Do.OPEN, highlight=highlight, text=text))

    @rule(actor=st.sampled_from(EVERYBODY), do=st.sampled_from(Do), data=st.data())
    def acts(self, actor: Actor, do: Do, data: st.DataObject) -> None:
        target = st.sampled_from(self.ids())
        values = {
            "highlight": "h", "thread": data.draw(target), "post": data.draw(target),
            "text": data.draw(st.sampled_from(["x", "y"])), "reaction": data.draw(st.sampled_from("+-")),
        }  # fmt: skip
        needs = {name: values[name] for name in NEEDS[do]}
        if do is Do.REPLY and data.draw(st.booleans()):
            needs["parent"] = data.draw(target)
        self.send(actor, self.threads.new(do, **needs))

    @rule(data=st.data())
    def comes_again(self, data: st.DataObject) -> None:
        if self.sent:
            actor, action = data.draw(st.sampled_from(self.sent[-REMEMBERED:]))
            assert not self.threads.act(actor, action)

    @rule(data=st.data())
    def is_forged(self, data: st.DataObject) -> None:
        """Somebody sends another's action as it was: what it makes is the other's already, and the rest their own."""
        made = [each for each in self.sent if each[1].do in (Do.OPEN, Do.REPLY)]
        if made:
            actor, action = data.draw(st.sampled_from(made))
            with pytest.raises(DiscussionError):
                self.threads.act(next(each for each in EVERYBODY if each != actor), action)

    @invariant()
    def copies_made_no_difference(self) -> None:
        if hasattr(self, "twin"):
            assert self.threads.everything() == self.twin.everything()
            numbers: dict[str, list[int]] = {}
            for value in self.threads.root("posts").values():
                numbers.setdefault(value["thread"], []).append(int(value["number"]))
            for thread, found in numbers.items():
                assert sorted(found) == list(range(1, len(found) + 1))
                assert self.threads.root("fields")[f"{thread}/posts"] == len(found)


ThreadsMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestThreads = ThreadsMachine.TestCase

"""The two libraries say the same: nothing that the asynchronous one can do is missing from its twin."""

from __future__ import annotations

import inspect

import crdt_sync.library as asynchronous
from crdt_sync import blocking, discussions, sharing
from crdt_sync.reading import Reading
from crdt_sync.sync.presence import Presence

IN_OTHER_WORDS = {"changes": "on_change", "status_changes": "on_status"}
"""What an event loop iterates over comes as callbacks here."""
OF_THE_CONNECTION = {"connected", "disconnected", "farewell", "receive", "due_s", "tick"}
"""What `Presence` has for the connection and not for applications."""


def public(thing: type) -> dict[str, object]:
    members = {name: member for each in reversed(thing.__mro__[:-1]) for name, member in vars(each).items()}
    return {name: member for name, member in members.items() if not name.startswith("_")}


def test_every_method_has_its_twin_of_the_same_name_and_signature() -> None:
    twins = public(blocking.Library)
    for name, member in public(asynchronous.Library).items():
        if name in IN_OTHER_WORDS:
            assert IN_OTHER_WORDS[name] in twins
            continue
        assert name in twins, f"add to crdt_sync/blocking/library.py: {name} = twin(asynchronous.Library.{name})"
        twin = twins[name]
        if isinstance(member, property):
            assert isinstance(twin, property)
            continue
        assert inspect.isfunction(member)
        assert inspect.isfunction(twin)
        assert not inspect.iscoroutinefunction(twin)
        assert inspect.signature(twin) == inspect.signature(member)
        assert inspect.getdoc(twin) == inspect.getdoc(member)


def test_what_is_new_here_is_only_what_a_program_without_a_loop_needs() -> None:
    new = public(blocking.Library).keys() - public(asynchronous.Library).keys()
    assert new == {*IN_OTHER_WORDS.values(), "on_presence", "close"}


def test_presence_has_its_twin() -> None:
    twins = public(blocking.Presence)
    for name, member in public(Presence).items():
        if name in OF_THE_CONNECTION or name == "listen":  # `Library.on_presence`
            continue
        assert name in twins, f"add {name} to crdt_sync.blocking.Presence"
        if inspect.isfunction(member):
            assert inspect.signature(twins[name]) == inspect.signature(member)  # type: ignore[arg-type]


def test_open_library_takes_what_the_asynchronous_one_takes() -> None:
    ours = dict(inspect.signature(blocking.open_library).parameters)
    theirs = inspect.signature(asynchronous.open_library).parameters
    assert {name: ours.pop(name) for name in theirs} == dict(theirs)
    assert list(ours) == ["backend", "deliver"]


def test_discussions_have_their_twin() -> None:
    twins = public(blocking.Discussions)
    theirs = public(discussions.Discussions)
    for name, member in theirs.items():
        if name in IN_OTHER_WORDS:
            assert IN_OTHER_WORDS[name] in twins
        elif isinstance(member, property):
            assert isinstance(twins[name], property)
        else:
            assert not inspect.iscoroutinefunction(twins[name])
            assert inspect.signature(twins[name]) == inspect.signature(member)  # type: ignore[arg-type]
            assert name == "reconnect" or inspect.getdoc(twins[name]) == inspect.getdoc(member)
    assert twins.keys() - theirs.keys() == {*IN_OTHER_WORDS.values(), "close", "subject"}
    ours = dict(inspect.signature(blocking.open_discussions).parameters)
    expected = inspect.signature(discussions.open_discussions).parameters
    assert {name: ours.pop(name) for name in expected} == dict(expected)
    assert list(ours) == ["backend", "deliver"]


def test_groups_have_their_twin() -> None:
    twins = public(blocking.Groups)
    for name, member in public(sharing.Groups).items():
        assert inspect.signature(twins[name]) == inspect.signature(member)  # type: ignore[arg-type]
        assert inspect.getdoc(twins[name]) == inspect.getdoc(member)
    assert twins.keys() - public(sharing.Groups).keys() == {"close"}
    ours = dict(inspect.signature(blocking.open_groups).parameters)
    assert ours.pop("backend")
    assert ours == dict(inspect.signature(sharing.open_groups).parameters)
    ours = dict(inspect.signature(blocking.copy_into_group).parameters)
    theirs = inspect.signature(sharing.copy_into_group).parameters
    assert [*ours] == [*theirs]
    assert all(ours[name].default == theirs[name].default for name in theirs)


def test_reading_has_its_twin() -> None:
    twins = public(blocking.Reading)
    for name, member in public(Reading).items():
        assert inspect.signature(twins[name]) == inspect.signature(member)  # type: ignore[arg-type]
        assert inspect.getdoc(twins[name]) == inspect.getdoc(member)
    assert twins.keys() == public(Reading).keys()

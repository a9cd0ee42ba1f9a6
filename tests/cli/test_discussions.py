"""`crdt-sync discussions` as two people run it, against a real relay, and without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.devices import Device, Here
from tests.cli.test_groups import device_of, join
from tests.relay import RelayProcess
from tests.server.api.tokens import token, token_relay


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


class Circle:
    """Ada's and Ben's devices with the library of their group, a highlight in it, and the group's room."""

    def __init__(self, folder: Path, relay: RelayProcess) -> None:
        self.relay = relay
        own_ada, own_ben = (device_of(who, folder, relay) for who in ("ada", "ben"))
        join(own_ada, own_ada("groups", "create", folder.name), folder / "circle-ada")
        join(own_ben, own_ben("groups", "accept", self.invitation(own_ada, folder.name)), folder / "circle-ben")
        self.ada, self.ben = (self._device(who, folder / f"circle-{who}") for who in ("ada", "ben"))
        self.own_ada, self.own_ben, self.name = own_ada, own_ben, folder.name
        self.highlight = str(self.ada.json("highlight", "add", "Inf.1.1", "una selva oscura")["id"])

    @staticmethod
    def invitation(owner: Device, name: str) -> str:
        return owner("groups", "invite", name).strip()

    @staticmethod
    def _device(subject: str, path: Path) -> Here:
        device = Here(path)
        device.environment["CRDT_SYNC_TOKEN"] = token(subject)
        return device

    def talk(self, device: Device, *arguments: str, status: int = 0) -> str:
        return device("discussions", *arguments, status=status)


@pytest.fixture
def circle(relay: RelayProcess, tmp_path: Path) -> Circle:
    return Circle(tmp_path, relay)


def test_two_people_talk(circle: Circle) -> None:
    ada, ben, talk = circle.ada, circle.ben, circle.talk
    opened = ada.json("discussions", "open", circle.highlight[:8], "Why a wood?")
    assert opened["sent"] is True
    thread = opened["id"]
    quiet = talk(ada, "open", circle.highlight, "And why dark?").strip()
    talk(ben, "sync")
    talk(ben, "read", quiet[:12])
    listed = ben.json("discussions", "list")
    assert [(each["id"], each["unread"]) for each in listed] == [(thread, 1), (quiet, 0)]
    lines = talk(ben, "list").splitlines()
    assert "* 1" in lines[1]
    assert "Why a wood?" in lines[1]
    assert circle.highlight in lines[1]
    assert "*" not in lines[2]
    assert [each["id"] for each in ben.json("discussions", "list", "--unread")] == [thread]
    assert ben.json("discussions", "list", "none") == []

    answer = talk(ben, "reply", thread[:12], "Midway upon\nthe journey", "--to", thread[:12]).strip()
    talk(ada, "react", answer[:12], "👍")
    talk(ben, "edit", answer, "Nel mezzo")
    talk(ben, "resolve", thread)
    shown = talk(ada, "show", thread)
    assert "Ben" in shown
    assert "    Nel mezzo" in shown
    assert "edited" in shown
    assert "👍 1" in shown
    posts = ada.json("discussions", "show", thread)
    assert [(each["author"], each["text"], each["state"]) for each in posts] == [
        ("ada", "Why a wood?", "sent"),
        ("ben", "Nel mezzo", "sent"),
    ]
    assert posts[1]["parent"] == thread
    assert "resolved" in talk(ada, "list", circle.highlight)
    talk(ada, "reopen", thread)
    talk(ada, "react", answer, "👍", "--undo")
    talk(ada, "hide", answer)
    assert "Nel mezzo" not in (shown := talk(ben, "show", thread))
    assert "hidden by an owner" in shown
    assert "Nel mezzo" in talk(ben, "show", thread, "--hidden")
    talk(ada, "hide", answer, "--undo")
    assert "Nel mezzo" in talk(ben, "show", thread)
    talk(ada, "remove", answer)
    assert "removed by an owner" in talk(ben, "show", thread)
    last = talk(ben, "reply", thread, "so be it").strip()
    talk(ben, "delete", last)
    assert "(deleted)" in talk(ada, "show", thread)
    assert ada.json("discussions", "outbox") == []


def test_what_cannot_be_is_one_line_that_says_what_to_do(circle: Circle, tmp_path: Path) -> None:
    ada, ben, talk = circle.ada, circle.ben, circle.talk
    thread = talk(ada, "open", circle.highlight, "Why a wood?").strip()
    talk(ben, "sync")
    assert "not yours but of Ada" in talk(ben, "edit", thread, "mine", status=1)
    assert "not yours but of Ada" in talk(ben, "delete", thread, status=1)
    assert "no threads here" in talk(ben, "show", "gone", status=1)
    assert "no posts here" in talk(ben, "react", "gone", "👍", status=1)
    assert "this is empty" in talk(ben, "reply", thread, "  ", status=1)
    assert "no items have an id" in talk(ben, "open", "none", "?", status=1)
    refused = talk(ben, "hide", thread, status=1)
    assert "only an owner" in refused
    (kept,) = ben.json("discussions", "outbox")
    assert kept["id"] in refused
    assert "refused: " in talk(ben, "outbox")
    assert "only an owner" in talk(ben, "retry", kept["id"][:12], status=1)
    talk(ben, "discard", kept["id"][:12])
    assert talk(ben, "outbox") == "0 actions waiting.\n"
    own = circle.own_ada
    assert "not the library of a group" in own("discussions", "list", status=1)


def test_what_is_said_offline_waits_and_the_next_sync_sends_it(
    circle: Circle, relay: RelayProcess, tmp_path: Path
) -> None:
    ada, ben, talk = circle.ada, circle.ben, circle.talk
    thread = talk(ada, "open", circle.highlight, "Why a wood?").strip()
    talk(ben, "sync")
    relay.kill()
    try:
        done = ben.run("discussions", "reply", thread, "written on a plane")
        assert done.status == 0
        assert "waits in the outbox" in done.error
        assert "`crdt-sync sync` sends it" in done.error
        assert ben.json("discussions", "reply", thread, "and this")["sent"] is False
        states = [each["state"] for each in ben.json("discussions", "show", thread)]
        assert states == ["sent", "pending", "pending"]
        assert done.output.strip() in talk(ben, "outbox")
        done = ben.run("discussions", "sync", "--timeout", "5")
        assert (done.status, "2 actions waiting" in done.output) == (3, True)
    finally:
        relay.start()
    assert ben.json("sync")["discussions"]["waiting"] == 0
    assert [each["text"] for each in ada.json("discussions", "show", thread)] == [
        "Why a wood?",
        "written on a plane",
        "and this",
    ]


def test_who_was_removed_is_told_and_goes_on_once_invited_again(circle: Circle) -> None:
    ada, ben, talk = circle.ada, circle.ben, circle.talk
    thread = talk(ada, "open", circle.highlight, "Why a wood?").strip()
    talk(ben, "sync")
    circle.own_ada("groups", "remove", circle.name, "ben")
    told = talk(ben, "reply", thread, "still here", status=1)
    assert "no such room" in told
    (kept,) = ben.json("discussions", "outbox")
    assert [each["text"] for each in ben.json("discussions", "show", thread)] == ["Why a wood?", "still here"]
    circle.own_ben("groups", "accept", circle.invitation(circle.own_ada, circle.name))
    assert ben.json("discussions", "retry", kept["id"]) == {"id": kept["id"], "sent": True}
    assert [each["text"] for each in ada.json("discussions", "show", thread)] == ["Why a wood?", "still here"]

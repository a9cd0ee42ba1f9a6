"""`crdt-sync groups` as two people run it, against a real relay that asks for tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.devices import Device, Here
from tests.relay import RelayProcess
from tests.server.api.tokens import token, token_relay


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


def device_of(subject: str, folder: Path, relay: RelayProcess) -> Here:
    device = Here(folder / f"{subject}.sqlite3")
    device.environment["CRDT_SYNC_TOKEN"] = token(subject)
    device("init", "--relay", relay.url, "--room", f"u/{subject}", "--subject", subject, "--author", subject.title())
    return device


def join(device: Device, told: str, file: Path) -> None:
    """Do what the command said to do for the group's library."""
    (line,) = re.findall(r"^  crdt-sync (init .*)$", told, re.MULTILINE)
    device(*line.replace("FILE", str(file)).split())


def test_two_people_with_a_group(relay: RelayProcess, tmp_path: Path) -> None:
    ada, ben = device_of("ada", tmp_path, relay), device_of("ben", tmp_path, relay)
    join(ada, ada("groups", "create", "Reading circle"), tmp_path / "circle-ada")
    link = ada("groups", "invite", "Reading circle", "--role", "editor").strip()
    assert link.startswith(relay.url.replace("ws", "http"))
    (open_one,) = ada.json("groups", "invitations", "Reading circle")
    assert (open_one["role"], open_one["uses_left"], open_one["link"]) == ("editor", 1, None)
    join(ben, ben("groups", "accept", link), tmp_path / "circle-ben")
    assert "cannot be used" in ada("groups", "accept", "forged", status=1)
    (room,) = (each["room"] for each in ben.json("groups", "list"))
    assert room in ben("groups", "list")

    marked = ada.json("highlight", "add", "Gen.1.1", "In the beginning", "--color", "green", "--tag", "creation")["id"]
    ada("note", "add", "for me alone", "--highlight", marked)
    copied = ada.json("groups", "copy", str(tmp_path / "circle-ada"), marked[:8])
    assert (len(copied["made"]), copied["before"]) == (1, [])
    ada("highlight", "edit", marked, "--color", "blue")
    assert "1 there before" in ada("groups", "copy", str(tmp_path / "circle-ada"), "--tag", "creation")
    ben("sync", "--library", str(tmp_path / "circle-ben"))
    (seen,) = ben.json("highlight", "list", "--library", str(tmp_path / "circle-ben"))
    assert (seen["id"], seen["color"], seen["tags"]) == (copied["made"][0], "green", [])
    assert seen["anchor"]["shared"] == {"of": marked, "by": "ada"}
    ada("groups", "copy", str(tmp_path / "circle-ada"), marked, "--update")
    ben("sync", "--library", str(tmp_path / "circle-ben"))
    assert ben.json("highlight", "list", "--library", str(tmp_path / "circle-ben"))[0]["color"] == "blue"
    assert "say which" in ada("groups", "copy", str(tmp_path / "circle-ada"), status=1)

    ada("groups", "role", room, "ben", "reader")
    assert ("ben", "reader") in {(each["subject"], each["role"]) for each in ada.json("groups", "members", room)}
    ada("groups", "rename", room, "Dante")
    assert "only an owner" in ben("groups", "rename", room, "Ben's", status=1)
    ada("groups", "remove", "Dante", "ben")
    assert ben.json("groups", "list") == []
    assert "last owner" in ada("groups", "leave", "Dante", status=1)
    again = ada.json("groups", "invite", "Dante", "--uses", "0")
    assert again["uses_left"] is None
    ada("groups", "revoke", "Dante", again["id"])
    assert "cannot be used" in ben("groups", "accept", again["link"], status=1)
    ada("groups", "delete", "Dante", "--yes")
    assert ada.json("groups", "list") == []
    assert "no groups called" in ada("groups", "members", "Dante", status=1)


def test_copies_that_the_relay_does_not_have_yet_are_told_of(relay: RelayProcess, tmp_path: Path) -> None:
    ada, circle = device_of("ada", tmp_path, relay), str(tmp_path / "circle")
    join(ada, ada("groups", "create", "Offline"), Path(circle))
    marked = ada.json("highlight", "add", "Gen.1.1")["id"]
    relay.kill()
    try:
        told = ada("groups", "copy", circle, marked, "--timeout", "0.2", status=3)
        assert f"`crdt-sync sync --library {circle}` sends" in told
        done = ada.run("groups", "copy", circle, marked, "--timeout", "0.2", "--json")
        assert (done.status, json.loads(done.output)["sent"]) == (3, False)
    finally:
        relay.start()
    assert ada.json("groups", "copy", circle, marked)["sent"] is True
    assert ada.json("status", "--library", circle)["pending"] == 0


def test_what_is_missing_is_said(relay: RelayProcess, tmp_path: Path) -> None:
    nobody = Here(tmp_path / "nobody.sqlite3")
    nobody("init")
    assert "--relay" in nobody("groups", "list", status=1)
    nobody.environment["CRDT_SYNC_TOKEN"] = "no token"
    assert "token" in nobody("groups", "list", "--relay", relay.url, status=1)
    assert "could not be asked" in nobody("groups", "list", "--relay", "ws://127.0.0.1:1", status=1)
    assert "URL of a relay" in nobody("groups", "list", "--relay", "nonsense", status=1)

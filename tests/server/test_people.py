"""`grants`, `users` and `audit`, through a relay that runs and on its store at rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import Barrier, SyncUpdate
from tests.hostile import RawSocket
from tests.relay import RelayProcess
from tests.server.api.test_documents import edited, post, read
from tests.server.api.tokens import at, client_of, token, token_relay
from tests.server.operating import call, tell


@contextmanager
def group_of(relay: RelayProcess, *members: str) -> Iterator[tuple[httpx.Client, str]]:
    """Make a group of ada, with members who edit."""
    with client_of(relay, "ada") as ada:
        room = ada.post("/groups", json={"name": "Dante"}).json()["room"]
        for name in members:
            made = ada.post(at(room, "/invitations"), json={"role": "editor"}).json()
            with client_of(relay, name) as client:
                assert client.post("/invitations/accept", json={"token": made["token"]}).status_code == 200
        yield ada, room


def grants(data: Path, *which: str) -> dict[str, str]:
    return {each["subject"]: each["role"] for each in tell(data, "grants", "list", *which)}


def test_roles_are_the_same_through_a_relay_and_from_its_store_at_rest(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with token_relay(tmp_path) as relay, group_of(relay, "bob", "cy") as (_, room):
        running = tell(data, "grants", "list")
        assert grants(data, "--room", room) == {"ada": "owner", "bob": "editor", "cy": "editor"}
        audit = tell(data, "audit")
        assert "Dante" in call(data, "grants", "list").stdout.decode()
        assert "create" in call(data, "audit").stdout.decode()
    assert tell(data, "grants", "list") == running
    assert tell(data, "audit") == audit
    assert [each["what"] for each in audit] == ["accept", "invite", "accept", "invite", "create"]
    assert [each["number"] for each in tell(data, "audit", "--before", "4", "--most", "2")] == [3, 2]
    assert {each["about"] for each in tell(data, "audit", "--subject", "bob")} == {"bob"}


def test_a_grant_holds_at_once_for_what_is_open(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with token_relay(tmp_path) as relay, group_of(relay, "bob") as (ada, room):
        with RawSocket(relay.port, f"/{room}?token={token('bob')}") as socket:
            socket.sync()
            assert call(data, "grants", "set", room, "bob", "reader").returncode == 0
            socket.send(SyncUpdate(edited(Doc(), by="bob")), Barrier(1))
            assert socket.until_closed() == 4403
        assert read(ada, room) == {}
        with RawSocket(relay.port, f"/{room}?token={token('bob')}") as socket:
            socket.sync()
            assert call(data, "grants", "remove", room, "bob").returncode == 0
            assert socket.until_closed() == 4403
    assert "set grant" in "".join(relay.output)


def test_the_operator_may_give_a_role_in_a_room_that_is_nobody_s(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with token_relay(tmp_path) as relay, client_of(relay, "bob") as bob:
        assert bob.get(at("team/notes", "/document")).status_code == 404
        call(data, "grants", "set", "team/notes", "bob", "editor")
        assert post(bob, "team/notes", edited(Doc(), by="bob")).status_code == 204
        assert [each["room"] for each in bob.get("/rooms").json()["rooms"]] == ["team/notes"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("grants", "set", "g/none", "bob", "editor"), "no such group"),
        (("grants", "set", "u/ada", "ada", "reader"), "owner for good"),
        (("grants", "set", "x", "bob", "king"), "owner, editor, reader"),
        (("grants", "set", "a//b", "bob", "editor"), "no empty"),
        (("grants", "remove", "x", "bob"), "no such member"),
        (("users", "export", "nobody", "--to", "nowhere"), "nothing is known"),
        (("grants", "set", "x", "a\udcff", "editor"), "is no text"),
        (("audit", "--subject", "a\udcff"), "is no text"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, command: tuple[str, ...], words: str) -> None:
    data = tmp_path / "data"
    with token_relay(tmp_path):
        pass
    done = call(data, *command)
    assert (done.returncode, done.stdout) == (1, b"")
    assert words in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_a_user_is_handed_all_that_is_kept_of_them(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "of ada"
    with token_relay(tmp_path) as relay, group_of(relay) as (ada, room):
        for name in ("u/ada", "u/ada/drafts", room):
            post(ada, name, edited(Doc(), room=name))
        with client_of(relay, "bob") as bob:
            post(bob, "u/bob", edited(Doc(), room="u/bob"))
        assert call(data, "users", "export", "ada", "--to", str(folder)).returncode == 0
        assert call(data, "users", "export", "ada", "--to", str(folder)).returncode == 1, "nothing is written over"
    known = json.loads((folder / "user.json").read_text("utf-8"))
    assert [(each["room"], each["role"]) for each in known["memberships"]] == [(room, "owner")]
    assert [each["what"] for each in known["audit"]] == ["create"]
    found = {}
    for each in known["rooms"]:
        doc: Doc[Any] = Doc()
        doc.apply_update((folder / each["file"]).read_bytes())
        found[each["name"]] = doc.get("m", type=Map).to_py()
    assert found == {name: {"room": name} for name in ("u/ada", "u/ada/drafts")}


def test_a_deleted_user_is_gone_and_the_audit_keeps_that(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with token_relay(tmp_path) as relay, group_of(relay, "bob") as (ada, room):
        alone = ada.post("/groups", json={"name": "of one"}).json()["room"]
        for name in ("u/ada", "u/ada/drafts", room, alone):
            post(ada, name, edited(Doc(), room=name))
        refused = call(data, "users", "delete", "ada", "--yes")
        assert refused.returncode == 1
        assert room in refused.stderr.decode()
        assert read(ada, "u/ada"), "nothing is done by halves"
        call(data, "grants", "set", room, "bob", "owner")
        with RawSocket(relay.port, f"/u/ada?token={token('ada')}") as own, client_of(relay, "bob") as bob:
            own.sync()
            done = tell(data, "users", "delete", "ada", "--yes")
            rooms = sorted([alone, "u/ada", "u/ada/drafts"])
            assert done == {"subject": "ada", "rooms": rooms, "memberships": [room], "discussions": [], "erased": True}
            assert own.until_closed() == 4404
            assert read(bob, room) == {"room": room}, "what is of the group stays"
        for name, status in (("u/ada", 410), ("u/ada/drafts", 410), (alone, 410), (room, 404)):
            assert post(ada, name, edited(Doc(), late="device")).status_code == status
        assert ada.get("/rooms").json()["rooms"] == []
    assert grants(data, "--subject", "ada") == {}
    what = {(each["what"], each["room"]) for each in tell(data, "audit") if each["who"] is None}
    assert {("delete", "u/ada"), ("delete", "u/ada/drafts"), ("delete", alone), ("remove", room)} <= what
    assert call(data, "users", "delete", "ada", "--yes").returncode == 0, "a second time is no error"


def test_a_room_that_the_operator_deletes_is_gone_from_the_lists_of_its_members(tmp_path: Path) -> None:
    with token_relay(tmp_path) as relay, group_of(relay) as (ada, room):
        post(ada, room, edited(Doc(), n=1))
        assert call(tmp_path / "data", "rooms", "delete", room, "--yes").returncode == 0
        assert ada.get("/rooms").json()["rooms"] == []
        assert ada.get(at(room)).status_code == 410


def test_a_restored_backup_lets_nobody_in_again(tmp_path: Path) -> None:
    """Who was removed, made a reader or invited since stays that, and the audit says so."""
    data, backup = tmp_path / "data", tmp_path / "backup"
    with token_relay(tmp_path) as relay, group_of(relay, "bob", "cy") as (ada, room):
        revoked = ada.post(at(room, "/invitations"), json={"role": "editor"}).json()
        kept = ada.post(at(room, "/invitations"), json={"role": "reader"}).json()
        assert call(data, "backup", str(backup)).returncode == 0
        assert ada.delete(at(room, "/members/bob")).status_code == 204
        assert ada.patch(at(room, "/members/cy"), json={"role": "reader"}).status_code == 200
        assert ada.delete(at(room, f"/invitations/{revoked['id']}")).status_code == 204
        other = ada.post("/groups", json={"name": "Homer"}).json()["room"]
        before, audit = tell(data, "grants", "list"), tell(data, "audit")
    assert call(data, "restore", str(backup)).returncode == 0
    assert tell(data, "grants", "list") == before
    assert tell(data, "audit") == audit
    with relay, client_of(relay, "bob") as bob, client_of(relay, "ada") as ada, client_of(relay, "dora") as dora:
        assert bob.get(at(room)).status_code == 404
        assert bob.post("/invitations/accept", json={"token": revoked["token"]}).status_code == 404
        assert ada.get(at(other)).status_code == 200
        assert dora.post("/invitations/accept", json={"token": kept["token"]}).json()["role"] == "reader"
    assert tell(data, "audit")[0]["about"] == "dora"
    assert len(tell(data, "audit")) == len(audit) + 1

"""Actions on a group's threads over a real relay process: who may, what is kept, and every way to forge."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import Barrier, PermissionDenied, SyncStep1, SyncStep2, SyncUpdate
from tests.hostile import RawSocket, until
from tests.poller import Poller
from tests.relay import RelayProcess
from tests.server.api.tokens import at, client_of, token, token_relay


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay"), "--limit", "strikes=20") as relay:
        yield relay


@pytest.fixture
def group(relay: RelayProcess) -> str:
    """A group of ada, who owns it, of bob and cy, who edit, and of rae, who reads."""
    with client_of(relay, "ada") as ada:
        room = ada.post("/groups", json={"name": "Dante"}).json()["room"]
        for subject, role in (("bob", "editor"), ("cy", "editor"), ("rae", "reader")):
            invitation = {"role": role, "lifetime_s": 600, "uses": 1}
            made = ada.post(at(room, "/invitations"), json=invitation).json()["token"]
            with client_of(relay, subject) as other:
                other.post("/invitations/accept", json={"token": made}).raise_for_status()
    return str(room)


def new_id() -> str:
    return secrets.token_hex(16)


def act(relay: RelayProcess, subject: str | None, group: str, do: str, **what: Any) -> httpx.Response:
    what.setdefault("id", new_id())
    with client_of(relay, subject) as client:
        return client.post(at(group, "/discussion"), json={"do": do, **what})


def posted(relay: RelayProcess, subject: str, group: str, text: str) -> str:
    answer = act(relay, subject, group, "open", highlight="h", text=text)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def read(relay: RelayProcess, subject: str, group: str) -> dict[str, Any]:
    with client_of(relay, subject) as client:
        return dict(client.get(at(f"{group}/threads", "/document.json")).raise_for_status().json())


def path_of(group: str, subject: str) -> str:
    return f"/{group}/threads?token={token(subject)}"


def test_an_action_is_answered_once_done_and_all_members_see_it(relay: RelayProcess, group: str) -> None:
    with RawSocket(relay.port, path_of(group, "rae")) as rae:
        rae.send(SyncStep1(b"\x00"))
        rae.hear(SyncStep2)
        thread = posted(relay, "bob", group, "why a wood?")
        assert b"why a wood?" in rae.hear(SyncUpdate).update
    found = read(relay, "rae", group)
    assert found["posts"][thread]["by"] == "bob"
    assert found["posts"][thread]["name"] == "Bob"
    assert found["fields"][f"{thread}/text"] == "why a wood?"


def test_who_is_no_member_learns_nothing_and_readers_read(relay: RelayProcess, group: str) -> None:
    thread = posted(relay, "ada", group, "x")
    for answer, other in (
        (act(relay, "eve", group, "reply", thread=thread, text="x"), act(relay, "eve", "g/none", "delete", post="p")),
        (act(relay, "eve", f"{group}/threads", "delete", post="p"), act(relay, "eve", "u/ada", "delete", post="p")),
    ):
        assert (answer.status_code, other.status_code) == (404, 404)
        assert answer.json() == other.json()
    refused = act(relay, "rae", group, "reply", thread=thread, text="x")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "readers" in refused.json()["detail"]
    assert act(relay, None, group, "reply", thread=thread, text="x").status_code == 401
    with RawSocket(relay.port, path_of(group, "eve")) as eve:
        assert eve.until_closed() == 4403
    with client_of(relay, "eve") as eve_http:
        assert eve_http.get(at(f"{group}/threads", "/document")).status_code == 404


def test_nobody_writes_in_anothers_name_over_http(relay: RelayProcess, group: str) -> None:
    thread = posted(relay, "bob", group, "bob's own")
    for more in ({"by": "ada"}, {"author": "ada"}, {"name": "Ada"}, {"at": 5}, {"number": 1}):
        assert act(relay, "cy", group, "reply", thread=thread, text="forged", **more).status_code == 400
    for do, more in (("edit", {"text": "forged"}), ("delete", {})):
        assert act(relay, "ada", group, do, post=thread, **more).status_code == 403
    assert act(relay, "cy", group, "open", id=thread, highlight="h", text="forged").json()["code"] == "discussion"
    for do in ("hide", "remove"):
        assert act(relay, "cy", group, do, post=thread).status_code == 403
    assert "forged" not in str(read(relay, "bob", group))


def test_nobody_but_the_relay_writes_the_document(relay: RelayProcess, group: str) -> None:
    """By an update over WebSocket, polling and HTTP, an owner too; nothing of it is kept or told to anybody."""
    thread = posted(relay, "bob", group, "bob's own")
    room = f"{group}/threads"
    with client_of(relay, "bob") as bob:
        whole = bob.get(at(room, "/document")).content
    doc: Doc[Any] = Doc()
    doc.apply_update(whole)
    before = doc.get_state()
    doc.get("fields", type=Map)[f"{thread}/text"] = "forged"
    forged = doc.get_update(before)
    with RawSocket(relay.port, path_of(group, "cy")) as witness:
        witness.send(SyncStep1(b"\x00"))
        witness.hear(SyncStep2)
        for subject in ("ada", "bob", "cy", "rae"):
            with RawSocket(relay.port, path_of(group, subject)) as raw:
                raw.send(SyncStep1(b"\x00"), SyncUpdate(forged))
                assert "read-only" in raw.hear(PermissionDenied).reason
                raw.send(Barrier(1))
                assert raw.until_closed() == 4403
            with client_of(relay, subject) as client:
                headers = {"content-type": "application/octet-stream"}
                assert client.post(at(room, "/document"), content=forged, headers=headers).status_code == 403
                assert client.delete(at(room)).status_code in (403, 404)
        with Poller(relay.url, path_of(group, "ada")[1:]) as poller:
            poller.open()
            poller.say(SyncUpdate(forged))
            assert poller.hear(PermissionDenied)
        reply = act(relay, "cy", group, "reply", thread=thread, text="the next that anybody hears")
        assert b"the next" in witness.hear(SyncUpdate).update
    assert reply.status_code == 200
    assert "forged" not in str(read(relay, "bob", group))


def test_the_same_action_is_done_once_also_after_a_kill_of_the_relay(relay: RelayProcess, group: str) -> None:
    thread = posted(relay, "bob", group, "one")
    reply = {"id": new_id(), "thread": thread, "text": "two"}
    edit = {"id": new_id(), "post": thread, "text": "one, edited"}
    newer = {"id": new_id(), "post": thread, "text": "one, edited again"}
    answers = [act(relay, "bob", group, do, **what) for do, what in (("reply", reply), ("edit", edit), ("edit", newer))]
    relay.kill()
    relay.start()
    again = [act(relay, "bob", group, do, **what) for do, what in (("reply", reply), ("edit", edit), ("edit", newer))]
    assert [(each.status_code, each.json()) for each in again] == [(each.status_code, each.json()) for each in answers]
    found = read(relay, "bob", group)
    assert len(found["posts"]) == 2
    assert found["fields"][f"{thread}/posts"] == 2
    assert found["fields"][f"{thread}/text"] == "one, edited again"  # a late copy brings nothing old back


@pytest.mark.parametrize("restarts", [False, True])
def test_what_was_deleted_is_not_in_what_late_joiners_get(relay: RelayProcess, group: str, restarts: bool) -> None:
    posts = [posted(relay, "bob", group, f"never wanted to say {n}") for n in range(2)]
    assert act(relay, "bob", group, "delete", post=posts[0]).status_code == 200
    assert act(relay, "ada", group, "remove", post=posts[1]).status_code == 200
    if restarts:
        relay.kill()
        relay.start()
    with client_of(relay, "cy") as cy:
        whole = cy.get(at(f"{group}/threads", "/document")).content
    assert posts[0].encode() in whole
    assert b"never wanted" not in whole


def test_roles_in_the_group_are_roles_in_its_threads_at_once(relay: RelayProcess, group: str) -> None:
    thread = posted(relay, "bob", group, "x")
    with RawSocket(relay.port, path_of(group, "bob")) as bob, client_of(relay, "ada") as ada:
        bob.send(SyncStep1(b"\x00"))
        bob.hear(SyncStep2)
        ada.patch(at(group, "/members/bob"), json={"role": "reader"}).raise_for_status()
        assert act(relay, "bob", group, "reply", thread=thread, text="x").status_code == 403
        ada.patch(at(group, "/members/bob"), json={"role": "owner"}).raise_for_status()
        assert act(relay, "bob", group, "hide", post=thread).status_code == 200
        bob.hear(SyncUpdate)  # he was a reader of the threads all the time
        bob.send(SyncUpdate(_any_update()))
        assert bob.hear(PermissionDenied)  # and as an owner is one
        ada.patch(at(group, "/members/bob"), json={"role": "editor"}).raise_for_status()
        ada.delete(at(group, "/members/bob")).raise_for_status()
        assert bob.until_closed() == 4403
    assert act(relay, "bob", group, "reply", thread=thread, text="x").status_code == 404


def test_the_threads_go_with_their_group(relay: RelayProcess, group: str, tmp_path: Path) -> None:
    thread = posted(relay, "bob", group, "x")
    with RawSocket(relay.port, path_of(group, "bob")) as bob:
        bob.send(SyncStep1(b"\x00"))
        bob.hear(SyncStep2)
        with client_of(relay, "ada") as ada:
            assert ada.delete(at(group)).status_code == 204
        assert bob.until_closed() == 4404
    gone = act(relay, "bob", group, "reply", thread=thread, text="x")
    assert (gone.status_code, gone.json()["code"]) == (410, "room-deleted")
    with RawSocket(relay.port, path_of(group, "bob")) as late:
        assert late.until_closed() == 4404


def test_refusals_say_what_to_do(relay: RelayProcess, group: str) -> None:
    thread = posted(relay, "bob", group, "x")
    for answer, status, words in (
        (act(relay, "bob", group, "shout", text="x"), 400, "one of open, reply"),
        (act(relay, "bob", group, "open", highlight="h"), 422, "highlight and text"),
        (act(relay, "bob", group, "reply", thread="n" * 20, text="x"), 404, "no such thread"),
        (act(relay, "bob", group, "open", highlight="h", text="ä" * 8193), 422, "make it two"),
        (act(relay, "bob", group, "react", post=thread, reaction="a/b"), 422, "no slash"),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
        assert words in answer.json()["detail"]


def test_a_relay_that_knows_nobody_has_no_discussions(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay:
        answer = act(relay, None, "g/x", "open", highlight="h", text="x")
        assert (answer.status_code, "--auth" in answer.json()["detail"]) == (403, True)
        with RawSocket(relay.port, "/g/x/threads") as raw:
            raw.send(SyncStep1(b"\x00"), SyncUpdate(_any_update()))
            assert raw.hear(PermissionDenied)
        until(lambda: any("READ_ONLY" in line or "close" in line for line in relay.output))


def _any_update() -> bytes:
    doc: Doc[Any] = Doc()
    doc.get("posts", type=Map)["p"] = {"by": "ada", "text": "forged"}
    return doc.get_update()

"""Members and invitations over HTTP, against a real relay process."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier as Meeting

import httpx
import pytest
from pycrdt import Doc

from crdt_sync.protocol.messages import Barrier, SyncUpdate
from tests.hostile import RawSocket
from tests.poller import Poller
from tests.relay import RelayProcess
from tests.server.api.test_documents import edited, post, read
from tests.server.api.tokens import at, client_of, token, token_relay


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay"), "--limit", "questions-burst=1000") as relay:
        yield relay


class People:
    """Clients by name, made as they are asked for."""

    def __init__(self, relay: RelayProcess, stack: ExitStack) -> None:
        self._relay, self._stack, self._clients = relay, stack, dict[str, httpx.Client]()

    def __getitem__(self, name: str) -> httpx.Client:
        if name not in self._clients:
            self._clients[name] = self._stack.enter_context(client_of(self._relay, name))
        return self._clients[name]

    def group(self, owner: str = "ada", **roles: str) -> str:
        """Make a group of `owner`, with members; return its room."""
        room: str = self[owner].post("/groups", json={"name": "a group"}).json()["room"]
        for subject, role in roles.items():
            assert self.accept(subject, self.invite(room, role, owner)["token"]).status_code == 200
        return room

    def invite(self, room: str, role: str, owner: str = "ada", **more: object) -> dict[str, str]:
        made = self[owner].post(at(room, "/invitations"), json={"role": role, **more})
        assert made.status_code == 201, made.text
        found: dict[str, str] = made.json()
        return found

    def accept(self, subject: str, token: str) -> httpx.Response:
        return self[subject].post("/invitations/accept", json={"token": token})

    def roles(self, room: str, who: str = "ada") -> dict[str, str]:
        members = self[who].get(at(room, "/members")).json()["members"]
        return {each["subject"]: each["role"] for each in members}


@pytest.fixture
def people(relay: RelayProcess) -> Iterator[People]:
    with ExitStack() as stack:
        yield People(relay, stack)


def test_who_accepts_is_a_member_with_the_role_that_was_given(people: People) -> None:
    room = people.group()
    made = people.invite(room, "reader", lifetime_s=60, uses=3)
    assert (made["role"], made["uses_left"]) == ("reader", 3)
    accepted = people.accept("bob", made["token"]).json()
    assert (accepted["room"], accepted["name"], accepted["role"]) == (room, "a group", "reader")
    assert people.roles(room, "bob") == {"ada": "owner", "bob": "reader"}
    assert people["bob"].get("/rooms").json()["rooms"] == [accepted]
    (listed,) = people["ada"].get(at(room, "/invitations")).json()["invitations"]
    assert (listed["id"], listed["uses_left"], listed["made_by"]) == (made["id"], 2, "ada")
    assert "token" not in listed


def test_each_role_may_do_its_own_and_no_more(people: People) -> None:
    room = people.group(ed="editor", ria="reader")
    assert post(people["ed"], room, edited(Doc(), by="ed")).status_code == 204
    refused = post(people["ria"], room, edited(Doc(), by="ria"))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    for name in ("ed", "ria"):
        client = people[name]
        assert read(client, room) == {"by": "ed"}
        for answer in (
            client.patch(at(room), json={"name": "mine"}), client.delete(at(room)),
            client.get(at(room, "/invitations")),
            client.post(at(room, "/invitations"), json={"role": "reader"}), client.delete(at(room, "/members/ada")),
            client.patch(at(room, f"/members/{name}"), json={"role": "owner"}),
            client.delete(at(room, "/invitations/x")),
        ):  # fmt: skip
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), answer.text
    assert people["ada"].patch(at(room), json={"name": "Ours"}).json()["name"] == "Ours"
    assert people["ria"].get(at(room)).json()["name"] == "Ours"


def test_a_change_of_role_holds_at_once_for_what_is_open(people: People, relay: RelayProcess) -> None:
    room = people.group(bob="editor")
    with RawSocket(relay.port, f"/{room}?token={token('bob')}") as socket:
        socket.sync()
        changed = people["ada"].patch(at(room, "/members/bob"), json={"role": "reader"})
        assert (changed.status_code, changed.json()["role"]) == (200, "reader")
        socket.send(SyncUpdate(edited(Doc(), by="bob")), Barrier(1))
        assert socket.until_closed() == 4403
        assert read(people["ada"], room) == {}
    with RawSocket(relay.port, f"/{room}?token={token('bob')}") as socket:
        socket.sync()
        assert people["ada"].delete(at(room, "/members/bob")).status_code == 204
        assert socket.until_closed() == 4403
    with Poller(relay.url, room, headers={"authorization": f"Bearer {token('bob')}"}) as poller:
        assert poller.post(poller.next_poll()).status_code == 403
    assert people["bob"].get(at(room, "/document")).status_code == 404


def test_a_group_keeps_an_owner_and_anyone_else_may_leave(people: People) -> None:
    room = people.group(bob="editor")
    for answer in (
        people["ada"].delete(at(room, "/members/me")),
        people["ada"].patch(at(room, "/members/ada"), json={"role": "reader"}),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (409, "last-owner")
    assert people["ada"].patch(at(room, "/members/bob"), json={"role": "owner"}).status_code == 200
    assert people["ada"].delete(at(room, "/members/me")).status_code == 204
    assert people.roles(room, "bob") == {"bob": "owner"}
    assert people["ada"].get(at(room)).status_code == 404


def test_the_members_of_a_shared_library_are_its_subject_and_those_invited(people: People) -> None:
    token_of = people.invite("u/ada", "reader")["token"]
    assert people.accept("bob", token_of).json() | {"since_ms": 0} == {
        "room": "u/ada", "name": None, "role": "reader", "since_ms": 0,
    }  # fmt: skip
    assert people.roles("u/ada", "bob") == {"ada": "owner", "bob": "reader"}
    assert people["bob"].get(at("u/ada/private", "/document")).status_code == 404, "and no room under it"
    refused = people["ada"].patch(at("u/ada", "/members/bob"), json={"role": "owner"})
    assert (refused.status_code, refused.json()["code"]) == (422, "sharing")


def test_a_member_who_is_called_me_is_never_taken_for_who_asks(people: People) -> None:
    room = people.group(me="editor", bob="editor")
    assert people["bob"].delete(at(room, "/members/me")).status_code == 422
    assert people.roles(room) == {"ada": "owner", "bob": "editor", "me": "editor"}
    assert people["me"].delete(at(room, "/members/me")).status_code == 204
    assert people.roles(room) == {"ada": "owner", "bob": "editor"}


def test_members_come_in_pages(people: People) -> None:
    names = {f"m{number}": "reader" for number in range(7)}
    room = people.group(**names)
    found, after = list[str](), ""
    while after is not None:
        page = people["ada"].get(at(room, "/members"), params={"limit": "3", "after": after}).json()
        found, after = found + [each["subject"] for each in page["members"]], page["next"]
    assert found == ["ada", *names]


def unusable(answer: httpx.Response) -> bool:
    told = (answer.status_code, answer.json()["code"], answer.json()["detail"])
    return told == (404, "no-such-invitation", "this invitation cannot be used, or not any more; ask for another")


def test_an_invitation_is_single_use_whoever_comes_at_once(people: People) -> None:
    """Two who take the last use at once: one has it. Twenty rounds, over sockets of their own."""
    with ThreadPoolExecutor(2) as pool:
        people["bob"], people["cy"]
        for _ in range(20):
            room = people.group()
            token_of, meeting = people.invite(room, "editor")["token"], Meeting(2)

            def take(name: str, token_of: str = token_of, meeting: Meeting = meeting) -> httpx.Response:
                meeting.wait(10)
                return people.accept(name, token_of)

            answers = list(pool.map(take, ("bob", "cy")))
            assert sorted(each.status_code for each in answers) == [200, 404]
            assert [unusable(each) for each in answers if each.status_code != 200] == [True]
            assert len(people.roles(room)) == 2


def test_an_invitation_that_is_used_up_revoked_or_of_a_former_owner_cannot_be_used(people: People) -> None:
    room = people.group()
    used = people.invite(room, "reader")
    assert people.accept("bob", used["token"]).status_code == 200
    assert people.accept("bob", used["token"]).status_code == 200, "again by the same is no error"
    assert unusable(people.accept("cy", used["token"]))
    revoked = people.invite(room, "reader")
    assert people["ada"].delete(at(room, f"/invitations/{revoked['id']}")).status_code == 204
    assert people["ada"].delete(at(room, f"/invitations/{revoked['id']}")).status_code == 404
    assert unusable(people.accept("cy", revoked["token"]))
    left = people.invite(room, "editor", uses=None)
    people["ada"].patch(at(room, "/members/bob"), json={"role": "owner"})
    people["ada"].delete(at(room, "/members/me"))
    assert unusable(people.accept("cy", left["token"]))
    assert unusable(people.accept("ada", left["token"]))


def test_who_was_removed_does_not_come_back_with_the_invitation_that_they_used(people: People) -> None:
    room = people.group()
    made = people.invite(room, "editor", uses=None)
    assert people.accept("bob", made["token"]).status_code == 200
    people["ada"].delete(at(room, "/members/bob"))
    assert unusable(people.accept("bob", made["token"]))
    assert people.accept("cy", made["token"]).status_code == 200


def test_a_forged_invitation_is_told_as_little_as_one_that_never_was(people: People, tmp_path: Path) -> None:
    room = people.group()
    made = people.invite(room, "reader", uses=None)
    payload, signature = made["token"].split(".")
    another = f"{signature[:-1]}{'E' if signature.endswith('A') else 'A'}"
    fields = json.loads(base64.urlsafe_b64decode(payload + "=="))
    others = people.group("dan")

    def signed(value: object, signature: str = signature) -> str:
        return f"{base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip('=')}.{signature}"

    with token_relay(tmp_path) as other, client_of(other, "eve") as eve:
        there = eve.post("/groups", json={"name": "of eve"}).json()["room"]
        foreign = eve.post(at(there, "/invitations"), json={"role": "editor"}).json()["token"]
    for forged in (
        payload, f"{payload}.", f".{signature}", "x", "." * 50, f"{payload}.{another}", f"{payload}.{'ü' * 43}",
        signed([1, others, *fields[2:]]), signed([*fields[:3], fields[3] + 10**9]), signed([1, room, "x", fields[3]]),
        signed(fields, ""), foreign, made["token"] + "A", made["token"][1:],
    ):  # fmt: skip
        assert unusable(people.accept("eve", forged)), forged
    assert people.roles(room) == {"ada": "owner"}
    assert people.accept("eve", made["token"]).status_code == 200


def test_what_an_invitation_may_not_be_is_told(people: People) -> None:
    room = people.group()
    for wrong in (
        {"role": "owner"}, {"role": "reader", "lifetime_s": 59}, {"role": "reader", "lifetime_s": 10**8}, {},
        {"role": "reader", "uses": 0}, {"role": "reader", "uses": 1.5}, {"role": "reader", "uses": True},
        {"role": "reader", "lifetime_s": None}, {"role": "reader", "to": "bob"},
    ):  # fmt: skip
        answer = people["ada"].post(at(room, "/invitations"), json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, "body"), wrong
    whole = people["ada"].post(
        at(room, "/invitations"),
        content=b'{"role": "reader", "uses": 2.0}',
        headers={"content-type": "application/json"},
    )
    assert whole.json()["uses_left"] == 2

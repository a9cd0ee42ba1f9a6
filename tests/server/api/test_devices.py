"""The devices of a room over HTTP and by command, against a real relay: who sees which, and when they are gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
from pycrdt import Doc

from tests.hostile import RawSocket
from tests.poller import Poller
from tests.relay import RelayProcess
from tests.server.api.test_documents import edited, post
from tests.server.api.tokens import at, client_of, token, token_relay
from tests.server.operating import call, tell
from tests.server.test_people import group_of
from tests.server.test_tokens import connected


def devices(client: httpx.Client, room: str, **query: str) -> list[dict[str, Any]]:
    answer = client.get(at(room, "/devices"), params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["devices"]
    return found


def seen(client: httpx.Client, room: str) -> list[tuple[str, str | None, str, int, bool]]:
    return [
        (each["subject"], each["device"], each["transport"], each["times"], each["last_ms"] is None)
        for each in devices(client, room)
    ]


def test_an_owner_sees_who_came_and_everybody_else_their_own(tmp_path: Path) -> None:
    """While they are there, after they have left, over all three ways, and after a restart."""
    with token_relay(tmp_path) as relay, group_of(relay, "bob", "cy") as (ada, room):
        with client_of(relay, "bob") as bob, client_of(relay, "cy") as cy, client_of(relay, "eve") as eve:
            ada.patch(at(room, "/members/cy"), json={"role": "reader"})
            assert post(ada, room, edited(Doc(), n=1)).status_code == 204
            with RawSocket(relay.port, f"/{room}?device=e-reader&token={token('bob')}") as socket:
                socket.sync()
                with Poller(relay.url, room, headers={"authorization": f"Bearer {token('cy')}"}) as poller:
                    poller.open()
                    assert seen(ada, room) == [
                        ("ada", None, "api", 1, False),
                        ("bob", "e-reader", "websocket", 1, True),
                        ("cy", None, "polling", 1, True),
                    ]
                    assert seen(bob, room) == [("bob", "e-reader", "websocket", 1, True)]
                    assert seen(cy, room) == [("cy", None, "polling", 1, True)]
            assert eve.get(at(room, "/devices")).content == eve.get(at("g/none", "/devices")).content
            assert eve.get(at(room, "/devices")).status_code == 404
        (bobs,) = [each for each in devices(ada, room) if each["subject"] == "bob"]
        assert bobs["last_ms"] is None or 0 < bobs["first_ms"] <= bobs["last_ms"]
        assert "127.0.0.1" not in ada.get(at(room, "/devices")).text
        before = seen(ada, room)
    with relay, client_of(relay, "ada") as ada:
        assert [each[:4] for each in seen(ada, room)] == [each[:4] for each in before]
        listed = tell(tmp_path / "data", "rooms", "devices", room)
        assert [(each["subject"], each["device"]) for each in listed] == [each[:2] for each in before]
        assert "e-reader" in call(tmp_path / "data", "rooms", "devices", room).stdout.decode()


def test_it_comes_in_pages_and_not_again_while_it_is_the_same(tmp_path: Path) -> None:
    with token_relay(tmp_path) as relay, client_of(relay, "ada") as ada:
        post(ada, "u/ada", edited(Doc(), n=1))
        for number in range(5):
            with RawSocket(relay.port, f"/u/ada?device={number}&token={token('ada')}") as socket:
                socket.sync()
        every = [each["device"] for each in devices(ada, "u/ada")]
        assert every == [None, "0", "1", "2", "3", "4"]
        found: list[str | None] = []
        after: str | None = ""
        while after is not None:
            page = ada.get(at("u/ada", "/devices"), params={"limit": "4", "after": after}).json()
            found += [each["device"] for each in page["devices"]]
            after = page["next"]
        assert found == every
        with RawSocket(relay.port, f"/u/ada?device=0&token={token('ada')}") as socket:
            socket.sync()
            first = ada.get(at("u/ada", "/devices"))
            tag = {"if-none-match": first.headers["etag"]}
            same = ada.get(at("u/ada", "/devices"), headers=tag)
            assert (same.status_code, same.content) == (304, b"")
            with RawSocket(relay.port, f"/u/ada?device=new&token={token('ada')}") as another:
                another.sync()
                assert ada.get(at("u/ada", "/devices"), headers=tag).status_code == 200


def test_a_token_s_name_is_that_of_a_device_which_says_none(tmp_path: Path) -> None:
    made = tell(tmp_path, "tokens", "create", "ada", "--name", "desk lamp")
    with (
        RelayProcess(tmp_path, "--auth", "static") as relay,
        client_of(relay, None, authorization=f"Bearer {made['token']}") as ada,
    ):
        post(ada, "u/ada", edited(Doc(), n=1))
        with connected(relay, made["token"], "u/ada") as session:
            session.receive_bytes(timeout=20)
            assert ("ada", "desk lamp", "websocket", 1, True) in seen(ada, "u/ada")
    (shown,) = tell(tmp_path, "tokens", "list")
    assert shown["used_ms"] >= shown["made_ms"]


def test_they_go_with_the_room_and_with_the_user_and_are_handed_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with token_relay(tmp_path) as relay, group_of(relay, "bob") as (ada, room):
        with client_of(relay, "bob") as bob:
            post(bob, "u/bob", edited(Doc(), n=1))
            post(bob, room, edited(Doc(), n=1))
        post(ada, room, edited(Doc(), m=1))
        assert call(data, "users", "export", "bob", "--to", str(tmp_path / "bob")).returncode == 0
        known = json.loads((tmp_path / "bob" / "user.json").read_text("utf-8"))
        assert [each["room"] for each in known["devices"]] == sorted([room, "u/bob"])
        with RawSocket(relay.port, f"/{room}?device=here&token={token('bob')}") as socket:
            socket.sync()
            tell(data, "users", "delete", "bob", "--yes")
            assert socket.until_closed() == 4403
        assert {each[0] for each in seen(ada, room)} == {"ada"}
        assert ada.delete(at(room)).status_code == 204
        assert ada.get(at(room, "/devices")).status_code == 410
    assert call(data, "rooms", "devices", room).returncode == 1


def test_in_open_mode_nobody_is_known(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay, client_of(relay, None) as anyone:
        post(anyone, "r", edited(Doc(), n=1))
        assert anyone.get(at("r", "/devices")).status_code == 403
        assert tell(tmp_path, "rooms", "devices", "r") == []

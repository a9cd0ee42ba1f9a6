"""Who asks, the rooms of who asks, and groups, over a real relay process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay import RelayProcess
from tests.server.api.tokens import at, client_of, token, token_relay


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay")) as relay:
        yield relay


def test_who_asks_is_told_who_they_are(relay: RelayProcess) -> None:
    with client_of(relay, "ada") as ada:
        assert ada.get("/me").json() == {"subject": "ada", "name": "Ada"}


def test_a_group_is_made_and_is_among_the_rooms_of_its_maker_alone(relay: RelayProcess) -> None:
    with client_of(relay, "bob") as bob, client_of(relay, "eve") as eve:
        made = bob.post("/groups", json={"name": "  Dante, Tuesdays "})
        assert made.status_code == 201
        room = made.json()
        assert room["name"] == "Dante, Tuesdays"
        assert room["role"] == "owner"
        assert room["room"].startswith("g/")
        assert bob.get("/rooms").json() == {"rooms": [room], "next": None}
        assert eve.get("/rooms").json() == {"rooms": [], "next": None}


def test_pages_together_are_the_list(relay: RelayProcess) -> None:
    with client_of(relay, "cy") as cy:
        made = sorted(cy.post("/groups", json={"name": f"group {n}"}).json()["room"] for n in range(7))
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = cy.get("/rooms", params={"limit": "3", "after": after}).json()
            assert len(page["rooms"]) <= 3
            found += [each["room"] for each in page["rooms"]]
            after = page["next"]
        assert found == made


def test_without_a_good_token_nothing_is_told(relay: RelayProcess) -> None:
    with client_of(relay, None) as nobody, client_of(relay, None, authorization="Bearer x.y.z") as liar:
        for client in (nobody, liar):
            for answer in (client.get("/me"), client.get("/rooms"), client.post("/groups", json={"name": "x"})):
                assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
                assert answer.json()["code"] == "unauthenticated"
                assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"name": 1}', b'{"name": ""}', b'{"name": "x", "nmae": 1}', b'{"name": NaN}', b"[" * 60_000,
     b'{"name": "x", "name": "y"}', b"\xff", b'{"name": "\\ud800"}'],
)  # fmt: skip
def test_a_body_that_is_none_is_told_what_it_should_be(relay: RelayProcess, body: bytes) -> None:
    with client_of(relay, "ada", **{"content-type": "application/json"}) as ada:
        answer = ada.post("/groups", content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "body"), answer.text


def test_what_is_not_there_is_told_apart_from_what_it_does_not_take(relay: RelayProcess) -> None:
    with client_of(relay, "ada") as ada:
        assert ada.get("/nothing").json()["code"] == "no-such-path"
        wrong = ada.delete("/me")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert ada.post("/groups", data={"name": "x"}).status_code == 415
        assert ada.get("/rooms", params={"limit": "0"}).json()["code"] == "query"
        assert ada.get("/rooms", params={"token": "x"}).json()["code"] == "query"
        assert ada.post("/groups", json={"name": "x" * 70_000}).status_code == 413


def test_a_name_that_no_store_can_keep_costs_its_bearer_nothing_but_that(relay: RelayProcess) -> None:
    half = token("dan", name="Dan \ud800")
    with client_of(relay, None, authorization=f"Bearer {half}") as dan:
        room = dan.post("/groups", json={"name": "of dan"}).json()["room"]
        assert [each["name"] for each in dan.get(at(room, "/members")).json()["members"]] == ["Dan ?"]


def test_in_open_mode_nobody_has_groups(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay, client_of(relay, None) as anyone:
        assert anyone.get("/me").json() == {"subject": None, "name": None}
        assert anyone.get("/rooms").json() == {"rooms": [], "next": None}
        answer = anyone.post("/groups", json={"name": "x"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "--auth jwt" in answer.json()["detail"]

"""Tokens that people make for themselves over HTTP, against real relays: what they open and what they do not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_ws import WebSocketDisconnect

from tests.relay import RelayProcess
from tests.server.api.tokens import client_of, token, token_relay
from tests.server.operating import call, tell
from tests.server.test_authentication import close_of
from tests.server.test_tokens import connected

DAY_S = 86_400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("static")


@pytest.fixture(scope="module")
def relay(folder: Path) -> Iterator[RelayProcess]:
    with RelayProcess(folder / "data", "--auth", "static") as relay:
        yield relay


@pytest.fixture
def data(folder: Path) -> Path:
    return folder / "data"


@contextmanager
def with_token(relay: RelayProcess, text: str) -> Iterator[httpx.Client]:
    with client_of(relay, None, authorization=f"Bearer {text}") as client:
        yield client


def make(client: httpx.Client, **asked: Any) -> dict[str, Any]:
    answer = client.post("/tokens", json=asked)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def listed(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/tokens").json()["tokens"]
    return found


def refused(answer: httpx.Response, status: int, code: str, words: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert words in answer.json()["detail"]


def test_a_token_is_told_once_and_opens_what_its_subject_s_others_open(relay: RelayProcess, data: Path) -> None:
    first = tell(data, "tokens", "create", "ann", "--name", "desktop")
    with with_token(relay, first["token"]) as ann:
        made = make(ann, name="e-reader")
        assert made["token"].startswith("crdt_")
        assert (made["name"], made["made_with"], made["revoked_ms"]) == ("e-reader", first["id"], None)
        assert made["expires_ms"] - made["made_ms"] == 30 * DAY_S * 1000
        assert [each["id"] for each in listed(ann)] == [first["id"], made["id"]]
        assert made["token"] not in ann.get("/tokens").text
        with with_token(relay, made["token"]) as device:
            assert device.get("/me").json()["subject"] == "ann"
            assert listed(device) == listed(ann)
    with connected(relay, made["token"], "u/ann") as session:
        session.receive_bytes(timeout=20)
    assert [each["id"] for each in tell(data, "tokens", "list") if each["subject"] == "ann"] == [
        first["id"],
        made["id"],
    ]
    stored = b"".join(each.read_bytes() for each in data.iterdir() if each.is_file())
    assert made["token"].encode() not in stored
    assert made["token"] not in "".join(relay.output)


def test_pages_together_are_the_list(relay: RelayProcess, data: Path) -> None:
    first = tell(data, "tokens", "create", "pat")
    with with_token(relay, first["token"]) as pat:
        every = [first["id"], *(make(pat, name=f"{number}")["id"] for number in range(6))]
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = pat.get("/tokens", params={"limit": "3", "after": after}).json()
            found += [each["id"] for each in page["tokens"]]
            after = page["next"]
        assert sorted(found) == sorted(every)


def test_nobody_sees_or_revokes_another_s(relay: RelayProcess, data: Path) -> None:
    """Another's id and one that never was are told alike, to the byte."""
    bens, eves = (tell(data, "tokens", "create", name) for name in ("ben", "eve"))
    with with_token(relay, eves["token"]) as eve, with_token(relay, bens["token"]) as ben:
        assert [each["id"] for each in listed(eve)] == [eves["id"]]
        answers = {eve.delete(f"/tokens/{each}").content for each in (bens["id"], "000000000000")}
        assert len(answers) == 1
        refused(eve.delete(f"/tokens/{bens['id']}"), 404, "no-such-token", "no token")
        assert ben.get("/me").status_code == 200
        assert eve.post("/tokens", json={"subject": "ben"}).json()["code"] == "body"


def test_revoking_closes_what_is_open_within_a_second_and_what_was_made_with_it(
    relay: RelayProcess, data: Path
) -> None:
    """So who has copied a token and made others with it is out with it."""
    first, other = (tell(data, "tokens", "create", "cy") for _ in range(2))
    with with_token(relay, first["token"]) as cy, with_token(relay, other["token"]) as again:
        made = make(cy)
        with connected(relay, first["token"], "u/cy") as one, connected(relay, made["token"], "u/cy") as two:
            for session in (one, two):
                session.receive_bytes(timeout=20)
            began_s = time.monotonic()
            assert again.delete(f"/tokens/{first['id']}").status_code == 204
            for session in (one, two):
                with pytest.raises(WebSocketDisconnect) as caught:
                    list(iter(lambda session=session: session.receive_bytes(timeout=20), b""))  # type: ignore[misc]
                assert caught.value.code == 4401
            assert time.monotonic() - began_s < 1
        for text in (first["token"], made["token"]):
            assert close_of(relay, "u/cy", text)[0] == 4401
        assert cy.post("/tokens", json={}).status_code == 401
        assert [each["revoked_ms"] is None for each in listed(again)] == [False, True, False]
        assert again.delete(f"/tokens/{first['id']}").status_code == 204, "a second time is no error"
        assert again.delete(f"/tokens/{other['id']}").status_code == 204, "one may revoke the one that one uses"
        assert again.get("/me").status_code == 401
    lines = [
        (each["who"], each["what"], each["about"], each["detail"]) for each in tell(data, "audit", "--room", "u/cy")
    ]
    assert lines == [
        ("cy", "revoke token", "cy", other["id"]),
        ("cy", "revoke token", "cy", first["id"]),
        ("cy", "make token", "cy", made["id"]),
        (None, "make token", "cy", other["id"]),
        (None, "make token", "cy", first["id"]),
    ]


def test_a_token_does_not_outlive_the_one_it_is_made_with(relay: RelayProcess, data: Path) -> None:
    short = tell(data, "tokens", "create", "dan", "--expires", "12h")
    with with_token(relay, short["token"]) as dan:
        assert make(dan)["expires_ms"] <= short["expires_ms"]
        refused(dan.post("/tokens", json={"lifetime_s": 13 * 3600}), 422, "token", "lives for 60 to")
        made = make(dan, lifetime_s=60)
        assert made["expires_ms"] - made["made_ms"] == 60_000
        for wrong in (0, 59, -1, 367 * DAY_S, "60", None, 60.5):
            assert dan.post("/tokens", json={"lifetime_s": wrong}).status_code == 400, wrong


def test_a_token_that_was_made_so_makes_no_other(relay: RelayProcess, data: Path) -> None:
    first = tell(data, "tokens", "create", "eli")
    with with_token(relay, first["token"]) as eli, with_token(relay, make(eli)["token"]) as device:
        refused(device.post("/tokens", json={}), 403, "forbidden", "makes no other")


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 201, 7])
def test_a_name_is_one_that_can_be_shown(relay: RelayProcess, data: Path, name: Any) -> None:
    first = tell(data, "tokens", "create", "fay")
    with with_token(relay, first["token"]) as fay:
        assert fay.post("/tokens", json={"name": name}).status_code in (400, 422)
        assert {each["made_with"] for each in listed(fay)} == {None}


def test_without_a_token_nothing_is_told_and_in_open_mode_there_are_none(relay: RelayProcess, tmp_path: Path) -> None:
    with client_of(relay, None) as nobody:
        for answer in (nobody.get("/tokens"), nobody.post("/tokens", json={}), nobody.delete("/tokens/x")):
            assert answer.json()["code"] == "unauthenticated"
    with RelayProcess(tmp_path) as opened, client_of(opened, None) as anyone:
        for answer in (anyone.get("/tokens"), anyone.post("/tokens", json={}), anyone.delete("/tokens/x")):
            refused(answer, 403, "forbidden", "--auth static")


def test_who_signs_in_makes_none_unless_the_operator_lets_them(tmp_path: Path) -> None:
    """A token of the relay outlives one of the provider, and its revocation there."""
    with token_relay(tmp_path) as relay, client_of(relay, "ada") as ada:
        refused(ada.post("/tokens", json={}), 403, "forbidden", "the operator can")
        assert listed(ada) == []


def test_where_the_operator_lets_them_it_lives_for_so_many_days(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with token_relay(tmp_path, "--jwt-token-days", "2") as relay, client_of(relay, "ada") as ada:
        made = make(ada)
        assert (made["made_with"], made["expires_ms"] - made["made_ms"]) == ("provider", 2 * DAY_S * 1000)
        refused(ada.post("/tokens", json={"lifetime_s": 2 * DAY_S + 1}), 422, "token", f"60 to {2 * DAY_S} s")
        with with_token(relay, made["token"]) as device:
            assert device.get("/me").json() == {"subject": "ada", "name": None}
            refused(device.post("/tokens", json={}), 403, "forbidden", "makes no other")
        exported = tmp_path / "exported"
        assert call(data, "users", "export", "ada", "--to", str(exported)).returncode == 0
        assert made["id"] in (exported / "user.json").read_text("utf-8")
        tell(data, "users", "delete", "ada", "--yes")
        assert close_of(relay, "u/ada/x", made["token"])[0] == 4401


def test_a_provider_s_token_that_says_it_is_ours_is_none(tmp_path: Path) -> None:
    with token_relay(tmp_path, "--jwt-token-days", "2") as relay, client_of(relay, "ada") as ada:
        made = make(ada)
        with with_token(relay, "crdt_" + token("ada")) as liar, with_token(relay, made["token"][:-1]) as guesser:
            for client in (liar, guesser):
                assert client.get("/tokens").status_code == 401

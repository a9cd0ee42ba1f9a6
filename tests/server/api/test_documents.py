"""Documents over HTTP, against a real relay process: read, edited through the room, tagged, and refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pycrdt import Doc, Map

from crdt_sync.protocol.messages import Barrier, SyncStep1, SyncStep2, SyncUpdate
from tests.hostile import RawSocket
from tests.relay import RelayProcess
from tests.server.api.tokens import at, client_of, token, token_relay

OCTETS = {"content-type": "application/octet-stream"}
QUOTA = 200_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("relay")


@pytest.fixture(scope="module")
def relay(folder: Path) -> Iterator[RelayProcess]:
    with token_relay(folder, "--room-quota-bytes", str(QUOTA), "--limit", "questions-burst=1000") as relay:
        yield relay


@pytest.fixture
def ada(relay: RelayProcess) -> Iterator[httpx.Client]:
    with client_of(relay, "ada") as client:
        yield client


def edited(doc: Doc[Any], **fields: Any) -> bytes:
    """Set fields of the root `m`, and return the update that this makes."""
    before = doc.get_state()
    fields_of(doc).update(fields)
    return doc.get_update(before)


def fields_of(doc: Doc[Any]) -> Map[Any]:
    return doc.get("m", type=Map)


def post(client: httpx.Client, room: str, update: bytes) -> httpx.Response:
    return client.post(at(room, "/document"), content=update, headers=OCTETS)


def read(client: httpx.Client, room: str) -> dict[str, Any]:
    answer = client.get(at(room, "/document"))
    assert answer.status_code == 200, answer.text
    doc: Doc[Any] = Doc()
    doc.apply_update(answer.content)
    return dict(fields_of(doc).to_py() or {})


def vector(doc: Doc[Any]) -> str:
    return base64.urlsafe_b64encode(doc.get_state()).decode().rstrip("=")


def test_what_is_posted_is_what_is_read_in_all_forms(ada: httpx.Client) -> None:
    doc: Doc[Any] = Doc()
    assert read(ada, "u/ada") == {}
    assert post(ada, "u/ada", edited(doc, colour="yellow")).status_code == 204
    assert post(ada, "u/ada", edited(doc, page=7)).status_code == 204
    assert read(ada, "u/ada") == {"colour": "yellow", "page": 7}
    assert ada.get(at("u/ada", "/document.json")).json() == {"m": {"colour": "yellow", "page": 7}}
    assert ada.get("/rooms").json()["rooms"] == [{"room": "u/ada", "name": None, "role": "owner", "since_ms": None}]


def test_a_state_vector_asks_for_what_it_lacks(ada: httpx.Client) -> None:
    mine: Doc[Any] = Doc()
    post(ada, "u/ada/diff", edited(mine, big="x" * 5000))
    theirs: Doc[Any] = Doc()
    theirs.apply_update(mine.get_update())
    post(ada, "u/ada/diff", edited(theirs, small=1))
    lacks = ada.get(at("u/ada/diff", "/document"), params={"state_vector": vector(mine)})
    assert len(lacks.content) < 200
    mine.apply_update(lacks.content)
    assert fields_of(mine).to_py() == {"big": "x" * 5000, "small": 1}


def test_an_update_reaches_who_is_in_the_room_and_an_edit_of_theirs_is_read(
    relay: RelayProcess, ada: httpx.Client
) -> None:
    mine: Doc[Any] = Doc()
    with RawSocket(relay.port, f"/u/ada/live?token={token('ada')}") as socket:
        socket.sync()
        update = edited(mine, over="http")
        assert post(ada, "u/ada/live", update).status_code == 204
        assert socket.hear(SyncUpdate).update == update
        socket.send(SyncUpdate(edited(mine, by="socket")), Barrier(1))
        socket.hear(Barrier)
        assert read(ada, "u/ada/live") == {"over": "http", "by": "socket"}


def test_what_was_answered_outlives_a_kill(tmp_path: Path) -> None:
    with token_relay(tmp_path) as relay, client_of(relay, "ada") as ada:
        doc: Doc[Any] = Doc()
        for number in range(20):
            assert post(ada, "u/ada", edited(doc, **{str(number): number})).status_code == 204
        relay.kill()
        relay.start()
        assert read(ada, "u/ada") == {str(number): number for number in range(20)}


def test_a_gap_is_refused_at_once_with_what_is_lacked_and_nothing_of_it_is_kept(ada: httpx.Client) -> None:
    doc: Doc[Any] = Doc()
    first, second = edited(doc, first=1), edited(doc, second=2)
    refused = post(ada, "u/ada/gap", second)
    assert (refused.status_code, refused.json()["code"]) == (409, "lacks-content")
    assert read(ada, "u/ada/gap") == {}
    said = refused.json()["state_vector"]
    whole = doc.get_update(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))
    assert post(ada, "u/ada/gap", whole).status_code == 204
    assert read(ada, "u/ada/gap") == {"first": 1, "second": 2}
    assert post(ada, "u/ada/gap", first).status_code == 204, "what is there already is no error"


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xff" * 50, b"no update", b"\x01\x01\x01"])
def test_bytes_that_are_no_update_are_refused(ada: httpx.Client, body: bytes) -> None:
    refused = post(ada, "u/ada/bytes", body)
    assert (refused.status_code, refused.json()["code"]) == (400, "not-an-update")
    assert read(ada, "u/ada/bytes") == {}


def test_the_quota_holds_and_a_body_above_what_a_message_may_have_is_not_taken(
    ada: httpx.Client, tmp_path: Path
) -> None:
    doc: Doc[Any] = Doc()
    assert post(ada, "u/ada/full", edited(doc, a="x" * 100_000)).status_code == 204
    refused = post(ada, "u/ada/full", edited(doc, b="y" * 150_000))
    assert (refused.status_code, refused.json()["code"]) == (413, "too-big")
    assert list(read(ada, "u/ada/full")) == ["a"]
    with token_relay(tmp_path, "--max-message-bytes", "2000") as relay, client_of(relay, "ada") as other:
        assert post(other, "u/ada", edited(Doc(), a="x" * 3000)).status_code == 413
        assert post(other, "u/ada", edited(Doc(), a="x" * 1000)).status_code == 204


def test_a_tag_says_whether_anything_has_changed(ada: httpx.Client) -> None:
    doc: Doc[Any] = Doc()
    posted = post(ada, "u/ada/tag", edited(doc, n=1))
    assert "etag" not in posted.headers, "it may hold what others wrote, and this has not read"
    got = ada.get(at("u/ada/tag", "/document"))
    tag = got.headers["etag"]
    assert got.headers["cache-control"] == "private, no-cache, no-transform"
    for path in ("/document", "/document.json"):
        same = ada.get(at("u/ada/tag", path), headers={"if-none-match": f'"other", {tag}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    del fields_of(doc)["n"]
    assert post(ada, "u/ada/tag", doc.get_update()).status_code == 204, "a deletion alone"
    changed = ada.get(at("u/ada/tag", "/document"), headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_a_tag_does_not_outlive_its_process(tmp_path: Path) -> None:
    """A store that is put back counts its positions again: the same number may be another document."""
    with token_relay(tmp_path) as relay, client_of(relay, "ada") as ada:
        post(ada, "u/ada", edited(Doc(), n=1))
        tag = ada.get(at("u/ada", "/document")).headers["etag"]
        relay.kill()
        relay.start()
        assert ada.get(at("u/ada", "/document"), headers={"if-none-match": tag}).status_code == 200


def test_another_s_room_and_one_that_is_not_there_answer_the_same(relay: RelayProcess, ada: httpx.Client) -> None:
    post(ada, "u/ada", edited(Doc(), secret="of ada"))
    room = ada.post("/groups", json={"name": "of ada"}).json()["room"]
    with client_of(relay, "eve") as eve:
        for method, rest, more in (
            ("GET", "", {}), ("GET", "/document", {}), ("GET", "/document.json", {}), ("GET", "/members", {}),
            ("GET", "/invitations", {}), ("DELETE", "", {}), ("DELETE", "/members/ada", {}),
            ("DELETE", "/members/me", {}), ("DELETE", "/invitations/x", {}),
            ("PATCH", "", {"json": {"name": "x"}}), ("PATCH", "/members/ada", {"json": {"role": "reader"}}),
            ("POST", "/invitations", {"json": {"role": "reader"}}),
            ("POST", "/document", {"content": b"\x00\x00", "headers": OCTETS}),
        ):  # fmt: skip
            answers = [
                eve.request(method, at(each, rest), **more) for each in (room, "u/ada", "g/none", "u/nobody", "x")
            ]
            first = answers[0]
            assert first.status_code == 404, (method, rest, first.text)
            for answer in answers:
                assert (answer.status_code, answer.content) == (404, first.content), (method, rest)
                told = {name: value for name, value in answer.headers.items() if name != "date"}
                assert told == {name: value for name, value in first.headers.items() if name != "date"}


def test_a_deleted_room_is_gone_for_all_and_late_devices_do_not_bring_it_back(
    relay: RelayProcess, ada: httpx.Client
) -> None:
    room = ada.post("/groups", json={"name": "short"}).json()["room"]
    doc: Doc[Any] = Doc()
    post(ada, room, edited(doc, gone="soon"))
    with RawSocket(relay.port, f"/{room}?token={token('ada')}") as socket:
        socket.sync()
        assert ada.delete(at(room)).status_code == 204
        assert socket.until_closed() == 4404
    with RawSocket(relay.port, f"/{room}?token={token('ada')}") as late:
        late.send(SyncStep1(b"\x00"), SyncStep2(doc.get_update()))
        assert late.until_closed() == 4404
    for answer in (
        post(ada, room, doc.get_update()), ada.get(at(room, "/document")), ada.get(at(room)), ada.delete(at(room)),
        ada.get(at(room, "/members")), ada.post(at(room, "/invitations"), json={"role": "reader"}),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (410, "room-deleted"), answer.text
    assert room not in [each["room"] for each in ada.get("/rooms").json()["rooms"]]
    relay.kill()
    relay.start()
    with client_of(relay, "ada") as again:
        assert post(again, room, doc.get_update()).status_code == 410


def test_a_room_of_one_s_own_is_deleted_and_one_that_was_never_there_is_not(ada: httpx.Client) -> None:
    assert ada.delete(at("u/ada/never")).status_code == 404
    assert post(ada, "u/ada/never", edited(Doc(), still="usable")).status_code == 204
    assert ada.delete(at("u/ada/never")).status_code == 204
    assert ada.get(at("u/ada/never", "/document")).status_code == 410


def test_the_name_of_a_room_is_one_part_of_the_path_in_one_form(ada: httpx.Client) -> None:
    post(ada, "u/ada/café", edited(Doc(), n=1))
    assert read(ada, "u/ada/cafe\u0301") == {"n": 1}, "composed and not is one name"
    assert ada.get("/rooms/u/ada/document").json()["code"] == "no-such-path", "a slash must be written %2F"
    for raw in ("%00", "..%2Fx", "%ff", "a%2F%2Fb"):
        answer = ada.get(f"/rooms/{raw}/document")
        assert (answer.status_code, answer.json()["code"]) == (400, "room-name"), raw


def test_in_open_mode_everybody_edits_and_nobody_deletes(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay, client_of(relay, None) as anyone:
        assert post(anyone, "any/room", edited(Doc(), n=1)).status_code == 204
        assert read(anyone, "any/room") == {"n": 1}
        about = anyone.get(at("any/room")).json()
        assert about == {"room": "any/room", "name": None, "role": "editor", "since_ms": None}
        for method, rest in (("DELETE", ""), ("GET", "/members"), ("GET", "/invitations"), ("DELETE", "/members/me")):
            assert anyone.request(method, at("any/room", rest)).status_code == 403


def test_rates_hold_over_the_requests_of_a_subject(tmp_path: Path) -> None:
    few = ("--limit", "questions-burst=3", "--limit", "questions-per-minute=1")
    with token_relay(tmp_path, *few) as relay, client_of(relay, "ada") as ada, client_of(relay, "bob") as bob:
        statuses = [ada.get(at("u/ada", "/document")).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert ada.get(at("u/ada", "/document")).headers["retry-after"]
        assert bob.get(at("u/bob", "/document")).status_code == 200, "and of nobody else"

"""Pages in browsers: which may ask, what they may read, and what every answer says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.relay import RelayProcess
from tests.server.api.tokens import at, client_of, token_relay

GOOD, EVIL = "https://reader.example", "https://evil.example"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with token_relay(tmp_path_factory.mktemp("relay"), "--allow-origin", GOOD) as relay:
        yield relay


def test_a_page_of_a_listed_site_may_ask_and_read(relay: RelayProcess) -> None:
    with client_of(relay, None, origin=GOOD) as page:
        asked = page.options(at("u/ada", "/document"), headers={"access-control-request-method": "POST"})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == GOOD
        assert "POST" in asked.headers["access-control-allow-methods"]
        assert "authorization" in asked.headers["access-control-allow-headers"]
        refused = page.get("/me")
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, GOOD), "it reads why"
    with client_of(relay, "ada", origin=GOOD) as page:
        read = page.get(at("u/ada", "/document"))
        assert (read.status_code, read.headers["access-control-allow-origin"], read.headers["vary"]) == (
            200,
            GOOD,
            "origin",
        )
        assert "etag" in read.headers["access-control-expose-headers"]


def test_a_page_of_another_site_changes_and_reads_nothing_even_with_a_token(relay: RelayProcess) -> None:
    with client_of(relay, "ada", origin=EVIL) as page, client_of(relay, "ada") as ada:
        for answer in (
            page.get("/me"), page.options("/me"), page.post("/groups", json={"name": "x"}), page.delete(at("u/ada")),
        ):  # fmt: skip
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            assert "access-control-allow-origin" not in answer.headers
        assert ada.get("/rooms").json()["rooms"] == []


def test_a_form_of_any_site_cannot_bring_what_a_route_takes(relay: RelayProcess) -> None:
    """A form is sent without a preflight: as text, as fields or as files, and never as JSON."""
    with client_of(relay, "ada") as ada:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            assert ada.post("/groups", content=b'{"name": "x"}', headers={"content-type": kind}).status_code == 415


def test_open_mode_keeps_foreign_pages_and_bent_names_out(tmp_path: Path) -> None:
    with RelayProcess(tmp_path) as relay:
        for headers in ({"origin": EVIL}, {"host": "bent.example"}):
            with client_of(relay, None, **headers) as page:
                assert page.get(at("room", "/document")).status_code == 403
                assert page.post(at("room", "/document"), content=b"\x00\x00").status_code == 403
        with client_of(relay, None, origin="http://localhost:5173") as page:
            assert page.get(at("room", "/document")).headers["access-control-allow-origin"] == "http://localhost:5173"


def test_every_answer_says_that_it_is_no_page_and_that_nobody_keeps_it(relay: RelayProcess) -> None:
    with client_of(relay, "ada") as ada:
        answers = [ada.get("/me"), ada.get("/nothing"), ada.get("/openapi.json"), ada.post("/me"), ada.head("/me")]
        for answer in answers:
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert answer.headers["cache-control"] == "no-store, no-transform"
        assert (answers[-1].status_code, answers[-1].content) == (200, b"")


def test_a_precondition_that_cannot_be_kept_is_not_passed_over(relay: RelayProcess) -> None:
    with client_of(relay, "ada") as ada:
        answer = ada.post("/groups", json={"name": "x"}, headers={"if-match": '"1"'})
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition")
        assert ada.post("/groups", json={"name": "x"}, headers={"if-match": "*"}).status_code == 201


def test_who_is_refused_before_the_body_was_read_still_reads_why(relay: RelayProcess) -> None:
    with client_of(relay, "ada", **{"content-type": "application/octet-stream"}) as ada:
        answer: httpx.Response = ada.post(at("u/bob", "/document"), content=b"x" * 8_000_000)
        assert answer.status_code == 404

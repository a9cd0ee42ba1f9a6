"""The reader's files over HTTP: what is served, how it is kept, and what never is."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from crdt_sync_server.auth.open import OpenAuthenticator, OpenAuthority
from crdt_sync_server.gate import Gate
from crdt_sync_server.http import respond_json
from crdt_sync_server.reader_files import ReaderFace

SCRIPT = b"console.log('here');\n" * 50


async def elsewhere(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await respond_json(send, 404, {"error": "no such path"})


def ask(folder: Path, method: str, path: str, *, base: str = "http://127.0.0.1:8765", **headers: str) -> httpx.Response:
    face = ReaderFace(Gate(OpenAuthenticator(), OpenAuthority(), within_s=5), otherwise=elsewhere, folder=folder)
    named = {name.replace("_", "-"): value for name, value in {"accept_encoding": "identity", **headers}.items()}

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(face)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            await client.get("/", headers={"accept-encoding": "identity"})  # the folder is read with the first page
            return await client.request(method, path, headers=named)

    return anyio.run(run)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    built = tmp_path / "static"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html><title>Reader</title>", "utf-8")
    (built / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (built / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "secret").write_text("not for anybody", "utf-8")
    return built


def test_the_page_comes_with_a_strict_policy_and_is_asked_for_anew(folder: Path) -> None:
    answer = ask(folder, "GET", "/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy, "no other host is named"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ask(folder, "GET", "/index.html").text == answer.text


def test_what_has_its_hash_in_its_name_is_kept_for_good(folder: Path) -> None:
    answer = ask(folder, "GET", "/assets/index-abc.js")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.content == SCRIPT


def test_a_known_tag_is_answered_without_the_file(folder: Path) -> None:
    tag = ask(folder, "GET", "/assets/index-abc.js").headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        answer = ask(folder, "GET", "/assets/index-abc.js", if_none_match=known)
        assert (answer.status_code, answer.content) == (304, b"")
    assert ask(folder, "GET", "/assets/index-abc.js", if_none_match='"other"').status_code == 200


def test_the_best_encoding_that_is_there_and_that_is_accepted(folder: Path) -> None:
    packed = ask(folder, "GET", "/assets/index-abc.js", accept_encoding="br, gzip;q=0.5")
    assert packed.headers["content-encoding"] == "gzip", "of brotli there is no file"
    assert packed.content == SCRIPT
    plain = ask(folder, "GET", "/assets/index-abc.js", accept_encoding="gzip;q=0, identity")
    assert "content-encoding" not in plain.headers
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    "path", ["/../secret", "/assets/../../secret", "/%2e%2e/secret", "/assets/%2e%2e/%2e%2e/secret", "/secret"]
)
def test_nothing_outside_of_the_build_is_served(folder: Path, path: str) -> None:
    answer = ask(folder, "GET", path)
    assert answer.status_code == 404
    assert "not for anybody" not in answer.text


def test_only_get_and_head(folder: Path) -> None:
    answer = ask(folder, "POST", "/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert ask(folder, "HEAD", "/").headers["content-length"] == str((folder / "index.html").stat().st_size)


def test_a_name_that_was_bent_to_this_machine_gets_nothing(folder: Path) -> None:
    assert ask(folder, "GET", "/", base="http://evil.example").status_code == 403
    assert ask(folder, "GET", "/assets/index-abc.js", origin="https://evil.example").status_code == 403


def test_without_a_build_the_page_says_how_to_get_one(tmp_path: Path) -> None:
    answer = ask(tmp_path / "nothing", "GET", "/")
    assert answer.status_code == 200
    assert "make web" in answer.text
    assert "docs/reader.md" in answer.text
    assert ask(tmp_path / "nothing", "GET", "/assets/index-abc.js").status_code == 404


def test_a_build_that_comes_later_is_found(tmp_path: Path, folder: Path) -> None:
    face = ReaderFace(
        Gate(OpenAuthenticator(), OpenAuthority(), within_s=5), otherwise=elsewhere, folder=tmp_path / "later"
    )

    async def run() -> tuple[str, str]:
        transport = httpx.ASGITransport(face)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            before = await client.get("/")
            folder.rename(tmp_path / "later")
            return before.text, (await client.get("/")).text

    before, after = anyio.run(run)
    assert "not built" in before
    assert "Reader" in after

"""What the log says, and what it must never say."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import anyio
import httpx
import pytest
from httpx_ws import connect_ws

from crdt_sync import Anchor, open_library
from crdt_sync.protocol.messages import Awareness, AwarenessEntry, SyncUpdate, encode
from crdt_sync_server import logs
from crdt_sync_server.config import LogFormat
from tests.relay import RelayProcess
from tests.server.operating import tell
from tests.server.test_process import close_code, update

SECRET = "Kilroy-was-here"


def events(relay: RelayProcess) -> list[dict[str, object]]:
    return [json.loads(line) for line in relay.output if line.startswith("{")]


def test_each_line_has_fields_one_for_each_connect_and_close_and_none_has_content(tmp_path: Path) -> None:
    """Everything that a client can say says the secret: notes, presence, tokens, what is broken and what is refused."""
    data = tmp_path / "data"
    with RelayProcess(data, "--log-format", "json") as relay:
        http = relay.url.replace("ws", "http")

        async def work() -> None:
            for transport in ("websocket", "polling"):
                async with open_library(
                    tmp_path / transport, relay=relay.url, room="ada", token=SECRET, transport=transport
                ) as library:
                    library.presence.set({"name": SECRET})
                    await library.add_highlight(Anchor.verse("Gen.1.1", work="Bible.KJV", quote=SECRET), tags=[SECRET])
                    await library.add_note(SECRET, title=SECRET)
                    assert await library.synced(timeout_s=20)

        anyio.run(work)
        presence = encode(Awareness((AwarenessEntry(1, 1, json.dumps({"name": SECRET})),)))
        broken = encode(SyncUpdate(update(SECRET, SECRET)))
        with httpx.Client() as client:
            for frame in (broken[:-4], presence[:-4], encode(SyncUpdate(SECRET.encode()))):
                with connect_ws(f"{http}/broken?token={SECRET}", client) as session:
                    session.send_bytes(frame)
                    assert close_code(session) == 4400
            with connect_ws(
                f"{http}/ada?token={SECRET}", client, headers={"origin": "https://evil.example"}
            ) as session:
                assert close_code(session) == 4403
            assert client.post(f"{http}/sync/ada?token={SECRET}", content=SECRET).status_code == 400
        tell(data, "rooms", "compact", "ada")
        tell(data, "rooms", "delete", "ada", "--yes")
        relay.terminate()
    assert not any(SECRET in line for line in relay.output)
    lines = events(relay)
    for line in lines:
        assert {"time", "level", "event", "message"} <= line.keys()
        if line["event"] in ("open", "close"):
            assert {"room", "client", "transport"} <= line.keys()
    for room, count in (("ada", 2), ("broken", 3)):
        for event in ("open", "close"):
            assert [(line["event"], line.get("room")) for line in lines].count((event, room)) == count
    ends = [line for line in lines if line["event"] == "close" and line["room"] == "broken"]
    assert [line["code"] for line in ends] == [4400] * 3
    assert all(line["reason"] for line in ends)
    assert [line["code"] for line in lines if line["event"] == "refuse"] == [4403]
    assert [line["do"] for line in lines if line["event"] == "admin"] == ["compact", "delete"]


def test_lines_for_people_read_as_words(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("crdt_sync_server")
    before = logger.handlers, logger.level, logger.propagate
    try:
        logs.configure(LogFormat.CONSOLE)
        logs.tell("open", room="ada's", client="127.0.0.1", subject=None, code=4404, reason="the document was deleted")
        logs.configure(LogFormat.JSON)
        try:
            raise ValueError("a bug")
        except ValueError:
            logs.tell("failed", logging.CRITICAL, room="ada")
        logging.getLogger("crdt_sync_server.hypercorn").warning("a server's %s", "words")
    finally:
        logger.handlers, logger.level, logger.propagate = before
    people, bug, foreign = capsys.readouterr().err.splitlines()
    assert people.endswith("open room=\"ada's\" client=127.0.0.1 code=4404 reason='the document was deleted'")
    assert "ValueError: a bug" in json.loads(bug)["traceback"]
    assert json.loads(foreign)["event"] == "crdt_sync_server.hypercorn"
    assert json.loads(foreign)["message"] == "a server's words"

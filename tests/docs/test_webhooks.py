"""docs/webhooks.md: the receiver that it shows runs, believes a real relay, and nobody else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import typer.main

from crdt_sync_server import posting, webhook_deliveries, webhook_desk, webhook_queue
from crdt_sync_server.changes import Event
from crdt_sync_server.cli.app import app
from crdt_sync_server.webhook_queue import WebhookBounds
from tests.relay import RelayProcess
from tests.server.operating import edit, tell
from tests.server.receiver import nobody_s_port, wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
(SCRIPT,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@contextmanager
def shown_receiver(port: int, secret: str) -> Iterator[list[str]]:
    """Run the receiver of the page, and yield the lines that it prints."""
    here = {**os.environ, "WEBHOOK_SECRET": secret, "PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, env=here)
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    assert lines[0] == f"listens on {port}\n"
    reader = threading.Thread(target=lines.extend, args=(process.stdout,))
    reader.start()
    try:
        yield lines
    finally:
        process.terminate()
        process.wait(20)
        reader.join(20)
        process.stdout.close()


def test_the_receiver_believes_the_relay_and_nobody_else(tmp_path: Path) -> None:
    data, port = tmp_path / "data", nobody_s_port()
    url = f"http://127.0.0.1:{port}/changed"
    secret = tell(data, "webhooks", "add", url)["secret"]
    with shown_receiver(port, secret) as lines, RelayProcess(data, "--webhook-gather", "0") as relay:
        edit(relay, tmp_path / "ada", "u/ada", "one")
        wait_until(lambda: "changed u/ada\n" in lines)
        tell(data, "rooms", "delete", "u/ada", "--yes")
        wait_until(lambda: "deleted u/ada\n" in lines)
        heard = len(lines)
        good = _call(secret, "msg_1", int(time.time()))
        for lie in (
            _call("whsec_" + base64.b64encode(b"another secret").decode(), "msg_2", int(time.time())),
            _call(secret, "msg_3", int(time.time()) - 301),
            _call(secret, "msg_4", int(time.time()) + 400),
            {**good, "webhook-id": "msg_5"},
            {**good, "webhook-timestamp": "1"},
            {**good, "webhook-timestamp": "soon"},
            {**good, "webhook-signature": "v1,é".encode()},
            {},
        ):
            assert httpx.post(url, headers=lie, content=_BODY).status_code == 401, lie
        assert httpx.post(url, headers=good, content=_BODY + b" ").status_code == 401
        for _ in range(3):  # replays
            assert httpx.post(url, headers=good, content=_BODY).status_code == 204
    assert lines[heard:] == ["changed forged\n"]


_BODY = json.dumps({"id": "msg_1", "room": "forged", "event": "changed", "at_ms": 1, "version": 1}).encode()


def _call(secret: str, delivery: str, at_s: int) -> dict[str, str | bytes]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.digest(key, f"{delivery}.{at_s}.".encode() + _BODY, hashlib.sha256)
    return {
        "webhook-id": delivery,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def test_commands_and_numbers_are_the_code_s() -> None:
    commands = typer.main.get_command(app).commands["webhooks"].commands  # type: ignore[attr-defined]
    assert {line.split()[0] for line in re.findall(r"^    crdt-sync-server webhooks (.*)$", PAGE, re.M)} == set(
        commands
    )
    assert all(f"`{event}`:" in PAGE for event in Event)
    bounds = WebhookBounds()
    for words in (
        f"about {bounds.gather_s:.0f} seconds later",
        f"{bounds.most_waiting} rooms may wait",
        f"none within {posting.POST_WITHIN_S:.0f} seconds",
        f"no more than {posting.MAX_ANSWER_BYTES // 1024} KB",
        f"… {webhook_queue.MAX_DELAY_S:.0f} seconds",
        f"up to {webhook_deliveries.MAX_PAUSE_S:.0f}",
        f"for {webhook_deliveries.FINISH_WITHIN_S:.0f} seconds",
        f"{webhook_queue.CALLS_PER_S} are made in a second",
        f"There may be {webhook_desk.MAX_WEBHOOKS} webhooks",
    ):
        assert words in " ".join(PAGE.split()), words
    assert (bounds.give_up_s, webhook_queue.MOST_IN_FLIGHT) == (3600, 4), "an hour, and four calls"

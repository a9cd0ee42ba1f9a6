"""docs/sharing.md against the code: its walk-through runs as it stands, and its tables are the relay's."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from pycrdt import Doc

from crdt_sync_server.api.problems import CODES
from crdt_sync_server.api.table import ROUTES
from crdt_sync_server.ports import Role
from tests.server.api.test_documents import edited
from tests.server.api.tokens import token, token_relay

PAGE = (Path(__file__).parents[2] / "docs" / "sharing.md").read_text("utf-8")


def test_every_route_and_every_code_is_listed() -> None:
    shown = set(re.findall(r"^\| `(GET|POST|PATCH|DELETE) (/[\w/{}.]+)`", PAGE, re.MULTILINE))
    assert shown == {(route.method, route.template) for route in ROUTES}
    section = PAGE.partition("| status | code |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z-]+)`", section)) - {"state"} >= set(CODES)
    assert {role for role in re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) if role in tuple(Role)} == set(Role)


def test_the_walk_through_runs(tmp_path: Path) -> None:
    (script,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "update.yjs").write_bytes(edited(Doc(), colour="yellow"))
    subject = "auth0|bob/ü"  # a name that must be percent-encoded
    with token_relay(tmp_path) as relay:
        here = {
            "RELAY": f"{relay.url.replace('ws', 'http')}/api/v1",
            "ADA": token("ada"),
            "BOB": token(subject),
            "BOB_SUBJECT": subject,
        }
        done = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env={**os.environ, **here}, capture_output=True, text=True, timeout=60
        )
    lines = [line for line in re.split(r"\n|(?<=})", done.stdout) if line]
    assert lines[0].startswith('{"room": "g/')
    assert '"name": "Dante, Tuesdays", "role": "reader"' in lines[0]
    assert lines[1:] == [
        "Dante, Tuesdays: reader",
        "forbidden",
        "editor",
        '{"m": {"colour": "yellow"}',
        "}",
        "room-deleted",
    ]
    told = done.stderr.splitlines()
    assert len(told) == 2, "curl says which two requests were refused"
    assert "403" in told[0]
    assert "410" in told[1]

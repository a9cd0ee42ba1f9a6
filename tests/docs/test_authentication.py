"""docs/authentication.md against the code: the commands that it shows are settings that go together."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from crdt_sync_server.settings import SETTINGS, load_settings
from tests.relay import RelayProcess
from tests.server.operating import tell

PAGE = (Path(__file__).parents[2] / "docs" / "authentication.md").read_text("utf-8")
COMMANDS = re.findall(r"^    crdt-sync-server serve (.*)$", PAGE, re.MULTILINE)


def test_there_is_one_for_each_provider() -> None:
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_shown_makes_a_relay(command: str, tmp_path: Path) -> None:
    flags: dict[str, object] = {}
    words = shlex.split(command)
    for flag, value in zip(words[::2], words[1::2], strict=True):
        setting = SETTINGS[flag.removeprefix("--")]
        flags[setting.name] = setting.from_text(value, flag)
    empty = tmp_path / "settings.toml"
    empty.touch()
    config = load_settings(flags, {}, empty).config
    assert config.jwt_audiences or config.jwt_authorized_parties
    secret = {"CRDT_SYNC_SERVER_JWT_SECRET": "x" * 40}
    del flags["jwt-issuer"]
    flags.pop("jwt-jwks-url", None)
    flags.pop("jwt-algorithm", None)
    assert load_settings(flags, secret, empty).config.algorithms == ("HS256",)


def test_the_request_that_makes_a_token_runs(tmp_path: Path) -> None:
    (command,) = re.findall(r"^    (curl .*)$", PAGE, re.MULTILINE)
    first = tell(tmp_path, "tokens", "create", "ada")
    with RelayProcess(tmp_path, "--auth", "static") as relay:
        here = {"TOKEN": first["token"], "RELAY": f"{relay.url.replace('ws', 'http')}/api/v1"}
        done = subprocess.run(
            ["sh", "-c", command], env={**os.environ, **here}, capture_output=True, timeout=60, check=True
        )
    made = json.loads(done.stdout)
    assert (made["name"], made["made_with"]) == ("e-reader", first["id"])

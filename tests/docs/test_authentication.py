"""docs/authentication.md against the code: the commands that it shows are settings that go together."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from crdt_sync_server.settings import SETTINGS, load_settings

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

"""Where settings come from, and what is said of those that cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync_server.config import AuthMode, Config, Durability
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.settings import CONFIG_VARIABLE, SETTINGS, load_settings

VALUES: dict[type, list[Any]] = {int: [1100, 1200, 1300], float: [11.0, 12.0, 13.0], bool: [True, False, True]}
TEXTS = {str: ["127.0.0.1", "127.0.0.2", "127.0.0.3"], tuple: [("a",), ("b", "c"), ("d",)]}


def values_of(name: str) -> list[Any]:
    if name == "limit":
        return [("max-rooms=5",), ("strikes=3", "unread-s=9"), ("max-rooms=6",)]
    kind = SETTINGS[name].kind
    if name == "auth":
        return [AuthMode.JWT, AuthMode.OPEN, AuthMode.JWT]
    if name == "backplane":
        return ["redis://one.example", "rediss://:word@two.example:6380/3", "postgres"]
    if name == "workers":
        return [2, 3, 4]
    if issubclass(kind, StrEnum):
        return [*kind, *kind][:3]
    return VALUES.get(kind) or TEXTS.get(kind) or [Path("/one"), Path("/two"), Path("/three")]


def as_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def as_toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value)


def test_every_field_is_a_setting_and_says_what_it_is_for() -> None:
    assert [setting.field for setting in SETTINGS.values()] == [field.name for field in fields(Config)]
    assert all(setting.help.endswith((".", "none.")) for setting in SETTINGS.values())


@given(
    st.sampled_from(sorted(SETTINGS)),
    st.sets(st.sampled_from(["flag", "environment", "file"])),
    st.permutations([0, 1, 2]),
)
def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(
    tmp_path_factory: pytest.TempPathFactory, name: str, given_by: set[str], order: list[int]
) -> None:
    """For every setting, whoever says it."""
    setting = SETTINGS[name]
    values = dict(zip(("flag", "environment", "file"), (values_of(name)[number] for number in order), strict=True))
    written = f"{name} = {as_toml(values['file'])}\n" if "file" in given_by else ""
    file = tmp_path_factory.mktemp("settings") / "settings.toml"
    file.write_text(written + ("" if name == "allow-anyone" else "allow-anyone = true\n"))
    if name == "auth":
        file.write_text(f"{file.read_text()}jwt-issuer = 'https://issuer.example'\n")
    if name in ("backplane", "workers"):
        file.write_text(f"{file.read_text()}database-url = 'postgresql://postgres.example/relay'\n")
    effective = load_settings(
        {name: values["flag"]} if "flag" in given_by else {},
        {setting.variable: as_text(values["environment"])} if "environment" in given_by else {},
        file,
    )
    winner = next((source for source in ("flag", "environment", "file") if source in given_by), None)
    wanted = setting.default if winner is None else values[winner]
    assert getattr(effective.config, setting.field) == wanted
    words = {"flag": f"--{name}", "environment": setting.variable, "file": str(file), None: "default"}
    assert effective.sources[name] == words[winner]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("prot = 1\nother = 2", r"'prot' \(do you mean 'port'\?\), 'other'"),
        ("max_message_bytes = 5000", "do you mean 'max-message-bytes'"),
        ('port = "8765"', "port: '8765' is no whole number"),
        ("port = true", "no whole number"),
        ('data = ""', "no path"),  # or the database would lie in whatever folder the relay was started in
        ("allow-anyone = 1", "neither true nor false"),
        ('allow-origin = "https://a"', "no list of strings"),
        ('durability = "some"', "none of full, normal"),
        ("poll-wait = 'long'", "no number"),
        ("port = 99999", "--port takes 0 to 65535"),
        ("port = ", "no TOML"),
        ("[server]\nport = 1", "'server'"),
    ],
)
def test_what_a_file_cannot_say_is_an_error_that_names_it(tmp_path: Path, written: str, words: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(written)
    with pytest.raises(ConfigurationError, match=words):
        load_settings({}, {}, file)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no settings file"):
        load_settings({}, {}, tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings({}, {CONFIG_VARIABLE: str(tmp_path)})
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="no TOML"):
        load_settings({}, {}, tmp_path / "bytes")


def test_variables_that_a_platform_makes_are_left_alone_and_bad_values_named() -> None:
    effective = load_settings(
        {}, {"CRDT_SYNC_SERVER_SERVICE_HOST": "10.0.0.1", "CRDT_SYNC_SERVER_DURABILITY": "normal"}
    )
    assert effective.config.durability is Durability.NORMAL
    with pytest.raises(ConfigurationError, match=r"CRDT_SYNC_SERVER_PORT: 'tcp://10.0.0.1:8765' is no whole number"):
        load_settings({}, {"CRDT_SYNC_SERVER_PORT": "tcp://10.0.0.1:8765"})


def test_the_command_says_what_holds_and_where_it_comes_from(tmp_path: Path) -> None:
    """The default file is found in its one place; flag, environment and file are told apart."""
    folder = tmp_path / "crdt-sync-server"
    folder.mkdir()
    (folder / "settings.toml").write_text("port = 1234\nallow-origin = ['https://reader.example']\n")
    environment = {
        **os.environ,
        "XDG_CONFIG_HOME": str(tmp_path),
        "CRDT_SYNC_SERVER_ALLOW_HOST": "a.example, b.example",
    }
    command = [sys.executable, "-m", "crdt_sync_server", "settings"]

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    told = json.loads(call("--json", "--port", "4321").stdout)
    assert told["port"] == {"value": 4321, "from": "--port"}
    assert told["allow-host"] == {"value": ["a.example", "b.example"], "from": "CRDT_SYNC_SERVER_ALLOW_HOST"}
    assert told["allow-origin"] == {"value": ["https://reader.example"], "from": str(folder / "settings.toml")}
    assert told["durability"] == {"value": "full", "from": "default"}
    assert list(told) == list(SETTINGS)
    (folder / "settings.toml").write_text("prot = 1234\n")
    failed = call()
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == (
        f"crdt-sync-server: {folder / 'settings.toml'}: no settings are called 'prot' (do you mean 'port'?)\n"
    )


def test_a_secret_is_no_flag_and_is_never_shown(tmp_path: Path) -> None:
    secret = "a-secret-of-more-than-thirty-two-bytes"
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "CRDT_SYNC_SERVER_JWT_SECRET": secret}
    environment["CRDT_SYNC_SERVER_BACKPLANE"] = f"redis://:{secret}@redis.example"
    environment["CRDT_SYNC_SERVER_DATABASE_URL"] = f"postgresql://relay:{secret}@postgres.example/relay"
    for arguments in (["settings", "--auth", "jwt"], ["settings", "--json"], ["serve", "--jwt-secret", secret]):
        command = [sys.executable, "-m", "crdt_sync_server", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == (2 if arguments[0] == "serve" else 0), done.stderr
        assert secret not in done.stdout + done.stderr
    file = tmp_path / "settings.toml"
    file.write_text("jwt-secret = [1234567890]")
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, {}, file)
    assert "1234567890" not in str(caught.value)
    file.write_text("")
    assert secret not in repr(load_settings({}, environment, file).config)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({}, "needs --jwt-issuer"),
        ({"jwt-issuer": "http://issuer.example"}, "takes an https URL"),
        ({"jwt-issuer": "a", "jwt-jwks-url": "file:///keys"}, "--jwt-jwks-url takes an https URL"),
        ({"jwt-issuer": "https://a", "jwt-algorithm": ("HS256",)}, "takes RS256, ES256, EdDSA here, and not HS256"),
        ({"jwt-issuer": "https://a", "jwt-algorithm": ("none",)}, "and not none"),
        ({"jwt-secret": "short"}, "at least 32 bytes"),
        ({"jwt-secret": "x" * 32, "jwt-algorithm": ("RS256",)}, "takes HS256 here, and not RS256"),
        ({"jwt-secret": "x" * 32, "jwt-jwks-url": "https://a"}, "one too many"),
        ({"jwt-issuer": "https://a", "jwt-leeway": 1e9}, "0 to 300"),
    ],
)
def test_settings_of_tokens_that_do_not_go_together(tmp_path: Path, flags: dict[str, Any], words: str) -> None:
    (tmp_path / "none.toml").touch()
    with pytest.raises(ConfigurationError, match=words):
        load_settings({"auth": AuthMode.JWT, **flags}, {}, tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"backplane": "redis://:hidden@redis.example"}, "set database-url too, or leave backplane out"),
        ({"backplane": "postgres"}, "for relays that share a store"),
        ({"backplane": "amqp://:hidden@mq.example", "database-url": "postgresql://a/b"}, "takes redis://"),
        ({"backplane-prefix": ""}, "1 to 40"),
        ({"backplane-prefix": "two words"}, "1 to 40"),
        ({"backplane-prefix": "x" * 41}, "1 to 40"),
    ],
)
def test_settings_of_a_backplane_that_do_not_go_together(tmp_path: Path, flags: dict[str, Any], words: str) -> None:
    (tmp_path / "none.toml").touch()
    with pytest.raises(ConfigurationError, match=words) as raised:
        load_settings(flags, {}, tmp_path / "none.toml")
    assert "hidden" not in str(raised.value)

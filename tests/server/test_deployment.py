"""The unit and the container file, checked by the tools that know them."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from crdt_sync_server.settings import SETTINGS

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "server" / "crdt-sync-server.service"
DOCKERFILE = ROOT / "server" / "Dockerfile"
HARDENING = {
    "DynamicUser": "yes",
    "StateDirectory": "crdt-sync-server",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "MemoryDenyWriteExecute": "yes",
    "RestrictNamespaces": "yes",
}


def unit() -> dict[str, list[str]]:
    """Return the `[Service]` section, every value of every key."""
    values: dict[str, list[str]] = {}
    section = UNIT.read_text().partition("[Service]")[2].partition("[Install]")[0]
    for line in section.splitlines():
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
    return values


def test_the_unit_shuts_the_relay_in_and_names_settings_that_exist() -> None:
    service = unit()
    for key, value in HARDENING.items():
        assert service[key] == [value], key
    variables = {setting.variable for setting in SETTINGS.values()}
    assert {each.partition("=")[0] for each in service["Environment"]} <= variables
    assert service["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert service["KillMode"] == ["mixed"], "the parent tells its workers; a second SIGTERM would end them at once"
    assert service["Restart"] == ["always"], "a relay without workers stops on SIGHUP"
    (command,) = service["ExecStart"]
    assert re.fullmatch(r"/opt/crdt-sync/bin/crdt-sync-server serve --config /etc/crdt-sync-server\.toml", command)
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read(UNIT)
    assert parser.sections() == ["Unit", "Service", "Install"]


def missing(what: str) -> NoReturn:
    """Where all must be there a missing part fails."""
    if os.environ.get("CI"):
        pytest.fail(f"this test needs {what}")
    pytest.skip(f"this test needs {what}")


def test_systemd_has_nothing_against_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        missing("systemd-analyze (Debian: apt-get install systemd)")
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/crdt-sync/bin/crdt-sync-server", sys.executable))
    done = subprocess.run([analyze, "verify", str(here)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, [])


def test_the_container_file_passes_its_linter() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        missing("hadolint, which has no wheel for this machine")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_container_copies_what_is_there_and_names_settings_that_exist() -> None:
    text = DOCKERFILE.read_text()
    variables = {setting.variable for setting in SETTINGS.values()}
    assert set(re.findall(r"CRDT_SYNC_SERVER_\w+", text)) <= variables
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, f"{source} is not sent to the builder"
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert "useradd --system --uid 10001" in text
    assert "/readyz" in text

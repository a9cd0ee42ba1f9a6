"""The compose file and the example for Kubernetes, as far as they can be checked without an engine."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import yaml

from crdt_sync import blocking
from crdt_sync_server.config import AuthMode
from crdt_sync_server.settings import SETTINGS, load_settings
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer, free_port, program
from tests.relay import RelayProcess

SERVER = Path(__file__).parents[2] / "server"
COMPOSE = SERVER / "compose.yaml"
KUBERNETES = SERVER / "kubernetes"
BIN = Path(sys.executable).parent
VARIABLES = {"CRDT_SYNC_SERVER_CONFIG", *(setting.variable for setting in SETTINGS.values())}
KUBERNETES_VERSIONS = ("1.30", "1.37")
RELAYS = ("relay1", "relay2", "relay3")


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def objects() -> Iterator[dict[str, Any]]:
    for name in yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]:
        yield from yaml.safe_load_all((KUBERNETES / name).read_text())


def of_kind(kind: str) -> dict[str, Any]:
    (found,) = [each for each in objects() if each["kind"] == kind]
    return found


def test_the_compose_file_is_what_its_specification_says() -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_is_shut_in_bounded_and_looked_after() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert "stop_grace_period" in service, name
        assert service["restart"] == "unless-stopped", name
        assert "ports" not in service or name == "proxy", "the proxy alone is reached from outside"
        assert name in RELAYS or "healthcheck" in service, (
            f"{name} is not asked whether it is well"
        )  # theirs: Dockerfile
    assert services()["proxy"]["networks"] == ["front"]
    assert services()["postgres"]["networks"] == services()["redis"]["networks"] == ["engines"]


def test_what_the_compose_file_names_is_there() -> None:
    whole = yaml.safe_load(COMPOSE.read_text())
    for name in RELAYS:
        assert set(whole["services"][name]["environment"]) <= VARIABLES
    for name, service in whole["services"].items():
        assert set(service.get("secrets", ())) <= set(whole["secrets"]), name
        assert set(service["networks"]) <= set(whole["networks"]), name
        assert set(service.get("depends_on", ())) <= set(whole["services"]), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in whole["volumes"] or (SERVER / source).exists(), source
    proxied = set(re.findall(r"(\w+):8765", (SERVER / "Caddyfile").read_text()))
    scraped = set(re.findall(r"(\w+):9765", (SERVER / "prometheus" / "prometheus.yaml").read_text()))
    assert proxied == scraped == set(RELAYS)


def test_no_password_is_in_the_files() -> None:
    for file in (COMPOSE, SERVER / "Caddyfile", *KUBERNETES.glob("*.yaml")):
        text = "\n".join(line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
        assert not re.search(r"(?i)password: |postgresql://|rediss?://", text), file.name


def test_the_container_has_what_the_engines_need() -> None:
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", (SERVER / "Dockerfile").read_text())
    known = tomllib.loads((SERVER.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"server", "postgres", "redis"} == set(extras.split(","))
    assert set(extras.split(",")) <= set(known)


def asked(port: int, password: str | None) -> bool:
    """Ask a Redis that starts whether it is there."""
    give_up = time.monotonic() + 20
    while True:
        try:
            with redis.Redis(port=port, password=password, socket_timeout=20) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            raise
        except redis.ConnectionError:
            assert time.monotonic() < give_up
            time.sleep(0.02)


def test_the_secrets_are_made_once_and_fit_each_other(tmp_path: Path) -> None:
    """The relay's file is one that it takes, and Redis starts on the one that is made for it."""
    folder = tmp_path / "secrets"
    script = ["sh", SERVER / "secrets.sh", folder]
    subprocess.run(script, check=True, timeout=30)
    made = {file.name: file.read_text() for file in folder.iterdir()}
    subprocess.run(script, check=True, timeout=30)
    assert made == {file.name: file.read_text() for file in folder.iterdir()}, "what is there is kept"
    files = yaml.safe_load(COMPOSE.read_text())["secrets"].values()
    assert {Path(each["file"]).name for each in files} <= set(made)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(file.stat().st_mode & stat.S_IROTH for file in folder.iterdir()), "the containers' users read them"
    config = load_settings({}, {}, folder / "relay.toml").config
    assert config.database_url is not None
    assert config.backplane is not None
    assert psycopg.conninfo.conninfo_to_dict(config.database_url)["password"] == made["postgres"]
    assert len(made["postgres"]) == len(made["redis"]) == 48
    port = free_port()
    health = services()["redis"]["healthcheck"]["test"][1:]
    with subprocess.Popen([program(), folder / "redis.conf", "--port", str(port), "--bind", "127.0.0.1"]) as server:
        try:
            with pytest.raises(redis.AuthenticationError):
                asked(port, None)
            assert asked(port, made["redis"])
            done = subprocess.run(
                [health[0], "-p", str(port), *health[1:]], capture_output=True, text=True, timeout=30, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
        finally:
            server.terminate()


def test_a_relay_runs_with_the_settings_of_both_files_and_what_the_secrets_say(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay of the compose file on its engines, and one of Kubernetes' settings; who has a token comes in."""
    folder = tmp_path / "secrets"
    subprocess.run(["sh", SERVER / "secrets.sh", folder], check=True, timeout=30)
    postgres.run(f"CREATE ROLE relay LOGIN PASSWORD '{(folder / 'postgres').read_text()}'")
    postgres.run("CREATE DATABASE relay OWNER relay")
    try:
        with RedisServer(tmp_path / "redis", "--requirepass", (folder / "redis").read_text()) as redis_server:
            file = folder / "relay.toml"
            text = file.read_text()
            for ours, theirs in (
                ("@postgres:5432/", f"@127.0.0.1:{postgres.port}/"),
                ("@redis:6379/", f"@127.0.0.1:{redis_server.port}/"),
            ):
                assert ours in text
                text = text.replace(ours, theirs)
            file.write_text(text)
            for name, value in services()["relay1"]["environment"].items():
                monkeypatch.setenv(name, value.replace("${RELAY_HOST", "relay.example").partition(":?")[0])
            monkeypatch.setenv("CRDT_SYNC_SERVER_CONFIG", str(file))
            monkeypatch.setenv("CRDT_SYNC_SERVER_METRICS_PORT", "0")
            with RelayProcess(tmp_path / "data") as relay:
                command = [BIN / "crdt-sync-server", "tokens", "create", "ada"]
                made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
                token = made.stdout.strip()
                with blocking.open_library(tmp_path / "ada", relay=relay.url, room="u/ada", token=token) as ada:
                    ada.add_note("through all of it")
                    assert ada.synced(30), ada.status
                assert "heard" in "".join(relay.output), "it does not hear Redis"
    finally:
        postgres.run("DROP DATABASE relay WITH (FORCE)", "DROP ROLE relay")


def test_kubernetes_settings_are_ones_that_a_relay_takes() -> None:
    (container,) = of_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    del environment["CRDT_SYNC_SERVER_CONFIG"]
    config = load_settings({}, environment, None).config
    assert config.auth is AuthMode.JWT
    assert config.allow_hosts == ("relay.example",)
    assert "max-connections-per-address=16384" in config.limit


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_takes_the_objects(version: str) -> None:
    files = [KUBERNETES / name for name in yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]]
    assert {file.name for file in files} == {file.name for file in KUBERNETES.iterdir()} - {"kustomization.yaml"}
    command = [BIN / "kubernetes-validate", "--strict", "--kubernetes-version", version, *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("passed") == len(list(objects()))


def test_the_objects_fit_each_other() -> None:
    deployment = of_kind("Deployment")
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert of_kind("Service")["spec"]["selector"] == labels
    assert of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert of_kind("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    (path,) = of_kind("Ingress")["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": of_kind("Service")["metadata"]["name"], "port": {"name": "sync"}}
    (container,) = pod["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {"sync": 8765, "metrics": 9765}
    settings = {each["name"]: each["value"] for each in container["env"]}
    assert set(settings) <= VARIABLES
    assert settings["CRDT_SYNC_SERVER_METRICS_PORT"] == str(ports["metrics"])
    assert pod["spec"]["enableServiceLinks"] is False
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert settings["CRDT_SYNC_SERVER_CONFIG"].startswith(mounts["settings"])
    assert {each["name"] for each in pod["spec"]["volumes"]} == set(mounts)


def test_a_relay_has_the_time_to_stop() -> None:
    """It takes up to 10 s for its rooms and 5 for its connections; the proxy learns of it before."""
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    waits_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= waits_s + 30
    assert all(services()[name]["stop_grace_period"] == "30s" for name in RELAYS)

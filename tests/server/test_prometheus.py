"""Alerts and dashboard: Prometheus' own tools read them, and what they ask for is what a relay among several serves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.redis_server import RedisServer
from tests.relay import RelayProcess

SERVER = Path(__file__).parents[2] / "server"
ALERTS = SERVER / "prometheus" / "alerts.yaml"
RULES = {rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
OF_ENGINES = {
    rule["alert"]
    for group in yaml.safe_load(ALERTS.read_text())["groups"] if group["name"] == "engines"
    for rule in group["rules"]
}  # fmt: skip
DASHBOARD = json.loads((SERVER / "grafana" / "dashboard.json").read_text())
FROM_PROMETHEUS = {"up"}
DERIVED = re.compile(r"(crdt_sync_\w+|process_\w+|up)\s*(?:\{(.*?)\})?")
WITHIN_S = 30.0


def promtool(*arguments: str | Path) -> str:
    program = shutil.which("promtool")
    assert program, "there is no promtool here; `make system` installs Debian's prometheus"
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=ALERTS.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Return what the dashboard asks for, with its variables filled in."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [each.replace("$__rate_interval", "5m").replace("$relay", ".*") for each in asked]


def test_prometheus_takes_the_alerts_and_its_configuration() -> None:
    assert "SUCCESS" in promtool("check", "config", "prometheus.yaml")


def test_each_alert_fires_and_stays_quiet_where_its_test_says_so() -> None:
    promtool("test", "rules", "alerts.test.yaml")
    fired: set[str] = set()
    quiet: set[str] = set()
    for test in yaml.safe_load((ALERTS.parent / "alerts.test.yaml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            (fired if case["exp_alerts"] else quiet).add(case["alertname"])
    assert fired == quiet == set(RULES)


def test_prometheus_can_read_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel{number}", "expr": each} for number, each in enumerate(expressions())]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_the_panels_of_the_dashboard_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.fixture
def served(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, set[str]]]:
    """Give what a relay on PostgreSQL and Redis serves: of each metric the values of its labels, as `name="value"`."""
    with RedisServer(tmp_path / "redis") as redis:
        monkeypatch.setenv("CRDT_SYNC_SERVER_DATABASE_URL", postgres_url)
        monkeypatch.setenv("CRDT_SYNC_SERVER_BACKPLANE", redis.url)
        with RelayProcess(tmp_path / "data", "--metrics-port", "0") as relay:
            give_up = time.monotonic() + WITHIN_S
            while not (found := re.findall(r"metrics on (http\S+)", "".join(relay.output))):
                assert time.monotonic() < give_up
                time.sleep(0.01)
            samples = [
                sample
                for family in text_string_to_metric_families(httpx.get(found[0]).text)
                for sample in family.samples
            ]
        metrics: dict[str, set[str]] = {}
        for sample in samples:
            metrics.setdefault(sample.name, set()).update(f'{key}="{value}"' for key, value in sample.labels.items())
        yield metrics


def test_what_is_asked_for_is_what_a_relay_serves(served: dict[str, set[str]]) -> None:
    rules = [str(rule["expr"]) for name, rule in RULES.items() if name not in OF_ENGINES]
    asked = {name for each in (*rules, *expressions()) for name, _ in DERIVED.findall(each)}
    assert asked - set(served) == FROM_PROMETHEUS
    for each in rules:
        for name, matchers in DERIVED.findall(each):
            for label, values in re.findall(r'(\w+)(?:=|!=|=~|!~)"([^"]*)"', matchers):
                if label != "job":
                    for value in values.split("|"):
                        assert f'{label}="{value}"' in served[name], f"{name} has no {label}={value}"


def test_what_a_relay_serves_is_on_the_dashboard(served: dict[str, set[str]]) -> None:
    """Or it is in a form that is there: a sum and a count of buckets, the mean of a ratio that is asked for by time."""
    shown = {name for each in expressions() for name, _ in DERIVED.findall(each)}
    ours = {
        name for name in served if name.startswith("crdt_sync_") and not name.endswith(("_created", "_sum", "_count"))
    }
    assert ours - shown == {"crdt_sync_coalescing_ratio"}


def test_each_alert_says_what_to_do() -> None:
    page = (SERVER.parent / "docs" / "runbook.md").read_text("utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^##+ (.*)$", page, re.MULTILINE)
    }
    for name, rule in RULES.items():
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert path == "docs/runbook.md"
        assert anchor in anchors, f"{name} leads to {anchor}, which is no heading"
        assert rule["labels"]["severity"] in ("critical", "warning", "info")

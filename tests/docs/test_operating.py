"""docs/operating.md against the code: every setting, metric and event, and the commands and the file that it shows."""

from __future__ import annotations

import re
from pathlib import Path

import typer.main

from crdt_sync_server.cli.app import app
from crdt_sync_server.metrics import Metrics
from crdt_sync_server.settings import SETTINGS, load_settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")


def table(heading: str) -> list[str]:
    """Return the rows of the first table whose heading begins so."""
    rows = PAGE.partition(f"| {heading} |")[2].partition("|\n|---")[2].partition("\n\n")[0].splitlines()[1:]
    assert rows, f"no table {heading}"
    return rows


def test_the_table_of_settings_is_the_code_s() -> None:
    wanted = []
    for name, setting in SETTINGS.items():
        default = setting.default
        shown = "none" if default in (None, ()) else str(default).lower() if setting.kind is bool else str(default)
        shown = "this user's data folder" if name == "data" else f"`{shown}`" if shown != "none" else shown
        wanted.append(f"| `{name}` | {shown} | {setting.help} |")
    assert table("setting") == wanted, "docs/operating.md should have:\n" + "\n".join(wanted)


def test_the_table_of_metrics_is_the_registry_s() -> None:
    wanted = []
    metrics = Metrics()
    metrics.cluster.is_used = metrics.cluster.hears = True
    for family in metrics.registry.collect():
        if family.name.startswith("crdt_sync_"):
            labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
            name = family.name + "_total" * (family.type == "counter")
            shown = f"`{name}{{{','.join(labels)}}}`" if labels else f"`{name}`"
            wanted.append(f"| {shown} | {family.type} | {family.documentation} |")
    assert table("metric") == wanted, "docs/operating.md should have:\n" + "\n".join(wanted)


def test_every_event_of_the_log_is_listed() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "server" / "crdt_sync_server").rglob("*.py"))
    events = set(re.findall(r'\btell\(\s*"([^"]+)"', sources))
    assert {row.split("`")[1] for row in table("event")} == events


def test_the_file_that_is_shown_can_be_read(tmp_path: Path) -> None:
    (written,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    file = tmp_path / "settings.toml"
    file.write_text(written)
    effective = load_settings({}, {}, file)
    assert effective.config.allow_hosts == ("relay.example",)
    assert effective.config.room_quota_bytes == 100_000_000


def test_every_command_is_shown_and_every_shown_command_exists() -> None:
    shown = {
        tuple(word for word in line.split()[:2] if re.fullmatch(r"[a-z]+(?:-[a-z]+)*", word))
        for line in re.findall(r"^    crdt-sync-server (.*?)(?:  #.*)?$", PAGE, re.MULTILINE)
    }
    root = typer.main.get_command(app)
    there = {(name,) for name, command in root.commands.items() if not hasattr(command, "commands")}  # type: ignore[attr-defined]
    groups = {name: command.commands for name, command in root.commands.items() if hasattr(command, "commands")}  # type: ignore[attr-defined]
    there |= {(group, name) for group, commands in groups.items() for name in commands}
    assert {words[:2] if words[0] in groups else words[:1] for words in shown} == there - {("version",)}


def test_what_the_page_links_to_is_there() -> None:
    for path in re.findall(r"\]\(([\w./-]+)\)", PAGE):
        assert (ROOT / "docs" / path).exists(), path

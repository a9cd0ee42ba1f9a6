"""`crdt-sync import`, `export` and `formats`, as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crdt_sync.interchange.registry import FORMATS
from tests.cli.devices import Device, Here
from tests.interchange.test_web_annotations import FROM_A_READER


@pytest.fixture
def device(tmp_path: Path) -> Device:
    device = Here(tmp_path / "library")
    device("init")
    return device


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    path = tmp_path / "set.json"
    path.write_text(json.dumps({**FROM_A_READER, "items": [*FROM_A_READER["items"], {"type": "Annotation"}]}))
    return path


def test_import_says_what_came_in_and_what_was_skipped(device: Device, annotations: Path) -> None:
    assert "2 would come in, 1 skipped" in device("import", "--dry-run", str(annotations))
    assert device.json("status")["highlights"] == 0
    said = device("import", str(annotations))
    assert f"{annotations} (epub): 2 came in, 1 skipped" in said
    assert "items[2]: it is no annotation: it has no target" in said
    (report,) = device.json("import", str(annotations))
    assert (len(report["there"]), report["added"], report["skipped"][0]["where"]) == (2, [], "items[2]")
    assert "highlight" in device("highlight", "list") or device.json("highlight", "list")


def test_a_conflict_is_told(device: Device, annotations: Path, tmp_path: Path) -> None:
    device("import", str(annotations))
    device("highlight", "edit", "5d67dcc9-6cd6-487e-bb32-c96e40f252a0", "--comment", "mine")
    changed = json.loads(annotations.read_text())
    changed["items"][0]["body"]["value"] = "theirs, changed"
    changed["items"][0]["modified"] = "2026-01-01T00:00:00Z"
    annotations.write_text(json.dumps(changed))
    said = device("import", str(annotations))
    assert "items[0]: you changed comment of 5d67dcc9-6cd6-487e-bb32-c96e40f252a0; yours stays" in said


def test_export_never_writes_over_a_file(device: Device, annotations: Path, tmp_path: Path) -> None:
    device("import", str(annotations))
    out = tmp_path / "out.annotations"
    assert "2 items" in device("export", "--format", "epub", "--to", str(out))
    assert "is there already" in device("export", "--format", "epub", "--to", str(out), status=1)
    assert "2 items" in device("export", "--format", "epub", "--to", str(out), "--force")
    vault = tmp_path / "vault"
    assert device.json("export", "-f", "markdown", "-o", str(vault))["files"] == [str(vault / "A Book.md")]
    assert "0 files written" in device("export", "-f", "markdown", "-o", str(vault))
    assert "2 there already" in device("import", str(vault))


def test_without_a_file_it_is_printed(device: Device, annotations: Path) -> None:
    device("import", str(annotations))
    assert json.loads(device("export"))["format"] == "crdt-sync"
    printed = json.loads(device("export", "-f", "epub-json", "--work", "urn:isbn:9780000000002"))
    assert printed["type"] == "AnnotationSet"
    assert "no text to print; name a file with --to" in device("export", "-f", "epub", status=1)
    assert "name one with --to" in device("export", "-f", "markdown", status=1)
    assert "there is no format 'x'" in device("export", "-f", "x", status=1)


def test_the_formats_are_listed(device: Device) -> None:
    listed = {each["name"]: each for each in device.json("formats")}
    assert list(listed) == list(FORMATS)
    assert listed["markdown"]["export"]
    for name in FORMATS:
        assert name in device("formats")

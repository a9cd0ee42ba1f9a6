"""The wheel carries our two packages and no other top-level name."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from crdt_sync_server.reader_files import FOLDER

ROOT = Path(__file__).parents[2]


def test_the_wheel_has_two_top_level_names(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr + built.stdout
    (wheel,) = tmp_path.glob("*.whl")
    files = set(zipfile.ZipFile(wheel).namelist())
    names = {name.split("/")[0] for name in files}
    assert {name for name in names if not name.endswith(".dist-info")} == {"crdt_sync", "crdt_sync_server"}
    twins = {f"crdt_sync/testing/twins/{name}.mjs" for name in ("driver", "map", "text", "xml")}
    assert twins <= files  # what the testing kit runs in node
    reader = {f"crdt_sync_server/static/{path.relative_to(FOLDER).as_posix()}" for path in FOLDER.rglob("*.*")}
    assert "crdt_sync_server/static/index.html.br" in reader, "the reader is not built; call `make web`"
    assert reader - {"crdt_sync_server/static/assets"} <= files

"""Builds the pages of the tests with vite, and serves them on 127.0.0.1.

A page is a module in `web/test/pages`, or a block of code that a page of the docs shows: what a reader copies is run.
They import `crdt-sync` by its name, so its `exports` are what resolves them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.web_package import BUILD_WITHIN_S, ROOT, WEB, build_package

__all__ = ["WEB", "Site", "build", "code_blocks"]

WORK = WEB / ".pages" / os.environ.get("PYTEST_XDIST_WORKER", "alone")
"""In the package's folder, so that its dependencies are found; `.gitignore` has it. A worker of pytest has its own."""
BLOCK = re.compile(r"^```\w+ title=\"([^\"]+)\"\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8" />
<link rel="icon" href="data:," />
<title>{name}</title>
<div id="root"></div>
<script type="module" src="./{module}"></script>
"""


def code_blocks(page: str) -> dict[str, str]:
    """Return what a page of the docs shows under a title, by that title."""
    return dict(BLOCK.findall((ROOT / "docs" / page).read_text("utf-8")))


def build(modules: dict[str, str], *, work: Path = WORK) -> Path:
    """Build a page of each module, `name.ts` → `name.html`, and return the folder that they are in.

    A module whose name has a slash belongs to another one, and has no page.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    pages = []
    for module, code in modules.items():
        (work / module).parent.mkdir(parents=True, exist_ok=True)
        (work / module).write_text(code, "utf-8")
        if "/" not in module:
            name = module.partition(".")[0]
            (work / f"{name}.html").write_text(PAGE.format(name=name, module=module), "utf-8")
            pages.append(f"{name}.html")
    config = (
        f"export default {{ root: {str(work)!r}, logLevel: 'warn', build: {{ outDir: 'dist', target: 'es2022', "
        f"rolldownOptions: {{ input: {pages!r}.map((page) => {str(work)!r} + '/' + page) }} }} }};"
    )
    (work / "vite.config.mjs").write_text(config, "utf-8")
    build_package()
    command = ["npx", "vite", "build", "--config", work / "vite.config.mjs"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, timeout=BUILD_WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return work / "dist"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


class Site:
    """Serves a folder. Use it in a `with` block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

"""The browser's package, built, in node behind a pipe."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web_package import WEB, build_package


class Refused(Exception):
    """The package threw this error."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class Package:
    """Calls into `web/test/contract.mjs`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, call: str, argument: object = None) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": call, "argument": argument}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"node stopped at {call}({argument!r})"
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"], answer["message"])
        return answer["result"]


@pytest.fixture(scope="session")
def package() -> Iterator[Package]:
    build_package()
    process = subprocess.Popen(
        ["node", "test/contract.mjs"], cwd=WEB, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield Package(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0

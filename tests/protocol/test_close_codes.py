from __future__ import annotations

import re
from pathlib import Path

import pytest

from crdt_sync.protocol.close_codes import CloseCode, Retry, retry_after


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        (1001, Retry.BACK_OFF),
        (1006, Retry.BACK_OFF),
        (1008, Retry.BACK_OFF),
        (1009, Retry.NEVER),
        (1011, Retry.BACK_OFF),
        (1012, Retry.BACK_OFF),
        (1013, Retry.BACK_OFF),
        (4400, Retry.NEVER),
        (4401, Retry.NEW_TOKEN),
        (4403, Retry.NEVER),
        (4404, Retry.NEVER),
        (4413, Retry.NEVER),
        (4499, Retry.NEVER),
        (4500, Retry.BACK_OFF),
        (4501, Retry.NEW_TOKEN),
        (4599, Retry.BACK_OFF),
    ],
)
def test_what_a_client_does(code: int, retry: Retry) -> None:
    assert retry_after(code) is retry


def test_every_close_code_is_in_the_docs_with_what_a_client_does() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    table = {int(code): retry for code, retry in re.findall(r"^\| (\d{4}) \|.*\| ([a-z ]+) \|$", page, re.M)}
    assert table == {int(code): retry_after(code).value for code in CloseCode}

from __future__ import annotations

import json

from hypothesis import given

from crdt_sync.document.rich import Blocks
from crdt_sync.document.rich.storing import body_from_json, body_to_json
from tests.document.rich.bodies import blocks


@given(body=blocks())
def test_a_body_comes_back_as_it_was(body: Blocks) -> None:
    assert body_from_json(json.loads(json.dumps(body_to_json(body)))) == body

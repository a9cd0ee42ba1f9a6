"""The token of an invitation: only what was signed with the key, whole and in time, is read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from hypothesis import given
from hypothesis import strategies as st

from crdt_sync_server.invitations import KEY_BYTES, Claim, new_id, read, write

KEY = bytes(range(KEY_BYTES))
claims = st.builds(
    Claim,
    room=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    id=st.just(new_id()),
    expires_ms=st.integers(1, 2**53),
)


@given(claims)
def test_a_token_says_what_was_written_until_it_expires(claim: Claim) -> None:
    token = write(claim, KEY)
    assert read(token, KEY, claim.expires_ms - 1) == claim
    assert read(token, KEY, claim.expires_ms) is None
    assert read(token, KEY[::-1], claim.expires_ms - 1) is None
    assert token.replace(".", "").replace("-", "").replace("_", "").isalnum()  # goes into a link as it is


@given(claims, st.data())
def test_a_token_that_was_changed_anywhere_is_none(claim: Claim, data: st.DataObject) -> None:
    """Base64 leaves unused bits at its end: other spellings of the same signature are refused too."""
    token = write(claim, KEY)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda character: character != token[at]))
    assert read(token[:at] + other + token[at + 1 :], KEY, 0) is None
    assert read(token[:at], KEY, 0) is None


@given(st.text())
def test_anything_else_is_none(text: str) -> None:
    assert read(text, KEY, 0) is None


def test_what_is_signed_and_is_no_claim_is_none() -> None:
    for value in ([2, "room", "id", 10], [1, "room", "id"], [1, "room", "id", "10"], {}, None, [1, 5, "id", 10]):
        payload = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
        digest = hmac.new(KEY, payload.encode(), hashlib.sha256).digest()
        signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        assert read(f"{payload}.{signature}", KEY, 0) is None

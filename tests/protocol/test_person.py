from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.protocol.awareness import AwarenessTable
from crdt_sync.protocol.messages import AwarenessEntry
from crdt_sync.protocol.person import COLORS, MAX_AVATAR_CHARACTERS, Person, claims, color_of, is_avatar

PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["user", "subject", "name", "color", "avatar"]), inner)
    ),
    max_leaves=12,
)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, written down a second time."""

    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    one_, other_ = sorted((luminance(one), luminance(other)))
    return (other_ + 0.05) / (one_ + 0.05)


@given(jsons)
def test_a_claim_is_found_however_the_state_is_written(state: Any) -> None:
    user = state.get("user") if isinstance(state, dict) else None
    wanted = None
    if isinstance(user, dict) and "subject" in user:
        wanted = user["subject"] if isinstance(user["subject"], str) else ""
    escaped = json.dumps(state).replace("user", "\\u0075ser").replace("subject", "s\\u0075bject")
    assert claims(json.dumps(state)) == claims(json.dumps(state, indent=1)) == claims(escaped) == wanted


@pytest.mark.parametrize(
    "state",
    [
        '{"user":{"subject":"ben","subject":"ada"}}',
        '{"user":{"subject":"ada"},"user":{"subject":"ben"}}',
        '{"user":{"subject":"ada"},"us\\u0065r":{}}',
        '{"user":{"subject":7}}',
        '{"user":{"subject":null}}',
    ],
)
def test_a_claim_that_can_be_read_in_two_ways_is_nobodys(state: str) -> None:
    assert claims(state) == ""


@given(st.text())
def test_a_color_follows_from_the_subject_and_is_readable(subject: str) -> None:
    assert color_of(subject) == color_of(subject)
    assert contrast(color_of(subject), "#ffffff") >= 4.5


def test_the_palette_is_used_whole_and_stays_what_it_was() -> None:
    assert {color_of(str(number)) for number in range(500)} == set(COLORS)
    assert (color_of("ada"), color_of("ben")) == ("#94298c", "#006969"), "or devices of two versions would differ"


@given(st.integers(0, 0xFFFFFF))
def test_what_is_written_on_any_color_can_be_read(number: int) -> None:
    person = Person("Ada", f"#{number:06x}")
    assert contrast(person.color, person.text_color) >= 4.5


@given(jsons)
def test_anybodys_state_gives_what_may_be_shown_or_nobody(state: Any) -> None:
    person = Person.from_state(state)
    if person is not None:
        assert Person.from_state({"user": person.to_json()}) == person
        assert contrast(person.color, person.text_color) >= 4.5
        assert person.subject == (claims(json.dumps(state)) or None)


@pytest.mark.parametrize("avatar", [PIXEL, "https://example.org/ada.png", "https://example.org:8443/a?b=c#d"])
def test_an_avatar_that_may_be_shown(avatar: str) -> None:
    assert is_avatar(avatar)
    assert Person.from_state({"user": {"name": "Ada", "avatar": avatar}}) == Person("Ada", color_of("Ada"), avatar)


@pytest.mark.parametrize(
    "avatar",
    [
        None,
        7,
        "",
        "http://example.org/a.png",
        "https://",
        "https://user:password@example.org/",
        "https://[",
        "https://example.org/a b",
        "https://example.org/" + "a" * 2048,
        "javascript:alert(1)",
        "data:text/html;base64,PGI+",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:image/png,raw",
        "data:image/png;base64,A",
        PIXEL + "A" * MAX_AVATAR_CHARACTERS,
    ],
)
def test_an_avatar_that_may_not_is_left_out(avatar: object) -> None:
    assert not is_avatar(avatar)
    assert Person.from_state({"user": {"name": "Ada", "avatar": avatar}}) == Person("Ada", color_of("Ada"))


def said(client: int, clock: int, state: object) -> AwarenessEntry:
    return AwarenessEntry(client, clock, json.dumps(state))


ADA, BEN, NOBODY = {"user": {"subject": "ada"}}, {"user": {"subject": "ben"}}, {"user": {"name": "Ada"}}


def test_a_connection_speaks_for_its_own_subject_or_for_nobody() -> None:
    table = AwarenessTable()
    table.join("socket", "ada", 1)
    heard = table.receive([said(1, 1, ADA), said(2, 1, BEN), said(3, 1, NOBODY), said(4, 1, None)], "socket", 0.0)
    assert (heard.news, heard.refused) == ((said(1, 1, ADA), said(3, 1, NOBODY)), True)
    heard = table.receive([said(1, 2, BEN)], "socket", 1.0)
    assert (heard.news, heard.refused) == ((), True)
    assert table.entries() == (said(1, 1, ADA), said(3, 1, NOBODY)), "what was shown before stands"


def test_the_echo_of_another_ones_state_is_no_claim() -> None:
    table = AwarenessTable()
    table.join("hers", "ada", 1)
    table.join("his", "ben", 2)
    table.receive([said(1, 1, ADA)], "hers", 0.0)
    heard = table.receive([said(1, 1, ADA), said(1, 2, ADA)], "his", 0.0)
    assert (heard.news, heard.refused) == ((), False)


def test_where_nobody_is_known_nothing_is_compared() -> None:
    table = AwarenessTable()
    table.join("socket", None, 1)
    assert table.receive([said(1, 1, ADA)], "socket", 0.0).news == (said(1, 1, ADA),)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.document.links import MOST_LINKS, link_target, links_in, title_key


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see note:n1, highlight:h-2; and osis:Gen.1.1.", ("note:n1", "highlight:h-2", "osis:Gen.1.1")),
        ("[[On Grace]] (note:n1) <highlight:h>", ("[[On Grace]]", "note:n1", "highlight:h")),
        ("[[On Grace|grace]] and [[On Grace|grace]]", ("[[On Grace|grace]]",)),
        ("footnote:n1 http://note:n1 note: [[ ]] [[]] [[a\nb]]", ()),
        ("osis:Gen.1.1-Gen.1.3 osis:Bible.KJV:Gen.1", ("osis:Gen.1.1-Gen.1.3", "osis:Bible.KJV:Gen.1")),
    ],
)
def test_links_are_found_as_they_are_written(text: str, links: tuple[str, ...]) -> None:
    assert links_in(text) == links


def test_titles_are_compared_without_case_composition_and_spaces() -> None:
    assert title_key("  Über\u00a0 GNADE ") == title_key("u\u0308ber gnade") == "über gnade"
    assert link_target("[[ÜBER  Gnade|so]]") == "[[über gnade]]"
    assert link_target("[[|so]]") == link_target("http://x") == link_target("note:") == ""


@given(st.text(st.sampled_from("[]|:note highlightosis.\n"), max_size=60))
def test_any_text_has_links_that_lead_somewhere_or_none(text: str) -> None:
    for link in links_in(text):
        assert link_target(link)
        assert link in text


def test_a_text_full_of_links_has_an_end() -> None:
    assert len(links_in(" ".join(f"note:{number}" for number in range(3 * MOST_LINKS)))) == MOST_LINKS
    assert links_in("[[" * 200_000) == ()  # and takes no time

"""Two devices that open an imported note while apart make one body of its text."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.document.rich import paragraphs, plain_text
from crdt_sync.document.rich.seeding import seed, seed_client
from tests.document.rich.bodies import ROOT, Replica

text = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)


@given(text, st.text("abc", min_size=1, max_size=4))
def test_apart_it_is_the_same_and_edits_of_both_are_kept(imported: str, typed: str) -> None:
    devices = [Replica(), Replica()]
    for number, device in enumerate(devices):
        device.doc.apply_update(seed("n", ROOT, imported, ()))
        assert device.body == paragraphs(imported)
        device.write((*paragraphs(imported), *paragraphs(f"{typed}{number}")))
    devices[0].take(devices[1])
    devices[1].take(devices[0])
    assert devices[0].body == devices[1].body
    said = plain_text(devices[0].body)
    assert said.startswith(imported + "\n")
    assert sorted(said[len(imported) + 1 :].split("\n")) == [f"{typed}0", f"{typed}1"]


def test_the_protocol_gives_the_seed_of_an_example() -> None:
    page = " ".join((Path(__file__).parents[3] / "docs" / "protocol.md").read_text("utf-8").split())
    written = re.search(r"the client id is (\d+) and the seed ([0-9a-f ]+) ", page)
    assert written is not None
    assert int(written[1]) == seed_client("n", "a\nb")
    assert written[2].replace(" ", "") == seed("n", ROOT, "a\nb", ()).hex()


def test_other_texts_and_notes_have_other_client_ids_and_what_came_again_too() -> None:
    ids = {seed_client("n", "text"), seed_client("m", "text"), seed_client("n", "texts"), seed_client("n", "text", 1)}
    assert len(ids) == 4
    assert all(0 < each < 2**53 for each in ids)
    device = Replica()
    device.doc.apply_update(seed("n", ROOT, "text", ()))
    device.write(())
    device.doc.apply_update(seed("n", ROOT, "text", {seed_client("n", "text")}))
    assert plain_text(device.body) == "text"

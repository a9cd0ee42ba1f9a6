"""Order keys: between any two there is another, and a move writes what it must and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.document.order import LAST, is_key, key_between, order_key, placed

keys = st.text("019AZaz", min_size=1, max_size=6).filter(is_key)
anything = st.one_of(keys, st.just(LAST))


@given(st.tuples(keys, keys).filter(lambda pair: pair[0] != pair[1]), st.text(max_size=5))
def test_between_two_keys_there_is_another(pair: tuple[str, str], item_id: str) -> None:
    left, right = sorted(pair)
    key = key_between(left, right, item_id)
    assert is_key(key)
    assert left < key < right


@given(keys, st.text(max_size=5))
def test_before_and_after_any_key_there_is_another(key: str, item_id: str) -> None:
    before, after = key_between(None, key, item_id), key_between(key, None, item_id)
    assert is_key(before)
    assert is_key(after)
    assert before < key < after


@given(st.lists(anything, max_size=8), st.data())
def test_an_item_comes_where_it_was_put_and_nothing_else_moves(values: list[str], data: st.DataObject) -> None:
    members = sorted((value, f"i{number}") for number, value in enumerate(values))
    index = data.draw(st.integers(0, len(members)))
    written = placed(members, index, "new")
    after = {**{id_: key for key, id_ in members}, **written}
    wanted = [id_ for _, id_ in members]
    wanted.insert(index, "new")
    assert sorted(after, key=lambda id_: (after[id_], id_)) == wanted
    assert all(map(is_key, written.values()))
    if len({key for key, _ in members}) == len(members) and LAST not in values:
        assert set(written) == {"new"}


def test_two_devices_that_put_two_items_into_one_gap_draw_two_keys() -> None:
    assert key_between("V", "W", "one") != key_between("V", "W", "two")


def test_keys_stay_short_where_people_append_and_prepend() -> None:
    last = first = key_between(None, None, "x")
    for number in range(20_000):
        last, first = key_between(last, None, str(number)), key_between(None, first, str(number))
    assert len(last) <= 7
    assert len(first) <= 7


def test_thousands_in_one_gap_get_short_keys_again() -> None:
    members = [(key_between(None, None, "a"), "a"), (key_between("V001", None, "b"), "b")]
    renumbered = False
    for number in range(8_000):
        written = placed(members, 1, f"i{number}")
        renumbered |= len(written) > 1
        order = [(written.get(id_, key), id_) for key, id_ in members]
        order.insert(1, (written[f"i{number}"], f"i{number}"))
        assert order == sorted(order)
        members = order if renumbered else [order[0], order[1], order[-1]]
        if renumbered:
            break
    assert renumbered
    assert max(len(key) for key, _ in members) <= 7


def test_what_is_no_key_sorts_last() -> None:
    assert [order_key(value) for value in ("V", "", "a0", 7, None, "x y", "z" * 2000)] == ["V", *[LAST] * 6]

"""However news arrives, a room takes the log in order, without a gap and nothing twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crdt_sync_server import following as module
from crdt_sync_server.following import Following

LOG = [b"%d" % number for number in range(1, 31)]  # LOG[p - 1] is at position p
NEWS = st.lists(st.tuples(st.integers(1, len(LOG)), st.booleans()), max_size=80)


@given(news=NEWS, reads=st.lists(st.booleans(), min_size=80, max_size=80))
def test_what_is_taken_is_the_log_from_its_beginning(news: list[tuple[int, bool]], reads: list[bool]) -> None:
    following, position, taken = Following(), 0, list[bytes]()
    for (at, is_whole), reads_store in zip(news, reads, strict=False):
        following.told(at, LOG[at - 1] if is_whole else None)
        updates = following.next(position)
        if not updates and following.is_ahead(position) and reads_store:
            updates = LOG[position : max(position, at)]
        position += len(updates)
        following.at(position)
        taken += updates
        assert taken == LOG[:position]
    told_of = max((at for at, _ in news), default=0)
    assert following.is_ahead(position) == (told_of > position)


def test_what_is_held_is_bounded_and_what_is_more_is_still_known_to_be_there() -> None:
    following = Following()
    for position in range(2, module.MAX_HELD + 100):
        following.told(position, b"x")
    assert len(following._held) == module.MAX_HELD
    assert following.is_ahead(module.MAX_HELD + 98)
    following = Following()
    for position in range(2, 12):
        following.told(position, bytes(module.MAX_HELD_BYTES // 4))
    assert following._held_bytes <= module.MAX_HELD_BYTES + module.MAX_HELD_BYTES // 4
    following.at(11)
    assert (following._held_bytes, following.is_ahead(11)) == (0, False)


def test_who_gives_up_knows_of_nothing_until_told_again() -> None:
    following = Following()
    following.told(3, b"x")
    following.give_up()
    assert not following.is_ahead(0)
    following.told(3, None)
    assert following.is_ahead(2)
    assert following.next(2) == []

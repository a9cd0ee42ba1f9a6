from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.protocol.wire import MAX_SAFE_INTEGER
from crdt_sync_server.backplane import Committed, Missed, Said
from crdt_sync_server.backplanes.packing import pack_committed, pack_said, unpack_committed, unpack_said

COMMITTED = st.builds(
    Committed, st.text(max_size=20), st.integers(0, MAX_SAFE_INTEGER), st.none() | st.binary(max_size=200)
)
SAID = st.builds(Said, st.text(max_size=20), st.binary(max_size=200))


@given(st.lists(COMMITTED), st.integers(1, 500))
def test_what_is_packed_comes_out_as_it_was(committed: list[Committed], up_to_bytes: int) -> None:
    packages = pack_committed(committed, up_to_bytes=up_to_bytes)
    assert [each for package in packages for each in unpack_committed(package)] == committed
    assert all(len(package) <= up_to_bytes or len(unpack_committed(package)) == 1 for package in packages)


@given(st.lists(SAID), st.integers(1, 500))
def test_what_is_said_comes_out_as_it_was(said: list[Said], up_to_bytes: int) -> None:
    packages = pack_said(said, up_to_bytes=up_to_bytes)
    assert [each for package in packages for each in unpack_said(package)] == said
    assert all(len(package) <= up_to_bytes or len(unpack_said(package)) == 1 for package in packages)


@given(st.lists(COMMITTED, min_size=2))
def test_no_package_is_begun_before_the_last_is_full(committed: list[Committed]) -> None:
    assert len(pack_committed(committed, up_to_bytes=10**6)) == 1


@given(st.binary())
def test_any_bytes_are_read_or_were_missed(package: bytes) -> None:
    """And a package is read whole or not at all: half a batch would hide that the rest is not known."""
    for unpack in (unpack_committed, unpack_said):
        read = unpack(package)
        assert Missed() not in read or read == [Missed()]


@given(st.lists(COMMITTED, min_size=1), st.data())
def test_half_a_package_was_missed(committed: list[Committed], data: st.DataObject) -> None:
    (package,) = pack_committed(committed, up_to_bytes=10**6)
    half = unpack_committed(package[: data.draw(st.integers(1, len(package) - 1))])
    assert half == [Missed()] or half == committed[: len(half)]


def test_a_package_of_a_later_version_was_missed_and_an_empty_one_is_empty() -> None:
    (package,) = pack_committed([Committed("room", 1)], up_to_bytes=100)
    assert unpack_committed(b"\x02" + package[1:]) == [Missed()]
    assert unpack_committed(b"") == unpack_said(b"") == []

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.errors import UnreadableExport
from crdt_sync.protocol import exchange
from crdt_sync.protocol.exchange import Export, decode_export, encode_export
from crdt_sync.protocol.update import encode_state_vector

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
vectors = st.dictionaries(st.integers(0, 2**53 - 1), st.integers(0, 2**32 - 1), max_size=5).map(encode_state_vector)
exports = st.builds(
    Export,
    st.none() | st.tuples(texts, texts, st.none() | texts),
    vectors,
    vectors,
    st.lists(st.binary(min_size=2, max_size=100), max_size=5).map(tuple),
)


@given(exports)
def test_what_is_written_is_read(export: Export) -> None:
    assert decode_export(encode_export(export)) == export


@given(exports, st.data())
def test_a_file_with_any_byte_changed_or_cut_off_is_refused(export: Export, data: st.DataObject) -> None:
    whole = bytearray(encode_export(export))
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = bytes(whole[:place])
    whole[place] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(whole), cut, bytes(whole) + b"\x00"):
        with pytest.raises(UnreadableExport):
            decode_export(bad)


@given(st.binary(max_size=200))
def test_a_body_that_makes_no_sense_is_refused_though_its_digest_is_right(body: bytes) -> None:
    data = exchange.MAGIC + b"\x01" + hashlib.sha256(body).digest() + body
    try:
        export = decode_export(data)
    except UnreadableExport as error:
        assert "export it again" in str(error)
    else:
        assert sum(map(len, export.updates)) <= len(body)


def test_the_words_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    good = encode_export(Export(None, b"\x00", b"\x00", ()))
    for data, words in (
        (b"other", "no file of updates"),
        (good[:20], "copy it again"),
        (good[:8] + b"\x02" + good[9:], "install"),
        (good + b"\x00", "damaged"),
    ):
        with pytest.raises(UnreadableExport, match=words):
            decode_export(data)
    monkeypatch.setattr(exchange, "MAX_EXPORT_BYTES", 10)
    with pytest.raises(UnreadableExport, match="--since"):
        decode_export(good)

"""Tables of Lua, against Lua itself: what we write it loads, and what it writes we read."""

from __future__ import annotations

import math
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_sync.errors import UnreadableFile
from crdt_sync.interchange import lua
from crdt_sync.interchange.bounds import MAX_NESTING

INTERPRETER = "lua5.1"
_DUMP = r"""
local function show(v)
    if type(v) == "table" then
        local keys = {}
        for k in pairs(v) do keys[#keys + 1] = k end
        table.sort(keys, function(a, b)
            if type(a) ~= type(b) then return type(a) < type(b) end
            if type(a) == "boolean" then return not a and b end
            return a < b
        end)
        local parts = {}
        for i, k in ipairs(keys) do parts[i] = "[" .. show(k) .. "]=" .. show(v[k]) end
        return "{" .. table.concat(parts, ",") .. "}"
    elseif type(v) == "string" then
        return '"' .. v:gsub(".", function(c) return string.format("\\%03d", c:byte()) end) .. '"'
    elseif type(v) == "number" then
        return string.format("%.17g", v)
    end
    return tostring(v)
end
io.write(show(assert(loadstring(io.read("*a")))()))
"""


def loaded_by_lua(chunk: bytes) -> Any:
    """Return the value of a chunk as Lua has it, which writes every byte of a string as a number."""
    done = subprocess.run([INTERPRETER, "-e", _DUMP], input=chunk, capture_output=True, timeout=10, check=True)
    return lua.loads(b"return " + done.stdout, "lua")


values = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.dictionaries(st.text() | st.integers(-1000, 1000), inner, max_size=5),
    max_leaves=12,
)


def whole(value: Any) -> Any:
    """Return a value as Lua has it, where a whole float is an integer."""
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


@given(values)
def test_what_is_written_is_read(value: Any) -> None:
    assert lua.loads(lua.dumps(value).encode(), "f") == whole(value)


def test_lua_loads_what_is_written() -> None:
    value = {
        1: {"text": 'quo"te \\ back\nline\r\ttab \x00\x01\x7f9 é 漢 🜁', "n": -1.5e300, "deep": {"a": {"b": {}}}},
        2: {"f": 0.1, "i": 2**53 - 1, "t": True, "o": False, "]]": "]]", "end": "--[[ no comment ]]"},
    }
    assert loaded_by_lua(lua.dumps(value).encode()) == value


CHUNKS = [
    rb"return 'it\'s' ", b"return [[\nfirst line gone\r\nsecond]]", b"return [==[ ]] ]=] ]==]",
    rb'return "\195\169\0\\\"\a\b\f\n\r\t\v"', b"return 0x1F", b"return .5e-3", b"return -0x10", b"return 3.",
    b"return {1, 2; 3, n = {4}, [10] = 5, ['x'] = nil, [1.0] = 9}", b"return --[[ c ]] {--c\n1--[==[\n]==],}",
    b"return {['a'] = true, b = false, [-1.5] = 'neg'}", b'return "a\\\nb"', b"return {[1]='k', 'p'}", b"return {};",
]  # fmt: skip


@pytest.mark.parametrize("chunk", CHUNKS, ids=lambda chunk: chunk.decode("latin-1"))
def test_a_chunk_means_to_us_what_it_means_to_lua(chunk: bytes) -> None:
    assert lua.loads(chunk, "f") == loaded_by_lua(chunk)


@pytest.mark.parametrize(
    ("chunk", "value"),
    [
        (rb'return "a\z   ' + b"\n" + rb'  b\x41\u{20AC}"', "abA€"),  # LuaJIT's, which KOReader runs on
        (b"\xef\xbb\xbf{ a = 1 }", {"a": 1}),
        (b"return { a = nan, b = -nan, c = inf, d = -inf, e = 1 }", {"e": 1}),
        (b'return "\xff\xc3\xa9"', "\udcffé"),
        (b"return 123456789012345678901234567890", 123456789012345678901234567890.0),
        (b"return 0x.8p1", 1),
    ],
)
def test_more_than_lua_51_has(chunk: bytes, value: Any) -> None:
    assert lua.loads(chunk, "f") == value


@pytest.mark.parametrize(
    ("chunk", "line"),
    [
        (b"", 1), (b"return", 1), (b"return {", 1), (b"return {\n\na = os.execute('true')}", 3), (b"return {a = x}", 1),
        (b"return {a = 'b' .. 'c'}", 1), (b"return {a = 1 + 1}", 1), (b"return {\n[nil] = 1}", 2), (b"return 'a", 1),
        (b"return 'a\nb'", 1), (b"return [[a", 1), (b"return {1 2}", 1), (b"return {} {}", 1), (b"return '\\300'", 1),
        (b"return '\\q'", 1),
        (b"return {[true] = 1}", 1), (b"return 1e999", 1), (b"return {[{}] = 1}", 1), (b"local t = {} return t", 1),
        (b"return setmetatable({}, {})", 1), (b"return -true", 1), (b"--[[\n\n", 1), (b"return {[1] 2}", 1),
        (b"return function() end", 1), (b"return 0x", 1), (b"return 1" * 300, 1), (b"return " + b"9" * 5000, 1),
        (b"return '\\u{110000}'", 1), (b"\0", 1), (b"\xff\xfe\x00", 1), (b"return 0x" + b"F" * 5000, 1),
    ],
)  # fmt: skip
def test_anything_else_is_an_error_that_names_the_line(chunk: bytes, line: int) -> None:
    with pytest.raises(UnreadableFile, match=f"^f is no table of Lua: line {line}: "):
        lua.loads(chunk, "f")


def test_depth_is_bounded() -> None:
    assert lua.loads(b"{" * MAX_NESTING + b"}" * MAX_NESTING, "f") is not None
    with pytest.raises(UnreadableFile, match="nested more than"):
        lua.loads(b"{" * 100_000, "f")


def test_the_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lua, "MAX_VALUES", 1000)
    lua.loads(b"{" + b"1," * 999 + b"}", "f")
    with pytest.raises(UnreadableFile, match="more than 1,000 values"):
        lua.loads(b"{" + b"1," * 1000 + b"}", "f")


@given(st.binary() | st.text(alphabet="{}[]=,;\"'\\-0123xeEnil \n()").map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = lua.loads(data, "f")
    except UnreadableFile:
        return
    assert not isinstance(value, float) or math.isfinite(value)


@given(values)
def test_a_table_goes_through_json(value: Any) -> None:
    assert lua.from_json(lua.to_json(value)) == value


def test_what_stands_in_order() -> None:
    assert lua.array({2: "b", 1: "a", "x": "c", "10": "d"}) == ["a", "b", "d"]
    assert lua.array("text") == []

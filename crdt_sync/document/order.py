"""Order keys: texts whose lexical order is the order of a list, so that one item is moved by writing one key.

A key is a fraction between 0 and 1, its digits in base 62 after the point (0-9, A-Z, a-z, as ASCII sorts them), without
a trailing zero. Between any two there is another, so no move ever touches a neighbour. Source: D. Greenspan,
"Implementing Fractional Indexing" (2020). Two devices that put two items into one gap while apart would draw the same
key; a tail made from the item's id keeps those apart. Equal keys, and values that are no keys, can still come from
elsewhere: they sort, and `placed` gives whatever stands in the way of an insertion a key of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from zlib import crc32

__all__ = ["LAST", "is_key", "key_between", "order_key", "placed"]

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE = len(DIGITS)
HEAD = 4
"""So many digits are a counter for appending and prepending: 14 million of either before a key grows longer."""
TAIL = 3
LAST = "~"
"""What sorts after all keys: the place of an item whose key is none."""
_KEY = re.compile(r"[0-9A-Za-z]{0,1023}[1-9A-Za-z]")


def is_key(value: object) -> bool:
    """Say whether a value is an order key: 1 to 1,024 digits, the last of them not 0."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def order_key(value: object) -> str:
    """Return what a value that stands in a document is sorted by."""
    return value if isinstance(value, str) and is_key(value) else LAST


def key_between(left: str | None, right: str | None, item_id: str = "") -> str:
    """Return a key after `left` and before `right`; None is the start and the end. `item_id` gives its tail.

    Raises `ValueError` if there is nothing between them.
    """
    if left is not None and right is not None and left >= right:
        raise ValueError(f"no key is between {left!r} and {right!r}")
    tail = _digits(crc32(item_id.encode()) % (BASE**TAIL - 1) + 1, TAIL) if item_id else ""
    if right is None:
        key = _after(left or "")
    elif left is None:
        key = _before(right)
    else:
        key = _middle(left, right)
    return (key + tail).rstrip("0")


def placed(members: Sequence[tuple[str, str]], index: int, item_id: str) -> Mapping[str, str]:
    """Return the keys to write so that `item_id` stands before `members[index]`, and nothing else moves.

    `members` are (key, id) in order, without `item_id`; `index` may be their number. It is one key, but where keys are
    equal or are none.
    """
    first, end = index, index
    while first > 0 and not is_key(members[first - 1][0]):
        first -= 1
    left = members[first - 1][0] if first else None
    while end < len(members) and not (is_key(members[end][0]) and (left is None or members[end][0] > left)):
        end += 1
    right = members[end][0] if end < len(members) else None
    ids = [id_ for _, id_ in members]
    keys = _spread([*ids[first:index], item_id, *ids[index:end]], left, right)
    if all(map(is_key, keys.values())):
        return keys
    return _spread([*ids[:index], item_id, *ids[index:]], None, None)  # thousands in one gap: all get short keys again


def _spread(ids: Sequence[str], left: str | None, right: str | None) -> dict[str, str]:
    keys: dict[str, str] = {}
    for each in ids:
        left = keys[each] = key_between(left, right, each)
    return keys


def _after(key: str) -> str:
    """Return digits whose every continuation is after `key`: its head, counted up."""
    if not key:
        return _digits(BASE**HEAD // 2, HEAD)
    head = _number(key[:HEAD].ljust(HEAD, DIGITS[0]))
    return _digits(head + 1, HEAD) if head < BASE**HEAD - 1 else key[:HEAD] + _after(key[HEAD:])


def _before(key: str) -> str:
    """Return digits whose every continuation is before `key`: its head, counted down."""
    head = _number(key[:HEAD].ljust(HEAD, DIGITS[0]))
    return _digits(head - 1, HEAD) if head > 1 else _middle("", key)


def _middle(left: str, right: str) -> str:
    """Return the shortest digits whose every continuation is after `left` and before `right`."""
    prefix, below = "", False  # below: what stands in `prefix` is smaller than the same digits of `right` already
    while True:
        place = len(prefix)
        low = DIGITS.index(left[place]) if place < len(left) else 0
        high = BASE if below else DIGITS.index(right[place])
        if high - low > 1:
            return prefix + DIGITS[(low + high) // 2]
        prefix += DIGITS[low]
        below = below or high > low


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * BASE + DIGITS.index(digit)
    return number


def _digits(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, BASE)
        digits = DIGITS[digit] + digits
    return digits

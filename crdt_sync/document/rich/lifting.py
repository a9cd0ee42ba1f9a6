"""From edited Markdown back to a body: what the edit did not touch stays, with all that Markdown cannot say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from crdt_sync.document.rich.differences import align, text_changes
from crdt_sync.document.rich.inline_markdown import UNSAYABLE, sayable
from crdt_sync.document.rich.markdown import render_markdown
from crdt_sync.document.rich.merging import merge
from crdt_sync.document.rich.names import (
    BLOCKQUOTE,
    BULLET_LIST,
    HARD_BREAK,
    LINK,
    LIST_ITEM,
    MARKS,
    ORDERED_LIST,
    PARAGRAPH,
    TEXT_BLOCKS,
)
from crdt_sync.document.rich.parsing import parse_markdown
from crdt_sync.document.rich.values import Attributes, Blocks, Element, Mark, Node, Run, Text, joined, mark_order

__all__ = ["edited"]

_SAID_ATTRIBUTES = {"heading": "level", "orderedList": "start", "codeBlock": "language"}
_CONTAINERS = frozenset({BLOCKQUOTE, BULLET_LIST, ORDERED_LIST, LIST_ITEM})
_BREAK = "\ufdd0"  # no character, by Unicode's word


def edited(current: Blocks, wanted: Blocks, base: Blocks | None = None) -> Blocks:
    """Return what a body becomes when its Markdown is edited to say `wanted`.

    `base` is what the Markdown said that was edited; None, if that is what the body says now. What has changed in the
    body since then is merged with the edit, as two devices' edits are.
    """
    if base is not None:
        said = parse_markdown(render_markdown(current))
        wanted = merge(base, wanted, said)
    return _lifted(current, wanted)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A node, and what its Markdown says, which may be several blocks, or nothing."""

    node: Node
    said: tuple[Node, ...]
    first: int


def _lifted(current: Sequence[Node], wanted: Sequence[Node], *, within: bool = False) -> tuple[Node, ...]:
    """Return the nodes as they become. `within` an item or a quote an empty first paragraph is what is typed into."""
    units: list[_Unit] = []
    said: list[Node] = []
    for node in current:
        is_first = within and not units and node == Element(PARAGRAPH)
        units.append(_Unit(node, (node,) if is_first else _said(node), len(said)))
        said += units[-1].said
    becomes: dict[int, int] = {}
    kept: dict[int, Node] = {}  # by the place in `wanted`: what stands there
    for old, new in align(said, wanted):
        if old is not None and new is not None:
            becomes[old] = new
    after: dict[int, list[Node]] = {}  # what cannot be seen, by the place in `wanted` that it follows
    at, left_out = -1, False
    for unit in units:
        places = [becomes.get(unit.first + offset) for offset in range(len(unit.said))]
        if not places:
            if not left_out:
                after.setdefault(at, []).append(unit.node)
            continue
        found = [place for place in places if place is not None]
        left_out = not found
        if not found:
            continue
        at = max(at, *found)
        is_whole = all(
            place == found[0] + offset and wanted[place] == unit.said[offset]
            for offset, place in enumerate(places)
            if place is not None
        )
        if is_whole and len(found) == len(places):
            kept[found[0]] = unit.node
            kept.update((place, _NOTHING) for place in found[1:])
        elif len(places) == 1:
            kept[found[0]] = _changed(unit.node, wanted[found[0]])
    result = list(after.get(-1, ()))
    for place, node in enumerate(wanted):
        result.append(kept.get(place, node))
        result += after.get(place, ())
    return joined(node for node in result if node is not _NOTHING)


_NOTHING: Node = Text(())


def _said(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Element) and node.name == LIST_ITEM:
        (list_,) = parse_markdown(render_markdown((Element(BULLET_LIST, (), (node,)),)))
        assert isinstance(list_, Element)
        return list_.children
    return parse_markdown(render_markdown((node,)))


def _changed(current: Node, wanted: Node) -> Node:
    """Return an element with what `wanted` says in it, and what Markdown cannot say of it as it is."""
    if isinstance(current, Text) or isinstance(wanted, Text):
        return wanted
    if current.name in TEXT_BLOCKS and current.name == wanted.name:
        return Element(current.name, _attributes(current, wanted), _inline(current.children, wanted.children))
    if current.name in _CONTAINERS and current.name == wanted.name:
        within = current.name in (LIST_ITEM, BLOCKQUOTE)
        return Element(
            current.name, _attributes(current, wanted), _lifted(current.children, wanted.children, within=within)
        )
    if current.name in TEXT_BLOCKS | _CONTAINERS:
        return wanted
    if any(isinstance(child, Text) for child in current.children) and wanted.name in TEXT_BLOCKS:
        return Element(current.name, current.attributes, _inline(current.children, wanted.children))
    return Element(current.name, current.attributes, _lifted(current.children, (wanted,)))


def _attributes(current: Element, wanted: Element) -> Attributes:
    name = _SAID_ATTRIBUTES.get(current.name)
    attributes = dict(current.attributes)
    if name is not None:
        said = next((node for node in _said(current) if isinstance(node, Element)), None)
        if said is None or said.get(name) != wanted.get(name):
            attributes.pop(name, None)
            attributes |= dict(wanted.attributes)
    return tuple(sorted(attributes.items()))


@dataclass(frozen=True, slots=True)
class _Item:
    """A character, a hard break (`_BREAK`), or a character of an unknown element, with what bears it."""

    character: str
    marks: tuple[Mark, ...] = ()
    element: Element | None = None
    of: int = -1


def _inline(current: Sequence[Node], wanted: Sequence[Node]) -> tuple[Node, ...]:
    items, hidden = _items(current)
    new, _ = _items(wanted)
    changes = text_changes(*("".join(item.character for item in row) for row in (items, new)))
    spans: dict[int, list[int]] = {}
    for at, item in enumerate(items):
        if item.of >= 0:
            spans.setdefault(item.of, []).append(at)
    gone = {at for a, b, _, _ in changes for at in range(a, b)}
    whole = {of for of, places in spans.items() if not gone.intersection(places)}
    result: list[Node] = []
    at = at_new = 0

    def keep(up_to: int) -> None:
        nonlocal at, at_new
        while at < up_to:
            result.extend(hidden.get(at, ()))
            result.extend(_kept(items, at, new[at_new], whole))
            at, at_new = at + 1, at_new + 1

    for a, b, c, d in changes:
        keep(a)
        for place in range(a, b):
            result.extend(hidden.get(place, ()))
        result.extend(_nodes(new[c:d]))
        at, at_new = b, d
    keep(len(items))
    result.extend(hidden.get(len(items), ()))
    return joined(result)


def _kept(items: Sequence[_Item], at: int, wanted: _Item, whole: set[int]) -> Iterator[Node]:
    item = items[at]
    if item.of in whole:
        if at == 0 or items[at - 1].of != item.of:
            assert item.element is not None
            yield item.element
    elif item.element is not None or wanted.element is not None:
        yield _node(wanted)
    else:
        yield Text((Run(wanted.character, _marks(item.marks, wanted.marks)),))


def _marks(current: tuple[Mark, ...], wanted: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """Return the marks that are wanted, as they stand there now, and those that Markdown cannot say."""
    said = sayable(current)
    if said == wanted:
        return current
    named = {mark.name: mark for mark in current}
    same = {mark for mark in said if mark in wanted}
    found = [named[mark.name] if mark in same else mark for mark in wanted]
    names = {mark.name for mark in found}
    found += [
        mark
        for mark in current
        if mark.name not in names and (mark.name not in MARKS or (mark.name == LINK and not sayable((mark,))))
    ]
    return tuple(sorted(found, key=mark_order))


def _items(nodes: Sequence[Node]) -> tuple[list[_Item], dict[int, list[Node]]]:
    """Return what can be seen, and what cannot, by the place that it stands before."""
    items: list[_Item] = []
    hidden: dict[int, list[Node]] = {}
    for number, node in enumerate(nodes):
        if isinstance(node, Text):
            for run in node.runs:
                for character in run.text:
                    if UNSAYABLE.match(character):
                        hidden.setdefault(len(items), []).append(Text((Run(character, run.marks),)))
                    else:
                        items.append(_Item(character, run.marks))
        elif node.name == HARD_BREAK:
            items.append(_Item(_BREAK, (), node))
        elif words := "".join(_words(node)):
            items += [_Item(character, (), node, number) for character in words]
        else:
            hidden.setdefault(len(items), []).append(node)
    return items, hidden


def _words(node: Element) -> Iterator[str]:
    for child in node.children:
        if isinstance(child, Text):
            yield UNSAYABLE.sub("", child.plain)
        else:
            yield from _words(child)


def _nodes(items: Sequence[_Item]) -> Iterator[Node]:
    for (element, marks), same in groupby(items, key=lambda item: (item.element, item.marks)):
        if element is None:
            yield Text((Run("".join(item.character for item in same), marks),))
        else:
            yield from (element for _ in same)


def _node(item: _Item) -> Node:
    return item.element if item.element is not None else Text((Run(item.character, item.marks),))

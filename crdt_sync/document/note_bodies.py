"""Writes the bodies of notes: the part of `Writer` that knows what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pycrdt import Doc, Map, XmlFragment

from crdt_sync.document import schema
from crdt_sync.document.edits import AddNote, AppendToNote, Edit, EditNoteBody, SetNoteBody
from crdt_sync.document.rich import Blocks, Element, Json, Node, Text, paragraphs, parse_markdown, read_body
from crdt_sync.document.rich.bodies import write_body
from crdt_sync.document.rich.lifting import edited
from crdt_sync.document.rich.reading import MAX_DEPTH, is_quill
from crdt_sync.document.rich.seeding import seed
from crdt_sync.document.rich.values import normalized
from crdt_sync.errors import InvalidEdit
from crdt_sync.protocol.update import decode_state_vector

__all__ = ["NoteBodies", "body_of", "body_to_keep"]


def body_of(doc: Doc[Any], fields: Map[Any], note_id: str) -> Blocks:
    """Return a note's body; an imported text that nobody has edited yet as a paragraph for each line."""
    text = fields.get(schema.field_key(note_id, schema.BODY))
    return read_body(doc, schema.note_root(note_id)) or paragraphs(text if isinstance(text, str) else "")


def body_to_keep(doc: Doc[Any], fields: Map[Any], note_id: str) -> Blocks | None:
    """Return a note's body, to write it again later; None if it is kept in a form that is not written here."""
    quill = is_quill(doc.get(schema.note_root(note_id), type=XmlFragment))
    return None if quill else body_of(doc, fields, note_id)


class NoteBodies:
    """The bodies of one document, for the edits of one call."""

    def __init__(self, doc: Doc[Any], fields: Map[Any]) -> None:
        self._doc = doc
        self._fields = fields
        self._parsed: dict[str, Blocks] = {}

    def check(self, edit: Edit, item_id: str) -> None:
        """Raise `InvalidEdit` if a body cannot be what the edit says, before anything is changed."""
        if isinstance(edit, EditNoteBody):
            self._parse(edit.markdown)
            if edit.base is not None:
                self._parse(edit.base)
        elif isinstance(edit, AddNote) and edit.markdown:
            self._parse(edit.text)
        elif isinstance(edit, SetNoteBody):
            _check_tree(edit.body)
        if isinstance(edit, EditNoteBody | SetNoteBody | AppendToNote) and is_quill(self._root(item_id)):
            raise InvalidEdit(f"the body of {item_id!r} is kept in the form of the editor Quill; edit it there")

    def append(self, edit: AddNote | AppendToNote, note_id: str) -> bool:
        """Add what an edit says at the end of a body; return whether it said anything."""
        is_markdown = isinstance(edit, AddNote) and edit.markdown
        blocks = self._parse(edit.text) if is_markdown else paragraphs(edit.text)
        return bool(blocks) and self._write(note_id, (*self._body(note_id), *blocks))

    def change(self, edit: EditNoteBody | SetNoteBody, note_id: str) -> bool:
        """Make a body what an edit says; return whether there was anything to change."""
        if isinstance(edit, SetNoteBody):
            return self._write(note_id, normalized(edit.body))
        base = None if edit.base is None else self._parse(edit.base)
        return self._write(note_id, edited(self._body(note_id), self._parse(edit.markdown), base))

    def empty(self, note_id: str) -> bool:
        """Take all out of a body, whatever it is; return whether there was anything."""
        root = self._root(note_id)
        length = len(root.children)
        if length:
            del root.children[0:length]
        return length > 0

    def _write(self, note_id: str, wanted: Blocks) -> bool:
        if wanted == self._body(note_id):
            return False
        key = schema.field_key(note_id, schema.BODY)
        root = self._root(note_id)
        if key in self._fields:
            text = self._fields[key]
            if isinstance(text, str) and text and not len(root.children):
                known = decode_state_vector(self._doc.get_state())
                self._doc.apply_update(seed(note_id, schema.note_root(note_id), text, known))
            del self._fields[key]
        write_body(root, wanted)
        return True

    def _body(self, note_id: str) -> Blocks:
        return body_of(self._doc, self._fields, note_id)

    def _root(self, note_id: str) -> XmlFragment:
        root: XmlFragment = self._doc.get(schema.note_root(note_id), type=XmlFragment)
        return root

    def _parse(self, markdown: str) -> Blocks:
        if markdown not in self._parsed:
            self._parsed[markdown] = parse_markdown(markdown)
        return self._parsed[markdown]


def _check_tree(body: Blocks) -> None:
    waiting = [(node, 1) for node in body]
    while waiting:
        node, depth = waiting.pop()
        try:
            "".join(_strings(node)).encode()
        except UnicodeEncodeError:
            raise InvalidEdit("a body holds half a character (a lone surrogate)") from None
        if isinstance(node, Element):
            if depth > MAX_DEPTH or (depth == MAX_DEPTH and any(isinstance(each, Element) for each in node.children)):
                raise InvalidEdit(
                    f"the blocks of a body lie at most {MAX_DEPTH} deep in one another; make them flatter"
                )
            waiting += [(child, depth + 1) for child in node.children]


def _strings(node: Node) -> Iterator[str]:
    """Yield every text that is written for a node, without its children."""
    attributes: Iterable[tuple[str, object]]
    if isinstance(node, Text):
        yield node.plain
        marks = [mark for run in node.runs for mark in run.marks]
        yield from (mark.name for mark in marks)
        attributes = [attribute for mark in marks for attribute in mark.attributes]
    else:
        yield node.name
        attributes = node.attributes
    for name, value in attributes:
        yield name
        yield value.text if isinstance(value, Json) else value if isinstance(value, str) else ""

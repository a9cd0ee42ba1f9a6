"""Moves an imported note's text into its body, so that devices which do it apart make one body and not two.

An import writes text into the field `<id>/body` and never into the fragment. The first edit of the body moves it there:
as an update that follows from the note's id and the text alone, its Yjs client id included. Two devices that hold the
same text make the same operations, byte for byte, and whoever has them takes them once (`docs/protocol.md`).
"""

from __future__ import annotations

from collections.abc import Container
from hashlib import sha256
from itertools import count
from typing import Any

from pycrdt import Doc, XmlFragment

from crdt_sync.document.rich.bodies import write_body
from crdt_sync.document.rich.values import paragraphs

__all__ = ["seed", "seed_client"]


def seed(note_id: str, root: str, text: str, known: Container[int]) -> bytes:
    """Return the update that puts `text` into the empty root, a paragraph for each line.

    `known` are the client ids that the document knows. One that is known has done its work, and what it wrote was
    deleted: the text came again, and is written under the next one.
    """
    client_id = next(each for number in count() if (each := seed_client(note_id, text, number)) not in known)
    doc: Doc[Any] = Doc(client_id=client_id)
    body = doc.get(root, type=XmlFragment)
    with doc.transaction():
        write_body(body, paragraphs(text))
    return doc.get_update()


def seed_client(note_id: str, text: str, number: int = 0) -> int:
    """Return the client id of a seed: the first 53 bits of the SHA-256 of note, number and text in UTF-8.

    It must depend on all that is written: two different operations under one client id and clock would leave replicas
    apart for ever.
    """
    digest = sha256(f"crdt-sync body\n{note_id}\n{number}\n{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 11

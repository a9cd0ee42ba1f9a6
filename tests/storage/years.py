"""Years of a library's life in minutes: sessions with a client id each, as a person would use them.

A session knows what stands in its season and not what came before, which is all that its edits touch; so its updates
are those that a device with the whole library would have made, without loading the whole library ten thousand times.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from crdt_sync.document import AddHighlight, AddNote, Anchor, AppendToNote, Edit, EditHighlight, Restore, Trash
from crdt_sync.document.library_document import LibraryDocument

QUOTE = "In the beginning God created the heaven and the earth."
COLORS = ("yellow", "green", "blue", "pink")


def years(random: Random, *, sessions: int, edits_each: int, sessions_a_season: int = 20) -> Iterator[bytes]:
    """Yield the update of each session, in order."""
    for first in range(0, sessions, sessions_a_season):
        season: list[bytes] = []
        items: list[str] = []
        notes: list[str] = []
        for session in range(first, min(first + sessions_a_season, sessions)):
            document = LibraryDocument(season, lambda: random.getrandbits(53))
            before = document.state_vector()
            for n in range(edits_each):
                edit = _edit(random, f"{session}-{n}", items, notes)
                document.edit([edit], now_ms=session * 10**6 + n, author="Ada", new_id=lambda: "never")
            yield document.diff(before)
            season = [document.diff(b"\x00")]
            document.close()


def _edit(random: Random, name: str, items: list[str], notes: list[str]) -> Edit:
    """Of a hundred edits: 12 highlights, 3 notes, and 85 changes to what was made within the season."""
    kind = random.random()
    if kind < 0.12 or not items:
        items.append(name)
        verse = f"Gen.{random.randint(1, 50)}.{random.randint(1, 31)}"
        return AddHighlight(Anchor.verse(verse, work="Bible.KJV", quote=QUOTE), id=name, tags=(f"tag{kind:.2f}",))
    if kind < 0.15 or not notes:
        notes.append(name)
        return AddNote(f"Thoughts of {name}.\nAnd more of them.", id=name, highlight_id=random.choice(items))
    recent = items[-50:]
    if kind < 0.45:
        return EditHighlight(random.choice(recent), color=random.choice(COLORS))
    if kind < 0.65:
        return EditHighlight(random.choice(recent), comment=f"{name}: {QUOTE[: random.randint(5, 50)]}")
    if kind < 0.80:
        return EditHighlight(random.choice(recent), add_tags=(f"tag{random.randint(1, 30)}",))
    if kind < 0.95:
        return AppendToNote(random.choice(notes[-5:]), f"Added by {name}.")
    return (Trash if kind < 0.975 else Restore)(random.choice(recent))

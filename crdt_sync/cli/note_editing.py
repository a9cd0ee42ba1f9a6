"""`crdt-sync note edit`: a note's Markdown in the person's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from crdt_sync import CrdtSyncError, Library
from crdt_sync.cli.output import console, plain
from crdt_sync.cli.running import DEFAULT, ItemId, LibraryPath, full_id, run, with_library
from crdt_sync.errors import InvalidEdit, LibraryError

__all__ = ["note_edit"]

CANNOT_RUN = 127


def note_edit(item: ItemId, library: LibraryPath = DEFAULT) -> None:
    """Edit a note in $VISUAL or $EDITOR, as Markdown. What others write meanwhile is kept.

    The library is closed while the editor runs. If the edit cannot be made, the text stays in a file that is named.
    """
    note_id, before = "", ""

    async def read(opened: Library) -> None:
        nonlocal note_id, before
        note_id = await full_id(opened, item)
        before = await opened.note_markdown(note_id)

    with_library(library, read)
    path = _file(before)
    try:
        _run_editor(path)
        after = _read(path).removesuffix("\n")
    except LibraryError as error:
        message = _kept(error, path, before)
        run(lambda: _fail(message))
        return
    if after == before:
        path.unlink()
        console.print("nothing was changed")
        return

    async def write(opened: Library) -> None:
        try:
            await opened.edit_note(note_id, after, base=before)
        except CrdtSyncError as error:
            raise _kept(error, path, before) from error
        path.unlink()

    try:
        with_library(library, write, caught=CrdtSyncError)
    except CrdtSyncError as error:  # one from opening the library does not name the file yet
        message = error if str(path) in str(error) else _kept(error, path, before)
        run(lambda: _fail(message))


async def _fail(error: CrdtSyncError) -> None:
    raise error


def _file(text: str) -> Path:
    """Write what is to be edited into a file that nobody else may read."""
    handle, name = tempfile.mkstemp(prefix="crdt-sync-note-", suffix=".md")
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(f"{text}\n" if text else "")
    return Path(name)


def _run_editor(path: Path) -> None:
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
    try:
        status = subprocess.run([*shlex.split(command), str(path)], check=False).returncode
    except (OSError, ValueError) as error:
        raise LibraryError(
            f"the editor {command!r} could not be run ({error}); name one in $VISUAL or $EDITOR"
        ) from None
    if status == CANNOT_RUN:
        raise LibraryError(f"the editor {command!r} could not be run; name one in $VISUAL or $EDITOR")
    if status:
        raise LibraryError(f"the editor {command!r} ended with status {status}, so the note stays as it is")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidEdit("what the editor saved is not UTF-8, so the note stays as it is") from None
    except OSError as error:
        raise LibraryError(f"what the editor saved cannot be read ({error}); the note stays as it is") from None


def _kept(error: CrdtSyncError, path: Path, before: str) -> CrdtSyncError:
    """Return the error with the name of the file that has the text; a file that has nothing new in it goes."""
    try:
        unchanged = path.read_bytes() == (f"{before}\n" if before else "").encode()
    except OSError:
        return LibraryError(str(error))
    if unchanged:
        path.unlink()
        return LibraryError(str(error))
    return LibraryError(plain(f"{error}. The text is kept in {path}"))

"""Which library a command is about, and where it syncs: a small JSON file beside the library."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from crdt_sync.errors import LibraryError

__all__ = ["Settings", "default_library"]


def default_library() -> Path:
    """Return where the library of this user belongs on this system."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "crdt-sync" / "library.sqlite3"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a library syncs, and how its person is called."""

    relay: str | None = None
    room: str | None = None
    subject: str | None = None
    author: str = ""

    @staticmethod
    def file_of(library: Path) -> Path:
        """Return the settings file of a library."""
        return library.with_name(f"{library.name}.settings.json")

    @classmethod
    def load(cls, library: Path) -> Settings:
        """Read the settings of a library; one that a program has made may have none.

        Raises `LibraryError` if there is no library, or they cannot be read.
        """
        path = cls.file_of(library)
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            if library.is_file():
                return cls()
            raise LibraryError(f"there is no library at {library}; make one with: crdt-sync init") from None
        except (OSError, TypeError, ValueError) as error:
            raise LibraryError(
                f"{path} cannot be read ({error}); mend it, or write it anew with: crdt-sync init"
            ) from None

    def save(self, library: Path) -> None:
        """Write the settings of a library, whole or not at all."""
        path = self.file_of(library)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f"{path.name}.new")
            draft.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")
            draft.replace(path)
        except OSError as error:
            raise LibraryError(f"{path} cannot be written: {error.strerror}") from None

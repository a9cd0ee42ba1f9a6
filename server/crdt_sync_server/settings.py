"""Where settings come from: a flag, else the environment, else a file, else the default.

One name has three spellings: the flag `--poll-wait`, the variable `CRDT_SYNC_SERVER_POLL_WAIT`, the key `poll-wait`
of the TOML file. All follow from the fields of `config.Config`.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from crdt_sync_server.config import Config
from crdt_sync_server.errors import ConfigurationError

__all__ = ["CONFIG_VARIABLE", "SETTINGS", "Effective", "Setting", "default_settings_file", "load_settings"]

PREFIX = "CRDT_SYNC_SERVER_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `field` is its name in `Config`, `kind` the type of its value, `name` its flag without dashes,
    of which a secret has none.

    The kinds are str, int, float, bool, Path, an enum of strings, and `tuple` for several strings.
    """

    field: str
    name: str
    help: str
    kind: type
    default: Any
    is_secret: bool = False

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper().replace("-", "_")

    def from_text(self, text: str, where: str) -> Any:
        """Return the value that `text` says. Raises `ConfigurationError`, which names `where`."""
        try:
            if self.kind is bool:
                return _BOOLEANS[text.lower()]
            if self.kind is tuple:
                return tuple(part.strip() for part in text.split(",") if part.strip())
            if self.kind is Path and not text:
                raise ValueError(text)
            return self.kind(text)
        except (KeyError, ValueError):
            raise ConfigurationError(f"{where}: {text!r} is {self._wanted()}") from None

    def from_toml(self, value: Any, where: str) -> Any:
        """Return the value of a TOML value. Raises `ConfigurationError`, which names `where`."""
        if self.kind is tuple and isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if self.kind in (bool, int, float) and type(value) is self.kind:
            return value
        if self.kind not in (bool, int, float, tuple) and isinstance(value, str):
            return self.from_text(value, where)
        shown = "this" if self.is_secret else repr(value)
        raise ConfigurationError(f"{where}: {shown} is {self._wanted()}")

    def _wanted(self) -> str:
        if self.kind is tuple:
            return 'no list of strings, like ["one", "another"]'
        if issubclass(self.kind, StrEnum):
            return f"none of {', '.join(self.kind)}"
        names = {bool: "neither true nor false", int: "no whole number", float: "no number", Path: "no path"}
        return names.get(self.kind, "no string")


def _settings() -> dict[str, Setting]:
    hints = get_type_hints(Config)
    return {
        each.metadata["flag"]: Setting(
            each.name,
            each.metadata["flag"],
            each.metadata["help"],
            _kind(hints[each.name]),
            each.default,
            each.metadata["secret"],
        )
        for each in fields(Config)
    }


def _kind(hint: Any) -> type:
    """Return the type of a field's values: `int` of `int | None`, `tuple` of `tuple[str, ...]`."""
    if isinstance(hint, UnionType):
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    kind: type = get_origin(hint) or hint
    return kind


SETTINGS: Mapping[str, Setting] = _settings()
"""Name → setting, in the order of the docs."""


@dataclass(frozen=True, slots=True)
class Effective:
    """What holds. `sources` says for each name where its value comes from: the words of a flag, a variable, a file."""

    config: Config
    sources: Mapping[str, str]


def default_settings_file() -> Path:
    """Return where a settings file is looked for if none is named. It need not be there."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    return base / "crdt-sync-server" / "settings.toml"


def load_settings(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None) -> Effective:
    """Put the settings together; `flags` are by name, None where not given, `file` must be there if named.

    Raises `ConfigurationError` for a value that a setting cannot have, and for a key of the file that is no setting. A
    variable that is no setting is left alone: a container platform makes some with this prefix by itself.
    """
    named = file or (Path(environment[CONFIG_VARIABLE]) if environment.get(CONFIG_VARIABLE) else None)
    path = named or default_settings_file()
    written = _read(path, must_exist=named is not None)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, setting in SETTINGS.items():
        if flags.get(name) is not None:
            values[setting.field], sources[name] = flags[name], f"--{name}"
        elif (text := environment.get(setting.variable)) is not None:
            values[setting.field] = setting.from_text(text, setting.variable)
            sources[name] = setting.variable
        elif name in written:
            values[setting.field] = setting.from_toml(written[name], f"{path}, {name}")
            sources[name] = str(path)
        else:
            sources[name] = "default"
    return Effective(Config(**values), sources)


def _read(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        written = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise ConfigurationError(f"there is no settings file {path}") from None
        return {}
    except OSError as error:
        raise ConfigurationError(f"the settings file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise ConfigurationError(f"the settings file {path} is no TOML: {error}") from error
    unknown = [name for name in written if name not in SETTINGS]
    if unknown:
        raise ConfigurationError(f"{path}: no settings are called {', '.join(map(_with_guess, unknown))}")
    return written


def _with_guess(name: str) -> str:
    close = get_close_matches(name.replace("_", "-"), SETTINGS, n=1)
    return f"{name!r} (do you mean {close[0]!r}?)" if close else repr(name)

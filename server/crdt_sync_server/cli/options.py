"""Options that follow from the table of settings."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from crdt_sync_server.cli.running import run
from crdt_sync_server.settings import CONFIG_VARIABLE, SETTINGS, Setting, load_settings

__all__ = ["Json", "with_settings"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_CONFIG_HELP = "The settings file (TOML); docs/operating.md says where one is looked for otherwise."


def with_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of the settings called `names`, or all; it takes an `Effective` as its first argument.

    Flags win over the environment, that over the file, that over the defaults. What is wrong is one line and status 1.
    """
    taken = [setting for name in names or SETTINGS if not (setting := SETTINGS[name]).is_secret]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def call(**arguments: Any) -> None:
            def work() -> None:
                flags = {setting.name: _given(arguments.pop(setting.field)) for setting in taken}
                file = arguments.pop("config")
                command(load_settings(flags, os.environ, file), **arguments)

            run(work)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        options = [_parameter(setting) for setting in taken]
        call.__signature__ = inspect.Signature([*own, _config_parameter(), *options])  # type: ignore[attr-defined]
        call.__annotations__ = {}
        return call

    return decorate


def _given(value: Any) -> Any:
    """Return what a flag says as the setting has it; None if it was not given."""
    return (tuple(value) or None) if isinstance(value, list) else value


def _parameter(setting: Setting) -> inspect.Parameter:
    kind: Any = list[str] if setting.kind is tuple else setting.kind
    flag = f"--{setting.name}/--no-{setting.name}" if setting.kind is bool else f"--{setting.name}"
    words = f"{setting.help} (default: {_default_words(setting)}; {setting.variable})"
    return inspect.Parameter(
        setting.field,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, typer.Option(flag, help=words, show_default=False)],
    )


def _config_parameter() -> inspect.Parameter:
    option = typer.Option("--config", help=f"{_CONFIG_HELP} ({CONFIG_VARIABLE})", show_default=False)
    return inspect.Parameter(
        "config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Path | None, option]
    )


def _default_words(setting: Setting) -> str:
    if setting.field == "data":
        return "this user's data folder"
    if setting.default is None or setting.default == ():
        return "none"
    return str(setting.default).lower() if setting.kind is bool else str(setting.default)

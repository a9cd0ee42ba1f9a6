"""Writes a history down as a program that repeats it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from crdt_sync import testing
from crdt_sync.testing.model import Model
from crdt_sync.testing.replicas import OpenReplica
from crdt_sync.testing.world import World
from crdt_sync.testing.yjs import Yjs

__all__ = ["Script"]


class Script:
    """The steps of one run, and the words around them."""

    def __init__(self, model: Model, replicas: int | Sequence[OpenReplica], world: Callable[..., World]) -> None:
        self._model = model
        self._replicas = replicas
        self._world = world
        self._seed = 0
        self._steps: list[str] = []
        self.failed = False

    def begin(self, seed: int) -> None:
        """Start a run."""
        self._seed = seed

    def step(self, name: str, *arguments: Any) -> None:
        """Note a step."""
        self._steps.append(f"world.{name}({', '.join(map(repr, arguments))})")

    def explain(self, error: BaseException) -> None:
        """Add the program to an error, where pytest and the traceback show it."""
        self.failed = True
        error.add_note(f"Paste this into a file and run it:\n\n{self}")

    def __str__(self) -> str:
        """Return the program."""
        imports: dict[str, None] = {}
        model = _name_of(self._model, self._model.apply, imports)
        world = _name_of(self._world, self._world, imports)
        replicas = (
            str(self._replicas)
            if isinstance(self._replicas, int)
            else f"[{', '.join(_name_of(each, type(each), imports) for each in self._replicas)}]"
        )
        return "\n".join([*imports, "", f"world = {world}({model}, {replicas}, seed={self._seed})", *self._steps, ""])


def _name_of(thing: Any, maker: Any, imports: dict[str, None]) -> str:
    """Return an expression for `thing`, and put into `imports` what it needs; `maker` lies where it may lie too."""
    modules = [testing, inspect.getmodule(thing), inspect.getmodule(maker), *list(sys.modules.values())]
    for module in [each for each in modules if each is not None]:
        for name, value in list(vars(module).items()):
            if value is thing and name.isidentifier():
                return _import(name, module, imports)
    if isinstance(thing, Yjs):
        imports[f"from {testing.__name__} import Yjs"] = None
        return repr(thing)
    return f"...  # {thing!r}: give it a name at the top of a module"


def _import(name: str, module: ModuleType, imports: dict[str, None]) -> str:
    if _importable(module):
        imports[f"from {module.__name__} import {name}"] = None
    else:  # a test module that pytest has loaded from its file
        imports["import runpy"] = None
        imports[f'{name} = runpy.run_path({module.__file__!r})["{name}"]'] = None
    return name


def _importable(module: ModuleType) -> bool:
    try:
        specification = find_spec(module.__name__)
    except (ImportError, ValueError):
        return False
    return (
        specification is not None and specification.origin is not None and specification.origin == module.__file__
    ) and module.__name__ != "__main__"

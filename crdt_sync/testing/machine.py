"""Makes a hypothesis state machine of a model: it looks for a history after which replicas differ, and shrinks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from crdt_sync.testing.model import Edit, Model
from crdt_sync.testing.replicas import OpenReplica
from crdt_sync.testing.script import Script
from crdt_sync.testing.world import World
from crdt_sync.testing.yjs import NodeError

__all__ = ["convergence_machine"]


def convergence_machine(
    model: Model,
    replicas: int | Sequence[OpenReplica] = 3,
    *,
    world: Callable[..., World] = World,
    crashes: bool = True,
    backups: bool = True,
) -> type[RuleBasedStateMachine]:
    """Return a state machine over `replicas` of `model`; its `TestCase` runs under pytest and unittest.

    It edits, connects, cuts, delays, repeats, crashes, compacts and restores backups, and at the end of each history
    lets all exchange everything and compares them. A failure is shrunk by hypothesis, and its note is a script that
    repeats it. Leave out `crashes` or `backups` for a program that has none.
    """
    count = replicas if isinstance(replicas, int) else len(replicas)
    some = st.integers(0, count - 1)

    class ConvergenceMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self._world: World | None = None
            self._script = Script(model, replicas, world)

        @initialize(seed=st.integers(0, 2**16))
        def begin(self, seed: int) -> None:
            self._script.begin(seed)
            self._world = world(model, replicas, seed=seed)

        def _between(self, name: str, a: int, b: int, *more: Any) -> None:
            if a != b:
                self._step(name, a, b, *more)

        def _step(self, name: str, *arguments: Any) -> None:
            self._script.step(name, *arguments)
            try:
                getattr(self._world, name)(*arguments)
            except BaseException as error:
                self._script.explain(error)
                raise

        @rule(at=some, edit=model.edits)
        def edit(self, at: int, edit: Edit) -> None:
            self._step("edit", at, edit)

        @rule(a=some, b=some)
        def connect(self, a: int, b: int) -> None:
            self._between("connect", a, b)

        @rule(a=some, b=some)
        def cut(self, a: int, b: int) -> None:
            self._between("cut", a, b)

        @rule(a=some, b=some, frames=st.integers(1, 4))
        def deliver(self, a: int, b: int, frames: int) -> None:
            self._between("deliver", a, b, frames)

        @rule(a=some, b=some)
        def exchange(self, a: int, b: int) -> None:
            self._between("exchange", a, b)

        @rule(a=some, b=some)
        def duplicate(self, a: int, b: int) -> None:
            self._between("duplicate", a, b)

        @rule(a=some, b=some)
        def pass_by_hand(self, a: int, b: int) -> None:
            self._between("pass_by_hand", a, b)

        @rule(a=some, b=some, c=some, first=model.edits, second=model.edits)
        def edit_what_came_by_hand(self, a: int, b: int, c: int, first: Edit, second: Edit) -> None:
            """What `a` then sends to `b` may need what `b` has never seen."""
            if len({a, b, c}) < 3:
                return
            self._step("exchange", a, b)
            self._step("edit", c, first)
            self._step("pass_by_hand", c, a)
            self._step("edit", a, second)

        @rule()
        def meet_and_part(self) -> None:
            """In a long history a lost edit may be made a second time before the end."""
            self._step("settle")
            self._step("part")

        @rule(at=some)
        def compact(self, at: int) -> None:
            self._step("compact", at)

        if crashes:

            @rule(at=some)
            def crash(self, at: int) -> None:
                self._step("crash", at)

        if backups:

            @rule(at=some)
            def back_up(self, at: int) -> None:
                self._step("back_up", at)

            @rule(at=some)
            def restore(self, at: int) -> None:
                self._step("restore", at)

            @rule(at=some, other=some, first=model.edits, second=model.edits)
            def restore_what_others_are_ahead_of(self, at: int, other: int, first: Edit, second: Edit) -> None:
                """Another replica remembers an edit that its own author has lost, and edits again."""
                if at == other:
                    return
                self._step("back_up", at)
                self._step("edit", at, first)
                self._step("exchange", at, other)
                self._step("restore", at)
                self._step("edit", at, second)

        def teardown(self) -> None:
            if self._world is None:
                return
            if self._script.failed:
                with suppress(NodeError):  # what node has said of it is the failure already
                    self._world.close()
                return
            try:
                self._step("settle")
            finally:
                self._world.close()

    return ConvergenceMachine

"""Which handler a method and a path are for. A template like `/rooms/{room}/members` names its parts.

The raw path is split at its slashes before it is decoded, so a room's name is one part, its own slashes written %2F.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_to_bytes

from crdt_sync_server.api.problems import Problem
from crdt_sync_server.api.shapes import Shape
from crdt_sync_server.rooms import room_named

if TYPE_CHECKING:
    from crdt_sync_server.api.calls import Answer, Call

__all__ = ["API_PREFIX", "OCTETS", "Octets", "Query", "Route", "Routes"]

API_PREFIX = "/api/v1"
Handler: TypeAlias = "Callable[[Call], Awaitable[Answer]]"


@dataclass(frozen=True, slots=True)
class Octets:
    """A body of bytes, up to the size of a message."""


OCTETS = Octets()


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter of the query, which may be left out. `default` is as it would be written."""

    name: str
    words: str
    default: str = ""
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Route:
    """A method on a template, its handler, and what the description says of it.

    `answers` has for each good status a JSON Schema, or the name of one in `description`, or None for no body;
    `problems` lists the statuses of this route's own errors, beside those that every route has. `body` is what must
    come with it, and the handler's docstring is the description.
    """

    method: str
    template: str
    handler: Handler
    summary: str
    answers: Mapping[int, Mapping[str, Any] | str | None]
    body: Shape | Octets | None = None
    query: tuple[Query, ...] = ()
    problems: tuple[int, ...] = ()
    is_open: bool = False
    """Whether it is answered to whoever asks, without a token."""
    is_edit: bool = False
    """Whether it counts as an edit of a document; all else that changes something counts as a change."""


class Routes:
    """The table. Two routes of one template differ by their methods."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_template: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes:
            methods = self._by_template.setdefault(tuple(route.template.strip("/").split("/")), {})
            assert route.method not in methods, f"{route.method} {route.template} is there twice"
            methods[route.method] = route

    def __iter__(self) -> Iterator[Route]:
        return (route for methods in self._by_template.values() for route in methods.values())

    def find(self, raw_path: bytes) -> tuple[Mapping[str, Route], dict[str, str]]:
        """Return the routes at a path by their methods, and its parts by name. Raises `Problem`, `RoomNameError`."""
        parts = raw_path.partition(b"?")[0].removeprefix(f"{API_PREFIX}/".encode()).split(b"/")
        for template, methods in self._by_template.items():
            if len(template) == len(parts) and all(map(_fits, template, parts)):
                named = zip(template, parts, strict=True)
                return methods, {name[1:-1]: _decoded(name, part) for name, part in named if name.startswith("{")}
        raise Problem(404, "no-such-path", f"there is nothing here; {API_PREFIX}/openapi.json has what there is")


def _fits(name: str, part: bytes) -> bool:
    return bool(part) if name.startswith("{") else name.encode() == part


def _decoded(name: str, part: bytes) -> str:
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise Problem(400, "room-name", "a path is UTF-8, percent-encoded") from None
    return room_named(text) if name == "{room}" else text

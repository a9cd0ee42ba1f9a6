"""The reader in a browser: the files of its build, which stand in this package, served as they are.

What can be asked for is what the build made: a path is looked up among its files and never put together with a folder.
A WebSocket to a path of the same name goes to the room of that name: this face sees HTTP alone.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import anyio.to_thread

from crdt_sync_server.errors import Forbidden, RelayError, Unauthenticated
from crdt_sync_server.gate import Gate, without_token
from crdt_sync_server.ports import ConnectRequest
from crdt_sync_server.requests import client_of

__all__ = ["CONTENT_SECURITY_POLICY", "FOLDER", "ReaderFace"]

FOLDER = Path(__file__).parent / "static"
"""Where `make web` puts the build; the wheel carries it."""
INDEX = "/index.html"
IMMUTABLE = "/assets/"
"""What lies here has its hash in its name, and never changes."""
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Best first. The build has compressed the files; nothing is compressed while somebody waits."""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # a picture of a person is in their presence, or not shown: no other host is asked
        "font-src 'self'",
        "connect-src 'self'",  # WebSockets of the same host too (CSP Level 3)
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types crdt-sync ProseMirrorClipboard",
    )
)
_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml"}
PLAIN = "text/plain; charset=utf-8"
_NO_READER = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>crdt-sync relay</title>
<h1>This relay works.</h1>
<p>The reader was not built into it. In a checkout of crdt-sync, with node 20.19 or later, call <code>make web</code>
and load this page again; docs/reader.md says more. Programs connect to <code>/&lt;room&gt;</code> as before.</p>
</html>
"""

HttpApp: TypeAlias = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Variant:
    """A file as it goes out in one encoding."""

    data: bytes
    etag: bytes
    encoding: str | None


class ReaderFace:
    """A plain ASGI application for the files of the reader; what is none of them goes to `otherwise`."""

    def __init__(self, gate: Gate, *, otherwise: HttpApp, folder: Path = FOLDER) -> None:
        self._gate = gate
        self._otherwise = otherwise
        self._folder = folder
        self._files: dict[str, Path] = {}
        self._read: dict[tuple[str, str | None], _Variant] = {}

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        """Answer one request."""
        path = INDEX if scope["path"] == "/" else scope["path"]
        if path == INDEX and INDEX not in self._files:
            self._files = await anyio.to_thread.run_sync(_files_in, self._folder)
        if path not in self._files and path != INDEX:
            await self._otherwise(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if (refusal := await self._refusal(scope, headers)) is not None:
            await _respond(send, 403, PLAIN, refusal.encode())
        elif scope["method"] not in ("GET", "HEAD"):
            await _respond(send, 405, PLAIN, b"use GET", ((b"allow", b"GET, HEAD"),))
        elif path not in self._files:
            await _respond(send, 200, _type_of(INDEX), _NO_READER.encode(), ((b"cache-control", b"no-store"),))
        else:
            await self._serve(path, headers, send)

    async def _refusal(self, scope: dict[str, Any], headers: Mapping[str, str]) -> str | None:
        """Return why this host or page may not have the reader, if the gate says so; nobody needs a token for it."""
        request = ConnectRequest(room="", headers=tuple(headers.items()), query="", client=client_of(scope))
        try:
            await self._gate.identify(without_token(request))
        except Forbidden as error:
            return str(error)
        except Unauthenticated:
            pass
        except RelayError as error:
            return str(error)
        return None

    async def _serve(self, path: str, headers: Mapping[str, str], send: Send) -> None:
        accepted = _accepted(headers.get("accept-encoding", ""))
        encoding = next(
            (each for each in ENCODINGS if each in accepted and path + ENCODINGS[each] in self._files), None
        )
        if (variant := self._read.get((path, encoding))) is None:
            file = self._files[path + ENCODINGS[encoding] if encoding else path]
            variant = await anyio.to_thread.run_sync(_variant, file, encoding)
            self._read[path, encoding] = variant
        lasting = b"public, max-age=31536000, immutable" if path.startswith(IMMUTABLE) else b"no-cache"
        head = [
            (b"cache-control", lasting),
            (b"etag", variant.etag),
            (b"vary", b"accept-encoding"),
        ]
        if _matches(headers.get("if-none-match", ""), variant.etag.decode()):
            await send({"type": "http.response.start", "status": 304, "headers": head})
            await send({"type": "http.response.body", "body": b""})
            return
        if variant.encoding is not None:
            head.append((b"content-encoding", variant.encoding.encode()))
        await _respond(send, 200, _type_of(path), variant.data, tuple(head))


def _files_in(folder: Path) -> dict[str, Path]:
    if not (folder / INDEX[1:]).is_file():
        return {}
    return {f"/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}


def _variant(file: Path, encoding: str | None) -> _Variant:
    data = file.read_bytes()
    return _Variant(data, b'"' + hashlib.sha256(data).hexdigest()[:32].encode() + b'"', encoding)


def _accepted(header: str) -> set[str]:
    """Return the codings of an Accept-Encoding header that it does not forbid (RFC 9110, section 12.5.3)."""
    accepted = set()
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(coding.strip())
    return accepted


def _matches(header: str, etag: str) -> bool:
    """Say whether an If-None-Match header has the tag; weak comparison, as GET asks (RFC 9110, section 13.1.2)."""
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in header.split(","))


def _type_of(path: str) -> str:
    suffix = Path(path).suffix
    kind = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind.endswith("json") else kind


async def _respond(
    send: Send, status: int, content_type: str, data: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    head = [(b"content-type", content_type.encode()), (b"content-length", str(len(data)).encode()), *_HEADERS, *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": data})

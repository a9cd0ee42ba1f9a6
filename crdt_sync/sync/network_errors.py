"""What the errors of httpx mean, and of what lies below it."""

from __future__ import annotations

import httpx

from crdt_sync.errors import Trouble

__all__ = ["trouble_of", "words_of"]


def trouble_of(error: Exception) -> Trouble:
    """Return what an error of httpx, or of what lies below it, says of the network."""
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout() | httpx.ProxyError():
            return Trouble.UNREACHABLE
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return Trouble.UNREACHABLE
        case httpx.TimeoutException():
            return Trouble.SILENT
    return Trouble.CUT


def words_of(error: BaseException) -> str:
    """Return what an error says. Under trio httpx leaves some messages empty; then what caused it tells more."""
    if isinstance(error, httpx.TimeoutException):
        return "the relay did not answer in time"
    told: BaseException | None = error
    while told is not None and not str(told):
        told = told.__cause__ or told.__context__
    return str(told) if told is not None else type(error).__name__

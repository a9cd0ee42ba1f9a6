"""Logging: one logger, one line for each connect and close, none for a message. Never a token, never content.

A line is an event with fields: `open room='ada' client=127.0.0.1` for people, one JSON object for programs.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections import Counter
from datetime import UTC, datetime

from crdt_sync_server.config import LogFormat
from crdt_sync_server.limits import Limit

__all__ = ["REACHED", "configure", "reached", "tell"]

logger = logging.getLogger("crdt_sync_server")

REACHED: Counter[Limit] = Counter()
"""How often this process has met each bound."""

_PLAIN = re.compile(r"[\w.:/@+-]+")


def tell(event: str, level: int = logging.INFO, /, **fields: object) -> None:
    """Log an event with its fields; those that are None are left out. A critical one has a traceback."""
    if logger.isEnabledFor(level):
        known = {name: value for name, value in fields.items() if value is not None}
        line = " ".join([event, *(f"{name}={_words(name, value)}" for name, value in known.items())])
        logger.log(level, "%s", line, extra={"event": event, "fields": known}, exc_info=level >= logging.CRITICAL)


def reached(limit: Limit, *, client: str | None, room: str | None = None, detail: str = "") -> None:
    """Log, and count for this process, that a connection was refused or ended by `limit`. Nobody else does."""
    REACHED[limit] += 1
    code = "none" if limit.code is None else int(limit.code)
    tell("limit", limit=limit.name, code=code, client=client, room=room, words=limit.words, detail=detail or None)


def _words(name: str, value: object) -> str:
    return repr(value) if isinstance(value, str) and (name == "room" or not _PLAIN.fullmatch(value)) else str(value)


class _JsonFormatter(logging.Formatter):
    def __init__(self, worker: int | None) -> None:
        super().__init__()
        self._of = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._of,
            "event": getattr(record, "event", record.name),
            **getattr(record, "fields", {}),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(log_format: LogFormat, *, worker: int | None = None) -> None:
    """Send the relay's log to standard error; each line says of which worker it is, if there are several."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format is LogFormat.JSON:
        handler.setFormatter(_JsonFormatter(worker))
    else:
        of = "" if worker is None else f"[worker {worker}] "
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)-7s {of}%(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logging.getLogger("crdt_sync_server.hypercorn").setLevel(logging.WARNING)

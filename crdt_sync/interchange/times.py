"""Times of foreign formats, and ours: milliseconds since 1970. A time without a zone is taken as UTC.

The clock of a reading device tells local time and no zone. Which zone that was nobody can say later, and to take the
importing machine's would make two devices read one file in two ways.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["iso_from_ms", "ms_from_date", "ms_from_iso"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def ms_from_iso(text: object) -> int | None:
    """Return the time that ISO 8601 or RFC 3339 tells, with or without a clock and a zone, or None if it tells none."""
    if not isinstance(text, str) or not 8 <= len(text.strip()) <= 64:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return ms_from_date(moment)
    except (ValueError, OverflowError):
        return None


def ms_from_date(moment: datetime) -> int:
    """Return milliseconds since 1970; those before are negative."""
    return ((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH) // _MS


def iso_from_ms(ms: int, *, separator: str = "T", zone: str = "Z") -> str:
    """Return a time in UTC, to the second where it has no milliseconds. Raises `OverflowError` past the year 9999."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    unit = "seconds" if ms % 1000 == 0 else "milliseconds"
    return moment.replace(tzinfo=None).isoformat(separator, unit) + zone

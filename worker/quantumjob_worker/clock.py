"""The current time as results hold it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Returns the time as RFC 3339 in UTC, in milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""The current time, and times as RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def now() -> datetime:
    return datetime.now(UTC)


def rfc3339(time: datetime) -> str:
    """Formats a time to the microsecond, for `status.times`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(time: datetime) -> str:
    """Formats a time to the second, for conditions."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime:
    """Parses RFC 3339, in the form that the resource's schema allows. Raises ValueError."""
    if _RFC3339.fullmatch(text) is None:
        raise ValueError("not a time by RFC 3339")
    return datetime.fromisoformat(text)

"""Times as Kubernetes and people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def now() -> datetime:
    return datetime.now(UTC)


def rfc3339(time: datetime) -> str:
    """To the microsecond: for the stages of a job."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(time: datetime) -> str:
    """To the second: for conditions, as Kubernetes writes them."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime:
    """Raises ValueError for anything that is not RFC 3339, as the resource's schema has it."""
    if _RFC3339.fullmatch(text) is None:
        raise ValueError("not a time by RFC 3339")
    return datetime.fromisoformat(text)

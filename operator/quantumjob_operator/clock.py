"""Times as Kubernetes and people write them."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def rfc3339(time: datetime) -> str:
    """To the microsecond: for the stages of a job."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(time: datetime) -> str:
    """To the second: for conditions, as Kubernetes writes them."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime:
    """Raises ValueError for anything that is not RFC 3339."""
    return datetime.fromisoformat(text)

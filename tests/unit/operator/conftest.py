"""Time that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quantumjob_operator import clock
from quantumjob_operator.orders import identity as identity_module
from quantumjob_operator.orders import service


class Time:
    """What the operator's clock shows."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def passes(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(clock, "now", lambda: made.now)
    return made


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question for an order that is not there is answered at once, and a pod that nobody knows is unknown at once."""
    monkeypatch.setattr(service, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(identity_module, "KNOWN_SECONDS", 0.0)

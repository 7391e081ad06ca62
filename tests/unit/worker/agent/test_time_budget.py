"""Shares of the time to the deadline."""

from __future__ import annotations

import pytest

from quantumjob_worker.agent.time_budget import TimeBudget, run_seconds


@pytest.mark.parametrize(("left", "run"), [(None, None), (100.0, 95.0), (1000.0, 950.0), (6.0, 3.0), (0.0, 0.0)])
def test_reserve(left: float | None, run: float | None) -> None:
    assert run_seconds(left) == run


def test_a_pub_that_hangs_does_not_starve_its_neighbours() -> None:
    now = [0.0]
    budget = TimeBudget(90.0, lambda: now[0])
    assert budget.share(0, 3) == 30
    now[0] = 30.0
    assert budget.share(1, 2) == 30
    now[0] = 31.0
    assert budget.share(2, 1) == 59
    now[0] = 32.0
    assert budget.share(0, 1) == 58
    now[0] = 90.0
    assert budget.share(0, 1) == 0
    assert budget.given(0) == 58
    assert budget.given(3) is None


def test_no_retry_with_no_more_than_before() -> None:
    budget = TimeBudget(30.0, lambda: 0.0)
    assert budget.share(0, 1) == 30
    assert budget.share(0, 1) == 0


def test_no_deadline() -> None:
    budget = TimeBudget(None, lambda: 0.0)
    assert budget.share(0, 5) is None
    assert budget.remaining() is None

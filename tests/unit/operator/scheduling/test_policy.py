"""Who is next, and how many workers: what must hold whatever waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quantumjob_operator.model.cost_estimate import SHORT_SECONDS
from quantumjob_operator.scheduling.policy import is_long, next_in, wanted

SHORT = st.floats(0.01, SHORT_SECONDS)
LONG = st.floats(SHORT_SECONDS * 1.01, 1e6)
WAITING = st.lists(SHORT | LONG, max_size=30)
LANES = st.integers(1, 8)
MORE_LANES = st.integers(2, 8)
RUNNING = st.integers(0, 10)


def test_a_job_that_turns_out_long_is_long() -> None:
    assert not is_long(SHORT_SECONDS)
    assert is_long(SHORT_SECONDS + 0.1)
    assert is_long(0.03, taken=SHORT_SECONDS + 0.1)


@given(WAITING, RUNNING, LANES)
def test_who_is_next_is_one_of_those_that_wait(waiting: list[float], running: int, max_workers: int) -> None:
    index = next_in(waiting, running, max_workers)
    assert index is None or 0 <= index < len(waiting)


@given(WAITING, RUNNING, LANES)
def test_the_order_among_equals_is_kept(waiting: list[float], running: int, max_workers: int) -> None:
    index = next_in(waiting, running, max_workers)
    if index is not None:
        assert all(is_long(before) != is_long(waiting[index]) for before in waiting[:index])


@given(WAITING, SHORT, WAITING, RUNNING, LANES)
def test_where_a_short_one_waits_no_free_worker_is_sent_away(
    before: list[float], short: float, after: list[float], running: int, max_workers: int
) -> None:
    assert next_in([*before, short, *after], running, max_workers) is not None


@given(WAITING, SHORT, WAITING, MORE_LANES)
def test_a_short_one_gets_the_next_free_worker_while_the_long_ones_hold_all_others(
    before: list[float], short: float, after: list[float], max_workers: int
) -> None:
    waiting = [*before, short, *after]
    index = next_in(waiting, max_workers - 1, max_workers)
    assert index is not None
    assert not is_long(waiting[index])


@given(WAITING, RUNNING, MORE_LANES)
def test_a_long_one_is_never_given_the_last_lane(waiting: list[float], running: int, max_workers: int) -> None:
    index = next_in(waiting, running, max_workers)
    if index is not None and is_long(waiting[index]):
        assert running + 1 < max_workers


@given(WAITING, LANES)
def test_where_nothing_long_runs_somebody_is_next(waiting: list[float], max_workers: int) -> None:
    assert (next_in(waiting, 0, max_workers) is None) == (not waiting)


@given(st.lists(LONG, min_size=1, max_size=5), SHORT)
def test_the_only_lane_takes_long_ones_too_but_after_the_short(long: list[float], short: float) -> None:
    assert next_in(long, 0, 1) == 0
    assert next_in([*long, short], 0, 1) == len(long)


@given(WAITING, RUNNING, LANES)
def test_never_more_workers_than_lanes(waiting: list[float], running: int, max_workers: int) -> None:
    assert 0 <= wanted(waiting, running, max_workers) <= max_workers


@given(WAITING.filter(bool), RUNNING, LANES)
def test_whoever_waits_is_worth_a_worker(waiting: list[float], running: int, max_workers: int) -> None:
    assert wanted(waiting, running, max_workers) >= 1


@given(WAITING, SHORT, WAITING, RUNNING, MORE_LANES)
def test_a_short_one_is_worth_a_worker_beside_those_of_the_long(
    before: list[float], short: float, after: list[float], running: int, max_workers: int
) -> None:
    long = running + sum(map(is_long, [*before, *after]))
    assert wanted([*before, short, *after], running, max_workers) > min(long, max_workers - 1)


@given(st.lists(LONG, max_size=20), RUNNING, MORE_LANES)
def test_long_ones_alone_leave_a_lane(long: list[float], running: int, max_workers: int) -> None:
    assert wanted(long, running, max_workers) <= max_workers - 1


@given(WAITING, SHORT | LONG, st.integers(0, 30), RUNNING, LANES)
def test_demand_only_rises_with_what_waits_and_runs(
    waiting: list[float], another: float, where: int, running: int, max_workers: int
) -> None:
    more = [*waiting[:where], another, *waiting[where:]]
    assert wanted(more, running, max_workers) >= wanted(waiting, running, max_workers)
    assert wanted(waiting, running + 1, max_workers) >= wanted(waiting, running, max_workers)
    assert wanted(waiting, running, max_workers + 1) >= wanted(waiting, running, max_workers)


@given(WAITING, RUNNING, LANES)
def test_demand_does_not_hang_on_the_order(waiting: list[float], running: int, max_workers: int) -> None:
    exact = [round(each * 8) / 8 for each in waiting]  # eighths add up to the same in any order
    assert wanted(sorted(exact), running, max_workers) == wanted(sorted(exact, reverse=True), running, max_workers)


def test_a_few_bells_are_worth_one_worker_and_many_are_worth_all() -> None:
    assert wanted([0.03] * 10, 0, 4) == 1
    assert wanted([0.03] * 1000, 0, 4) == 4

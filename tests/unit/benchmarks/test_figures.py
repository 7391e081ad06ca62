"""Tests of figures: ratios, targets, stages, and the usage of a process."""

import pytest
from bench_fakes import backlog, figures, mixed, standing, timing
from benchmarks import operator_usage
from benchmarks.figures.basic import Baseline, Cost, Rate, Target, percentile
from benchmarks.figures.run import targets
from benchmarks.figures.steady_state import CpuReading, steady_since
from benchmarks.figures.timing import DEDICATED, SHARED, stage_spreads
from benchmarks.figures.together import NOT_REACHED, Crowd

STAT = "1 (python (x) y) S 0 1 1 0 -1 4194560 18384 0 5 0 65 14 3 1 20 0 5 0 {started} 405721088 21267 18446\n"
STATUS = "Name:\tpython\nVmHWM:\t   90112 kB\nVmRSS:\t   81920 kB\n"
FLOOR = Baseline([3.0, 2.0, 4.0])


def usage(started: int = 435404) -> operator_usage.Usage:
    return operator_usage.parse(STAT.format(started=started) + STATUS, at=5.0)


def test_usage_is_the_process_and_its_children() -> None:
    assert usage() == operator_usage.Usage(5.0, 435404, 830.0, 80.0, 88.0)


def test_a_restart_in_between_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="restarted"):
        operator_usage.between(usage(), usage(started=435405))


def test_idle_cost_is_subtracted_by_time() -> None:
    idle = operator_usage.UsageDelta(seconds=20, cpu_ms=100)
    assert operator_usage.UsageDelta(seconds=60, cpu_ms=900).above_idle(idle) == 600
    assert operator_usage.UsageDelta(seconds=60, cpu_ms=100).above_idle(idle) == 0


def test_a_target_is_met_at_its_limit() -> None:
    assert Target("x", 0.6, 0.6).met
    assert not Target("x", 0.61, 0.6).met
    assert Target("x", 0.9, 0.9, at_most=False).met
    assert not Target("x", 0.89, 0.9, at_most=False).met


def test_below_means_below() -> None:
    assert Target("x", 49, 50, below=True).met
    assert not Target("x", 50, 50, below=True).met


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([float(value) for value in range(50)], 0.99) == 49
    assert percentile([float(value) for value in range(1000)], 0.99) == 989
    assert percentile([3.0], 0.5) == 3


def test_rates_are_pooled_by_their_time() -> None:
    assert (Rate(60, 30.0) + Rate(60, 90.0)).each_second == 1.0


def test_costs_add_up_by_their_jobs() -> None:
    both = Cost(1500, 200) + Cost(3500, 1000)
    assert round(both.each, 2) == 4.17
    assert Cost(0, 0).each == 0


def test_targets_compare_with_the_floor_of_the_same_run() -> None:
    found = targets(figures())
    assert [round(each.value, 3) for each in found] == [
        *(0.5, 0.4, 0.8),
        *(0.033, 0.067),
        *(0.267, 4, 3.5, 4.167, 85),
        *(2, 2.5, 2),
        *(1.25, 1.25, 250, 20),
        *(110, 9, 0.04, 1000),
    ]
    assert [each.name for each in found if not each.met] == [
        "rate of 60 dedicated at once / raw Jobs",
        "rate of 4 at once from no worker / raw Jobs at once",
        "median of 3 small ones with a long one (last) / without",
    ]


def test_parts_that_were_not_asked_for_have_no_targets() -> None:
    only = figures(alone=None, many=None, series=None, burst=None, mixed=None, crowd=None, rest=None, backlog=None)
    assert len(targets(only)) == 3


def test_latencies_are_divided_by_the_median_of_raw_jobs() -> None:
    median, slowest = standing().targets(FLOOR)
    assert (round(median.value, 3), round(slowest.value, 3)) == (0.033, 0.067)


def test_each_order_of_creation_is_compared_with_none() -> None:
    assert [each.value for each in mixed().targets(FLOOR)] == [2.0, 2.5]


def test_the_crowd_is_counted_when_the_last_small_namespace_is_done() -> None:
    assert Crowd([1.0, 2.0, 3.0, 9.0], [[1.5, 2.5], [0.5, 3.0]]).ahead == 3


def test_an_operator_without_a_steady_state_has_missed() -> None:
    memory, steady, *_ = backlog(steady=NOT_REACHED, memory_after=151.0).targets(FLOOR)
    assert not steady.met
    assert memory.value == 151


def test_stages_have_durations_and_times_since_the_create() -> None:
    found = stage_spreads([timing(), timing()], DEDICATED)
    assert tuple(found) == DEDICATED
    took, reached = found["imported"]
    assert (round(took.median, 3), round(reached, 3)) == (0.3, 1.3)


def test_a_shared_worker_may_have_started_before_the_job() -> None:
    found = stage_spreads([timing()], SHARED)
    assert tuple(found) == ("accepted", "simulated", "stored", "promoted", "complete")
    assert round(found["simulated"][0].median, 3) == 1.25


def test_a_stage_that_a_job_lacks_is_left_out() -> None:
    assert "imported" not in stage_spreads([timing(), timing(without="imported")], DEDICATED)


def test_the_steady_state_begins_with_its_first_reading() -> None:
    busy = [CpuReading(at, at * 500) for at in range(4)]
    quiet = [CpuReading(at, 2100 + at) for at in range(4, 20)]
    assert steady_since(busy + quiet) == 4
    assert steady_since([CpuReading(100.0, 0), *(CpuReading(100.0 + at, at) for at in range(1, 10))]) == 100


def test_the_steady_state_is_not_known_before_it_has_lasted() -> None:
    assert steady_since([]) is None
    assert steady_since([CpuReading(at, 0) for at in range(5)]) is None
    assert steady_since([CpuReading(at, at * 500) for at in range(60)]) is None

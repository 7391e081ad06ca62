"""Figures: stages, targets, what a watch and a process's files say."""

import pytest
from bench_fakes import figures, single
from benchmarks import jobs, operator_usage
from benchmarks.figures import Target, stage_spreads, targets
from benchmarks.watching import Seen

STAT = "1 (python (x) y) S 0 1 1 0 -1 4194560 18384 0 5 0 65 14 3 1 20 0 5 0 {started} 405721088 21267 18446\n"
STATUS = "Name:\tpython\nVmHWM:\t   90112 kB\nVmRSS:\t   81920 kB\n"


def usage(started: int = 435404) -> operator_usage.Usage:
    return operator_usage.parse(STAT.format(started=started) + STATUS, at=5.0)


def test_usage_is_the_process_and_its_children() -> None:
    assert usage() == operator_usage.Usage(5.0, 435404, 830.0, 80.0, 88.0)


def test_a_restart_in_between_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="restarted"):
        operator_usage.between(usage(), usage(started=435405))


def test_idle_cost_is_subtracted_by_time() -> None:
    idle = operator_usage.Spent(seconds=20, cpu_ms=100)
    assert operator_usage.Spent(seconds=60, cpu_ms=900).above(idle) == 600
    assert operator_usage.Spent(seconds=60, cpu_ms=100).above(idle) == 0


def test_a_target_is_met_at_its_limit() -> None:
    assert Target("x", 0.6, 0.6, "").met
    assert not Target("x", 0.61, 0.6, "").met
    assert Target("x", 0.9, 0.9, "", at_most=False).met
    assert not Target("x", 0.89, 0.9, "", at_most=False).met


def test_targets_compare_with_the_floor_of_the_same_run() -> None:
    found = targets(figures())
    assert [round(each.value, 2) for each in found] == [0.5, 0.8, 9.0, 85.0]
    assert [each.met for each in found] == [True, False, True, True]


def test_stages_are_differences_and_moments_since_the_create() -> None:
    found = stage_spreads([single(), single()])
    assert list(found) == ["accepted", "job", "started", "imported", "simulated", "stored", "promoted", "complete"]
    took, reached = found["imported"]
    assert (round(took.median, 3), round(reached, 3)) == (0.3, 1.3)


def test_a_stage_that_a_job_lacks_is_left_out() -> None:
    assert "imported" not in stage_spreads([single(), single(without="imported")])


def ended(kind: str) -> jobs.JSON:
    condition = {"type": kind, "status": "True", "reason": "Why", "message": "because"}
    return {"kind": "Job", "metadata": {"name": "a"}, "status": {"conditions": [condition]}}


def test_the_first_sight_of_complete_counts() -> None:
    seen = Seen()
    seen.take({"kind": "Job", "metadata": {"name": "a"}}, 1.0)
    seen.take(ended("Complete"), 2.0)
    seen.take(ended("Complete"), 3.0)
    assert (seen.first["a"], seen.ended["a"].seconds) == (1.0, 2.0)


def test_a_failure_is_told_with_its_message() -> None:
    seen = Seen()
    seen.take(ended("Failed"), 2.0)
    assert seen.failed == {"a": "Job a failed: Why: because"}
    assert not seen.ended

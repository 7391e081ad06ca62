"""One order's way through the queue, and what a person is told of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quantumjob_contract.reasons import Reason
from quantumjob_operator import clock
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.scheduling.assignment import (
    ABSENT,
    OVERTIME_SECONDS,
    QUEUED,
    SILENT_SECONDS,
    Assignment,
    Pod,
    is_silent,
    observe_assignments,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POD = Pod("team", "qj-shared-a-x", "pod-shared-a")


def assignment(**changes: Any) -> Assignment:
    return Assignment(**({"expected": 0.03, "deadline": 600.0, "retries": 3, "not_before": NOW} | changes))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_the_deadline_runs_from_the_first_turn() -> None:
    assert assignment().left(later(10_000)) == 600
    assert assignment(first_assigned=NOW).left(later(100)) == 500
    assert not assignment().is_over(later(10_000)), "to wait for a worker costs nothing of it"


def test_a_worker_has_the_time_to_end_by_itself() -> None:
    assert assignment(first_assigned=NOW).is_over(later(601))
    carried = assignment(first_assigned=NOW, pod=POD, assigned_at=NOW, last_heartbeat=NOW)
    assert not carried.is_over(later(600 + OVERTIME_SECONDS))
    assert carried.is_over(later(601 + OVERTIME_SECONDS))


def test_silence() -> None:
    assert not is_silent(None, later(10_000)), "nobody speaks of what nobody has"
    assert not is_silent(NOW, later(SILENT_SECONDS))
    assert is_silent(NOW, later(SILENT_SECONDS + 0.1))


def test_how_long_it_takes_counts_from_the_newest_worker() -> None:
    assert assignment(first_assigned=NOW).running_seconds(later(50)) == 0
    assert assignment(first_assigned=NOW, assigned_at=later(20)).running_seconds(later(50)) == 30


OBSTACLE = WorkerState("waiting", Reason.UNSCHEDULABLE, "No node fits the worker: 0/1.")
DEAD = Failure(Reason.OUT_OF_MEMORY, "Raise it.")
ASSIGNED = {"pod": POD, "worker": POD.name, "assigned_at": NOW, "last_heartbeat": NOW, "first_assigned": NOW}


@pytest.mark.parametrize(
    ("changes", "obstacle", "state", "reason", "words"),
    [
        ({}, None, "waiting", Reason.QUEUED, "waits for a shared worker of its namespace"),
        ({}, OBSTACLE, "waiting", Reason.UNSCHEDULABLE, "0/1"),
        ({"last_failure": "It died."}, None, "waiting", Reason.RETRYING, "It died. Another attempt follows."),
        ({"last_failure": "It died."}, OBSTACLE, "waiting", Reason.UNSCHEDULABLE, "0/1"),
        (ASSIGNED, None, "running", Reason.RUNNING, POD.name),
        (ASSIGNED, OBSTACLE, "running", Reason.RUNNING, POD.name),
        (ASSIGNED | {"last_failure": "It died."}, None, "running", Reason.RUNNING, POD.name),
        ({"ended": True}, OBSTACLE, "ended", Reason.STORING, "verified"),
        (
            {"failure": DEAD},
            OBSTACLE,
            "failed",
            Reason.OUT_OF_MEMORY,
            "Raise it.",
        ),
    ],
)
def test_a_person_is_told_the_one_thing_that_matters(
    changes: dict[str, Any], obstacle: WorkerState | None, state: str, reason: Reason, words: str
) -> None:
    worker = observe_assignments([assignment(**changes)], obstacle)
    assert (worker.state, worker.reason) == (state, reason)
    assert words in worker.message


def test_a_job_without_a_turn_reads_as_one_that_waits() -> None:
    """So that the first status stays true, and is not written a second time, when the job has its turn."""
    assert observe_assignments([], OBSTACLE) == ABSENT
    assert (ABSENT.reason, ABSENT.message) == (QUEUED.reason, QUEUED.message)


def test_since_when_a_worker_runs_it_is_told() -> None:
    assert observe_assignments([assignment(**ASSIGNED)], None).since == clock.rfc3339(NOW)


ENDED = {"ended": True, "assigned_at": NOW, "first_assigned": NOW, "worker": "before"}
TROUBLE = {"last_failure": "It died.", "first_assigned": NOW}


@pytest.mark.parametrize(
    ("shards", "obstacle", "state", "reason", "words"),
    [
        ([{}, {}], None, "waiting", Reason.QUEUED, "waits for a shared worker"),
        ([ASSIGNED, {}], OBSTACLE, "running", Reason.RUNNING, "its shards"),
        ([{}, ASSIGNED], OBSTACLE, "running", Reason.RUNNING, "its shards"),
        ([ASSIGNED, ASSIGNED], None, "running", Reason.RUNNING, "its shards"),
        ([ASSIGNED, TROUBLE], None, "running", Reason.RUNNING, "its shards"),
        ([ASSIGNED, ENDED], None, "running", Reason.RUNNING, "its shards"),
        ([ENDED, {}], None, "running", Reason.RUNNING, "its shards"),
        ([ENDED, {}], OBSTACLE, "waiting", Reason.UNSCHEDULABLE, "0/1"),
        ([ENDED, TROUBLE], None, "waiting", Reason.RETRYING, "It died. Another attempt follows."),
        ([{}, TROUBLE], None, "waiting", Reason.RETRYING, "It died. Another attempt follows."),
        ([ENDED | {"last_failure": "It died."}, {}], None, "running", Reason.RUNNING, "its shards"),
        ([ENDED, ENDED], OBSTACLE, "ended", Reason.STORING, "verified"),
        ([ENDED, {"failure": DEAD}], OBSTACLE, "failed", Reason.OUT_OF_MEMORY, "Raise it."),
        ([ASSIGNED, {"failure": DEAD}], None, "running", Reason.RUNNING, "its shards"),
    ],
    ids=[
        "all wait",
        "one runs",
        "another runs",
        "all run",
        "one runs and one has failed",
        "one runs and one is done",
        "one is done and one waits for a moment",
        "one is done and no worker can start for the other",
        "one is done and the other has failed",
        "one has failed",
        "what has failed is done",
        "all are done",
        "one is done and the other given up",
        "one runs and the other is given up",
    ],
)
def test_of_several_shards_a_person_is_told_the_one_thing_that_matters(
    shards: list[dict[str, Any]], obstacle: WorkerState | None, state: str, reason: Reason, words: str
) -> None:
    worker = observe_assignments([assignment(**changes) for changes in shards], obstacle, len(shards))
    assert (worker.state, worker.reason) == (state, reason)
    assert words in worker.message


def test_which_worker_has_which_shard_is_no_news() -> None:
    """Each change would be worth a status write."""
    other = Pod("team", "qj-shared-b-x", "pod-shared-b")
    moved = ASSIGNED | {"pod": other, "worker": other.name, "assigned_at": later(5)}
    told = [
        observe_assignments([assignment(**ASSIGNED), assignment(**each)], None) for each in (ASSIGNED, moved, {}, ENDED)
    ]
    assert len(set(told)) == 1

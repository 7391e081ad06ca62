"""Every line of the checklist, and what a person reads of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from quantumjob_contract.reasons import Reason
from quantumjob_operator import clock, plan, status
from quantumjob_operator.manifest import Failure
from quantumjob_operator.plan import Create, Promote, View, Write, decide
from support.kube import TIME, job, pod, quantumjob, terminated

RUNNING = {"running": {"startedAt": TIME}}
NOW = clock.parse(TIME) + timedelta(seconds=60)


def accepted(**changes: Any) -> dict[str, Any]:
    fresh = quantumjob(**changes)
    return fresh | {"status": status.accepted(fresh, 1, 7, NOW)}


def test_the_first_write_comes_before_any_child() -> None:
    step = decide(View(quantumjob(), None, []), NOW)
    assert isinstance(step, Write)
    assert step.status["observedGeneration"] == 1
    assert status.is_true(step.status, "Accepted")
    assert status.is_true(step.status, "Reconciling")
    assert step.status["phase"] == "Pending"
    assert step.status["progress"] == "0/1"


def test_an_accepted_job_gets_a_child() -> None:
    step = decide(View(accepted(), None, []), NOW)
    assert isinstance(step, Create)
    assert step.program.uid == quantumjob()["metadata"]["uid"]


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_a_finished_job_is_left_alone_whatever_happens_to_its_children(kind: str) -> None:
    done = accepted()
    done["status"]["conditions"].append({"type": kind, "status": "True", "reason": "X"})
    for view in (View(done, None, []), View(done, job(done), [pod(done, terminated(0))], hinted=True)):
        assert decide(view, NOW) is None


def test_a_job_that_is_being_deleted_is_left_alone() -> None:
    going = accepted()
    going["metadata"]["deletionTimestamp"] = TIME
    assert decide(View(going, None, []), NOW) is None


@pytest.mark.parametrize(
    ("conditions", "state"),
    [([], terminated(0)), ([("Complete", "")], None), ([("Complete", "")], terminated(0))],
)
def test_promotion_starts_at_the_first_sign_of_the_end(conditions: list[tuple[str, str]], state: Any) -> None:
    of = accepted()
    assert decide(View(of, job(of, *conditions), [pod(of, state)]), NOW) == Promote(required=True)


def test_a_hint_makes_it_look_once() -> None:
    of = accepted()
    running = View(of, job(of), [pod(of, RUNNING)], hinted=True)
    assert decide(running, NOW) == Promote()
    told = decide(View(of, job(of), [pod(of, RUNNING)], hinted=True, looked=True), NOW)
    assert isinstance(told, Write)
    assert told.status["phase"] == "Running"


def test_a_vanished_job_is_looked_for_in_the_store_before_it_runs_again() -> None:
    of = accepted()
    of["status"]["job"] = "qj-x"
    assert decide(View(of, None, []), NOW) == Promote()
    assert isinstance(decide(View(of, None, [], looked=True), NOW), Create)


@pytest.mark.parametrize(
    ("reason", "state", "expected", "word"),
    [
        ("DeadlineExceeded", terminated(143), Reason.DEADLINE_EXCEEDED, "activeDeadlineSeconds"),
        ("BackoffLimitExceeded", terminated(137, reason="OOMKilled"), Reason.OUT_OF_MEMORY, "limits.memory"),
        (
            "PodFailurePolicy",
            terminated(65, '{"reason":"X","message":"Update it."}'),
            Reason.WORKER_FAILED,
            "Update it",
        ),
        ("PodFailurePolicy", None, Reason.WORKER_FAILED, "for good"),
        ("BackoffLimitExceeded", terminated(137), Reason.BACKOFF_LIMIT_EXCEEDED, "exit code 137"),
        ("BackoffLimitExceeded", terminated(1), Reason.BACKOFF_LIMIT_EXCEEDED, "exit code 1"),
        ("BackoffLimitExceeded", None, Reason.BACKOFF_LIMIT_EXCEEDED, "pods failed"),
    ],
)
def test_a_failed_job_is_promoted_with_its_reason(reason: str, state: Any, expected: Reason, word: str) -> None:
    of = accepted()
    step = decide(View(of, job(of, ("Failed", reason)), [pod(of, state)]), NOW)
    assert isinstance(step, Promote)
    assert isinstance(step.failure, Failure)
    assert step.failure.reason == expected
    assert word in step.failure.message


@pytest.mark.parametrize(
    ("of_pod", "reason", "phase"),
    [
        ({"state": RUNNING}, "Running", "Running"),
        ({"state": {"waiting": {"reason": "ContainerCreating"}}}, "WaitingForWorker", "Pending"),
        ({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, "ImageUnavailable", "Pending"),
        ({"state": {"waiting": {"reason": "CreateContainerConfigError"}}}, "PodRefused", "Pending"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no cpu"}]},
            "Unschedulable",
            "Pending",
        ),
        ({"state": terminated(75)}, "Retrying", "Pending"),
    ],
)
def test_a_person_is_told_what_a_job_waits_for(of_pod: dict[str, Any], reason: str, phase: str) -> None:
    of = accepted()
    step = decide(View(of, job(of), [pod(of, **of_pod)]), NOW)
    assert isinstance(step, Write)
    told = status.condition(step.status, "Reconciling")
    assert told is not None
    assert (told["status"], told["reason"], step.status["phase"]) == ("True", reason, phase)
    again = of | {"status": step.status}
    assert decide(View(again, job(of), [pod(of, **of_pod)]), NOW) is None, "the same is told once"


def test_the_first_moments_of_a_worker_are_not_worth_a_write() -> None:
    of = accepted()
    young = clock.parse(TIME) + timedelta(seconds=1)
    view = View(of, job(of), [pod(of, RUNNING)])
    step = decide(view, young)
    assert isinstance(step, Write)
    assert plan.seconds_to_wait(view, step, young) == pytest.approx(plan.QUIET_SECONDS[Reason.RUNNING] - 1)
    assert plan.seconds_to_wait(view, step, NOW) == 0
    trouble = View(of, job(of), [pod(of, terminated(75))])
    step = decide(trouble, young)
    assert isinstance(step, Write)
    assert plan.seconds_to_wait(trouble, step, young) == 0, "trouble is told at once"


def test_a_spec_that_can_never_run_is_refused_with_what_to_do() -> None:
    bad = quantumjob()
    bad["spec"]["program"]["pubs"][0]["circuit"] = {"format": "QPY", "inline": "not base64!"}
    step = decide(View(bad, None, []), NOW)
    assert isinstance(step, Write)
    assert step.status["phase"] == "Failed"
    for kind, value in {"Accepted": "False", "Failed": "True", "Stalled": "True", "Ready": "False"}.items():
        told = status.condition(step.status, kind)
        assert told is not None
        assert (told["status"], told["reason"]) == (value, "InvalidSpec")
        assert "base64" in told["message"]


@pytest.mark.parametrize("key", ["/abs", "a/../b", "..", "a//b", "./a", "a/", "a\\b"])
def test_a_key_that_leaves_the_namespace_is_refused_even_past_the_schema(key: str) -> None:
    bad = quantumjob()
    bad["spec"]["program"]["pubs"][0]["circuit"] = {"format": "OpenQASM3", "object": {"key": key}}
    step = decide(View(bad, None, []), NOW)
    assert isinstance(step, Write)
    assert step.status["phase"] == "Failed"


def test_a_transition_time_moves_only_with_the_status() -> None:
    of = accepted()
    later = NOW + timedelta(hours=1)
    worker = plan.observe(job(of), [pod(of, RUNNING)])
    after = status.working(of, worker, later, job(of))
    was, now = (status.condition(each, "Reconciling") for each in (of["status"], after))
    assert was is not None
    assert now is not None
    assert was["reason"] != now["reason"]
    assert was["lastTransitionTime"] == now["lastTransitionTime"]

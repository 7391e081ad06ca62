"""Every line of the checklist, and what a person reads of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from quantumjob_contract.reasons import Reason
from quantumjob_operator import clock
from quantumjob_operator.model import status
from quantumjob_operator.model.placement import DEDICATED, SHARED
from quantumjob_operator.model.worker_state import ABSENT, WorkerState, index_of
from quantumjob_operator.reconcile import plan
from quantumjob_operator.reconcile.plan import (
    CreateJob,
    DeleteJob,
    DraftStatus,
    EnqueueShards,
    Promote,
    View,
    WriteStatus,
    decide,
)
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.scheduling.assignment import Assignment, Pod
from support.kube import TIME, job, pod, program_of, quantumjob, terminated

RUNNING = {"running": {"startedAt": TIME}}
NOW = clock.parse(TIME) + timedelta(seconds=60)


def accepted(**changes: Any) -> dict[str, Any]:
    accepted_here = quantumjob(**changes)
    return accepted_here | {"status": status.accepted(accepted_here, program_of(accepted_here), DEDICATED, ABSENT, NOW)}


def test_the_first_write_comes_before_any_child() -> None:
    step = decide(View(quantumjob()), NOW)
    assert isinstance(step, WriteStatus)
    assert step.status["observedGeneration"] == 1
    assert status.is_true(step.status, "Accepted")
    assert status.is_true(step.status, "Reconciling")
    assert step.status["phase"] == "Pending"
    assert step.status["progress"] == "0/1"


def test_an_accepted_job_gets_a_child() -> None:
    step = decide(View(accepted(), accepted_here=True), NOW)
    assert isinstance(step, CreateJob)
    assert step.program.uid == quantumjob()["metadata"]["uid"]


def test_a_job_that_another_process_accepted_is_looked_for_in_the_store_first() -> None:
    assert decide(View(accepted()), NOW) == Promote()
    assert isinstance(decide(View(accepted(), store_checked=True), NOW), CreateJob)


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_a_finished_job_is_left_alone_whatever_happens_to_its_children(kind: str) -> None:
    done = accepted()
    done["status"]["conditions"].append({"type": kind, "status": "True", "reason": "X"})
    for view in (View(done), View(done, job(done), [pod(done, terminated(0))], reported_ended=True)):
        assert decide(view, NOW) is None


def test_a_job_that_is_being_deleted_is_left_alone() -> None:
    going = accepted()
    going["metadata"]["deletionTimestamp"] = TIME
    assert decide(View(going), NOW) is None


@pytest.mark.parametrize(
    ("conditions", "state"),
    [([], terminated(0)), ([("Complete", "")], None), ([("Complete", "")], terminated(0))],
)
def test_promotion_starts_at_the_first_sign_of_the_end(conditions: list[tuple[str, str]], state: Any) -> None:
    of = accepted()
    assert decide(View(of, job(of, *conditions), [pod(of, state)]), NOW) == Promote(required=True)


def test_a_hint_makes_it_look_once() -> None:
    of = accepted()
    running = View(of, job(of), [pod(of, RUNNING)], reported_ended=True)
    assert decide(running, NOW) == Promote()
    told = decide(View(of, job(of), [pod(of, RUNNING)], reported_ended=True, store_checked=True), NOW)
    assert isinstance(told, WriteStatus)
    assert told.status["phase"] == "Running"


def test_a_vanished_job_is_looked_for_in_the_store_before_it_runs_again() -> None:
    of = accepted()
    of["status"]["job"] = "qj-x"
    assert decide(View(of), NOW) == Promote()
    assert isinstance(decide(View(of, store_checked=True), NOW), CreateJob)


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
        ("PodFailurePolicy", None, Reason.WORKER_FAILED, "permanently"),
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


def in_shards(*pods: tuple[str, Any], conditions: tuple[str, ...] = (), shards: int = 3) -> View:
    """A job with a worker of its own for each shard; a pod is named by its index, and by another letter in a retry."""
    of = accepted()
    of["spec"] |= {"parallelism": shards}
    of["spec"]["program"]["pubs"] *= 8
    made = [pod(of, state, name=name, index=name[0]) for name, state in pods]
    return View(of, job(of, *((kind, "") for kind in conditions)), made, accepted_here=True)


DONE, DIED = terminated(0), terminated(75)


@pytest.mark.parametrize(
    "view",
    [
        in_shards(("0", DONE), ("1", DONE), ("2", DONE)),
        in_shards(("2", DONE), ("0", DIED), ("1", DONE), ("0-again", DONE)),
        in_shards(conditions=("Complete",)),
        in_shards(("1", DONE), conditions=("Complete",)),
    ],
    ids=["all", "after a retry", "their pods are gone", "most of their pods are gone"],
)
def test_a_job_in_shards_has_ended_when_the_pods_of_all_indices_have(view: View) -> None:
    assert decide(view, NOW) == Promote(required=True)


@pytest.mark.parametrize(
    ("view", "reason", "phase"),
    [
        (in_shards(("0", DONE), ("1", RUNNING), ("2", DONE)), "Running", "Running"),
        (in_shards(("0", DONE), ("0-again", DONE), ("1", DONE)), "WaitingForWorker", "Pending"),
        (in_shards(("0", DIED), ("1", RUNNING), ("2", DONE)), "Running", "Running"),
        (in_shards(("0", DONE), ("1", DIED), ("2", DONE)), "Retrying", "Pending"),
        (in_shards(("0", DONE), ("1", DIED), ("1-again", None), ("2", DONE)), "Retrying", "Pending"),
        (in_shards(("0", DONE), ("1", {"waiting": {"reason": "ErrImagePull"}})), "ImageUnavailable", "Pending"),
    ],
    ids=[
        "one runs",
        "the same index twice is one",
        "one runs and one has failed",
        "one has failed",
        "its next attempt is about to start",
        "one cannot start",
    ],
)
def test_a_person_is_told_what_the_other_shards_of_a_job_wait_for(view: View, reason: str, phase: str) -> None:
    step = decide(view, NOW)
    assert isinstance(step, WriteStatus)
    told = status.condition(step.status, "Reconciling")
    assert told is not None
    assert (told["reason"], step.status["phase"]) == (reason, phase)


def test_a_job_in_shards_that_failed_is_promoted_with_what_there_is() -> None:
    oom = terminated(137, reason="OOMKilled")
    step = decide(in_shards(("0", DONE), ("1", oom), ("2", RUNNING), conditions=("Failed",)), NOW)
    assert isinstance(step, Promote)
    assert step.failure is not None
    assert step.failure.reason == Reason.OUT_OF_MEMORY
    assert not step.required


@pytest.mark.parametrize(
    ("index", "number"), [("", 0), ("0", 0), ("63", 63), ("-1", 0), ("x", 0), ("1.5", 0), (" ", 0), ("\u00b2", 0)]
)
def test_the_index_of_a_pod(index: str, number: int) -> None:
    assert index_of(pod(quantumjob(), index=index)) == number


def test_many_workers_are_told_as_one_and_how_many_more() -> None:
    names = ["qj-b", "qj-a", "", "qj-c", "qj-a"]
    found = plan.execution_fields(shared(assignments=[assignment(worker=name, attempts=len(name)) for name in names]))
    assert (found["worker"], found["attempts"]) == ("qj-a and 2 more", 4)


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
    assert isinstance(step, WriteStatus)
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
    assert isinstance(step, WriteStatus)
    assert plan.write_delay(view, step, young) == pytest.approx(plan.QUIET_SECONDS[Reason.RUNNING] - 1)
    assert plan.write_delay(view, step, NOW) == 0
    trouble = View(of, job(of), [pod(of, terminated(75))])
    step = decide(trouble, young)
    assert isinstance(step, WriteStatus)
    assert plan.write_delay(trouble, step, young) == 0, "trouble is told at once"


def test_a_spec_that_can_never_run_is_refused_with_what_to_do() -> None:
    bad = quantumjob()
    bad["spec"]["program"]["pubs"][0]["circuit"] = {"format": "QPY", "inline": "not base64!"}
    step = decide(View(bad), NOW)
    assert isinstance(step, WriteStatus)
    assert step.status["phase"] == "Failed"
    for kind, value in {"Accepted": "False", "Failed": "True", "Stalled": "True", "Ready": "False"}.items():
        told = status.condition(step.status, kind)
        assert told is not None
        assert (told["status"], told["reason"]) == (value, "InvalidSpec")
        assert "base64" in told["message"]


@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_what_an_operator_of_another_version_has_accepted_may_be_refused_after_all(cancel: bool, shared: bool) -> None:
    bad = accepted()
    bad["spec"] |= {"cancel": cancel}
    bad["spec"]["program"]["pubs"][0]["circuit"] = {"format": "QPY", "inline": "not base64!"}
    step = decide(View(bad, shared=shared, store_checked=True, workers_known=True), NOW)
    assert isinstance(step, WriteStatus)
    assert status.is_terminal(step.status)
    told = status.condition(step.status, "Accepted")
    assert told is not None
    assert (told["status"], told["reason"]) == ("False", "InvalidSpec")
    assert decide(View(bad, shared=shared, store_checked=True, workers_known=False), NOW) is None, (
        "a worker may have it"
    )
    bad["status"]["worker"] = "w-1"
    assert not isinstance(decide(View(bad, store_checked=True, finishing=True), NOW), WriteStatus | Promote), (
        "the reconciler sees none"
    )
    kept = decide(View(bad, shared=shared, store_checked=True, workers_known=True), NOW)
    assert isinstance(kept, Promote)
    assert kept.program is None, "the one that was accepted is in the store"
    assert kept.failure is not None
    assert kept.failure.reason == "InvalidSpec"


@pytest.mark.parametrize("key", ["/abs", "a/../b", "..", "a//b", "./a", "a/", "a\\b"])
def test_a_key_that_leaves_the_namespace_is_refused_even_past_the_schema(key: str) -> None:
    bad = quantumjob()
    bad["spec"]["program"]["pubs"][0]["circuit"] = {"format": "OpenQASM3", "object": {"key": key}}
    step = decide(View(bad), NOW)
    assert isinstance(step, WriteStatus)
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


POD = Pod("team", "qj-shared-a-x", "pod-shared-a")


def assignment(**changes: Any) -> Assignment:
    return Assignment(**({"expected": 0.03, "deadline": 600.0, "retries": 3, "not_before": NOW} | changes))


def shared(of: dict[str, Any] | None = None, **changes: Any) -> View:
    """A job that takes its turn at a shared worker."""
    return View(of or accepted(), shared=True, **({"accepted_here": True} | changes))


ASSIGNED = {"pod": POD, "assigned_at": clock.parse(TIME), "last_heartbeat": NOW, "first_assigned": clock.parse(TIME)}
CANCEL = {"spec": quantumjob()["spec"] | {"cancel": True}}


def test_a_small_job_is_offered_and_has_no_job_of_its_own() -> None:
    assert isinstance(decide(shared(), NOW), EnqueueShards)
    assert decide(shared(accepted_here=False), NOW) == Promote()
    assert isinstance(decide(shared(accepted_here=False, store_checked=True), NOW), EnqueueShards)


def test_its_first_status_stays_true_while_it_waits() -> None:
    first = decide(shared(quantumjob()), NOW)
    assert isinstance(first, DraftStatus)
    waiting = quantumjob() | {"status": first.status}
    assert decide(shared(waiting, assignments=[assignment()]), NOW) is None
    assert decide(shared(waiting, assignments=[assignment()], draft=True), NOW) == WriteStatus(first.status), (
        "nobody was told of it"
    )


def test_a_draft_waits_for_the_change_that_it_is_written_with() -> None:
    def wait(assignment: Assignment, after: float) -> float:
        view = shared(accepted(), assignments=[assignment], draft=True)
        now = NOW + timedelta(seconds=after)  # it is accepted at NOW
        step = decide(view, now)
        assert isinstance(step, WriteStatus)
        return plan.write_delay(view, step, now)

    late = assignment(**(ASSIGNED | {"assigned_at": NOW + timedelta(seconds=4.75)}))
    assert wait(assignment(), 0.25) == pytest.approx(0.75)
    assert wait(assignment(), 5) == 0
    assert wait(late, 5) == pytest.approx(0.75), "one that has waited for long may run for a moment only"
    assert wait(assignment(attempts=1, last_failure="It fell."), 0) == 0, "what has failed is told at once"


def test_a_worker_s_end_is_promoted_whoever_it_was() -> None:
    assert decide(shared(assignments=[assignment(ended=True)]), NOW) == Promote(required=True)
    failure = Failure(Reason.OUT_OF_MEMORY, "Raise it.")
    assert decide(shared(assignments=[assignment(failure=failure)]), NOW) == Promote(failure)


def test_a_turn_s_progress_says_who_has_it_since_when_and_how_often_it_failed() -> None:
    step = decide(shared(assignments=[assignment(**ASSIGNED, worker=POD.name, attempts=2)]), NOW)
    assert isinstance(step, WriteStatus)
    assert (step.status["worker"], step.status["attempts"], step.status["phase"]) == (POD.name, 2, "Running")
    assert step.status["times"]["ordered"] == clock.rfc3339(clock.parse(TIME))
    assert "job" not in step.status


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (shared(accepted(**CANCEL)), "Cancelled"),
        (shared(accepted(**CANCEL), assignments=[assignment()]), "Cancelled"),
        (shared(accepted(**CANCEL), assignments=[assignment(last_failure="It died.")]), "Cancelled"),
        (
            shared(
                accepted(**CANCEL), obstacle=WorkerState("waiting", Reason.POD_REFUSED, "x"), assignments=[assignment()]
            ),
            "Cancelled",
        ),
        (shared(accepted(**CANCEL), assignments=[assignment(**ASSIGNED)]), None),
        (shared(accepted(**CANCEL), assignments=[assignment(ended=True)]), Promote(required=True)),
        (shared(accepted(**CANCEL), assignments=[assignment()], reported_ended=True), Promote()),
        (
            shared(
                accepted(**CANCEL),
                assignments=[assignment(ended=True, assigned_at=NOW, first_assigned=NOW), assignment()],
            ),
            "Cancelled",
        ),
        (shared(accepted(**CANCEL), assignments=[assignment(), assignment(**ASSIGNED)]), None),
        (View(accepted(**CANCEL)), "Cancelled"),
        (View(accepted(**CANCEL), job(quantumjob())), DeleteJob()),
        (View(accepted(**CANCEL), job(quantumjob()), [pod(quantumjob(), RUNNING)]), DeleteJob()),
        (View(accepted(**CANCEL), job(quantumjob()), [pod(quantumjob(), terminated(0))]), Promote(required=True)),
        (View(accepted(**CANCEL), finishing=True), Promote()),
        (View(accepted(**CANCEL), finishing=True, store_checked=True), None),
    ],
    ids=[
        "it has no turn",
        "it waits",
        "it waits after a failure",
        "it waits for what nobody can start",
        "a worker has it, and is told",
        "its worker was faster",
        "its worker may have been faster",
        "one of its shards was faster, and the other waits",
        "a worker has one of its shards, and is told",
        "it has no Job of its own yet",
        "its Job waits",
        "its Job runs",
        "its own worker was faster",
        "the reconciler looks whether it is done",
        "the reconciler leaves it to the operator",
    ],
)
def test_cancel(view: View, expected: object) -> None:
    step = decide(view, NOW)
    if expected == "Cancelled":
        assert isinstance(step, Promote)
        assert step.failure == plan.CANCELLED
        assert step.program is not None, "nobody may have stored it"
        expected = step
    assert step == expected


def test_a_job_is_deleted_once() -> None:
    going = job(quantumjob())
    going["metadata"]["deletionTimestamp"] = TIME
    assert decide(View(accepted(**CANCEL), going, [pod(quantumjob(), RUNNING)]), NOW) is None


def test_a_cancelled_job_is_accepted_first_and_one_that_can_never_run_is_refused() -> None:
    assert isinstance(decide(shared(quantumjob(**CANCEL)), NOW), DraftStatus)
    done = accepted(**CANCEL)
    done["status"]["conditions"].append({"type": "Failed", "status": "True", "reason": "Cancelled"})
    assert decide(shared(done), NOW) is None


def test_the_first_status_tells_the_way() -> None:
    for view, way in ((shared(quantumjob()), SHARED), (View(quantumjob()), DEDICATED)):
        first = decide(view, NOW)
        assert isinstance(first, WriteStatus if way == DEDICATED else DraftStatus)
        assert first.status["placement"] == way


def test_a_cancel_waits_until_whoever_may_carry_it_out_would_be_known() -> None:
    for view in (
        View(accepted(**CANCEL), workers_known=False),
        shared(accepted(**CANCEL), accepted_here=False, workers_known=False),
    ):
        assert decide(view, NOW) is None
        workers_known = decide(replace(view, workers_known=True), NOW)
        assert isinstance(workers_known, Promote)
        assert workers_known.failure == plan.CANCELLED
    reported_ended = View(accepted(**CANCEL), workers_known=False, reported_ended=True)
    assert decide(reported_ended, NOW) == Promote(), "what is done is done"


def test_progress_is_what_the_worker_says() -> None:
    of = accepted()
    of["spec"]["program"]["pubs"] *= 16
    of["status"]["progress"] = "0/16"
    step = decide(shared(of, assignments=[assignment(**ASSIGNED)], done=3), NOW)
    assert isinstance(step, WriteStatus)
    assert step.status["progress"] == "3/16"
    again = decide(shared(of | {"status": step.status}, assignments=[assignment(**ASSIGNED)], done=3), NOW)
    assert again is None, "the same is told once"
    more = decide(shared(of | {"status": step.status}, assignments=[assignment(**ASSIGNED)], done=10**40), NOW)
    assert isinstance(more, WriteStatus)
    assert more.status["progress"] == "16/16", "a worker's word must not make a status that the schema refuses"

"""What becomes of a worker's question and of what it says, of both kinds of workers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from quantumjob_contract import keys, names
from quantumjob_contract.exit_codes import PERMANENT, Exit
from quantumjob_contract.keys import Owner
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import EndedOrder, UrlsRequest
from quantumjob_contract.schema.program import decode_program
from quantumjob_contract.store_errors import StoreUnavailable
from quantumjob_operator import clock
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.orders import builder
from quantumjob_operator.orders import service as service_module
from quantumjob_operator.orders.service import NoMoreOrders, NotAssigned
from quantumjob_operator.reconcile.controller import PROGRESS_SECONDS
from quantumjob_operator.scheduling.assignment import SILENT_SECONDS, Assignment, Pod
from quantumjob_operator.scheduling.queue import PAUSE_SECONDS
from quantumjob_operator.scheduling.worker_pool import SILENT_WORKER_SECONDS
from support.duplicate_orders import DuplicatingQueue
from support.jobs import only, result, write_job
from support.kube import JOBS, QUANTUMJOBS, RUNNING, TIME, FakeKube, another, job, pod
from support.parts import Parts

pytestmark = pytest.mark.usefixtures("time", "no_poll")


def uid_of(name: str, namespace: str = "team") -> Owner:
    return Owner(namespace, f"uid-{name}")


async def small(*called: str, namespace: str = "team", **spec: Any) -> Parts:
    """An operator whose small jobs of these names wait for their turn."""
    parts = Parts(FakeKube(*(another(name, namespace=namespace, **spec) for name in called)))
    await parts.settle()
    return parts


def dedicated() -> Parts:
    """An operator with a job that has a worker of its own, which runs."""
    parts = Parts(FakeKube(another("own", dedicated=True)))
    of = another("own")
    write_job(parts.store.pending, uid_of("own"), [[result(0)]], last=False)  # type: ignore[arg-type]
    parts.router.job(job(of), False)
    parts.router.pod(pod(of, RUNNING), False)
    return parts


def turn_of(parts: Parts, owner: Owner) -> Any:
    assignment = parts.queue.assignment(only(owner))
    assert assignment is not None
    return assignment


async def test_each_worker_gets_another_job_the_oldest_first() -> None:
    parts = await small("one", "two")
    orders = [await parts.ask(parts.hire(name)) for name in "abc"]
    assert [order.uid if order else None for order in orders] == ["uid-one", "uid-two", None]


async def test_an_order_says_what_its_worker_needs() -> None:
    parts = await small("one")
    order = await parts.ask(parts.hire())
    assert order is not None
    stored = parts.store.pending.objects[keys.program(uid_of("one"))]
    assert bytes(order.program) == stored, "the very bytes in the store"
    assert decode_program(order.program).seed == parts.controller.cache.quantumjobs[uid_of("one")]["status"]["seed"]
    assert (order.only, order.found, order.seconds_left) == (False, [], 600.0)
    assert order.last_key == keys.segment(only(uid_of("one")), keys.LAST)


async def test_a_shared_worker_gets_jobs_of_its_own_namespace_only() -> None:
    parts = Parts(FakeKube(another("one"), another("two", namespace="other")))
    await parts.settle()
    pods = {space: parts.hire(space, namespace=space) for space in ("third", "other", "team")}
    got = {space: await parts.ask(pod) for space, pod in pods.items()}
    assert {space: order and order.uid for space, order in got.items()} == {
        "third": None,
        "other": "uid-two",
        "team": "uid-one",
    }
    for space in ("third", "other"):
        parts.alive(pods[space], "uid-one")
        with pytest.raises(NotAssigned):
            await parts.order_service.urls(pods[space], "uid-one", 0, UrlsRequest(0))
        parts.order_service.ended(pods[space], EndedOrder("uid-one", 0))
        parts.order_service.ended(pods[space], EndedOrder("uid-one", 0, int(Exit.INTERNAL), "A lie."))
    assert (turn_of(parts, uid_of("one")).pod, turn_of(parts, uid_of("one")).ended) == (pods["team"], False)


async def test_a_question_is_held_until_there_is_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "POLL_SECONDS", 1000.0)
    parts = await small()
    parts.autoscaler.linger_seconds = 1000.0
    questions = [asyncio.create_task(parts.ask(parts.hire(name))) for name in "ab"]
    await asyncio.sleep(0)
    for name in ("one", "two"):
        parts.router.quantumjob(parts.kube.put(QUANTUMJOBS, another(name)), False)
    await parts.settle()
    orders = await asyncio.wait_for(asyncio.gather(*questions), 30)
    assert {order.uid for order in orders if order} == {"uid-one", "uid-two"}


async def test_a_worker_without_an_order_stays_and_is_let_go_when_its_time_is_over() -> None:
    parts = await small()
    worker = parts.hire()
    assert await parts.ask(worker) is None
    parts.autoscaler.linger_seconds = 0.0
    with pytest.raises(NoMoreOrders):
        await parts.ask(worker)
    assert parts.autoscaler.pool.count("team", clock.now()) == 0, "who is let go is not counted"


async def test_an_order_begins_the_time_of_waiting_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = await small()
    worker, now = parts.hire(), 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now, raising=False)
    assert await parts.ask(worker) is None
    now += 29
    assert await parts.ask(worker) is None
    parts.router.quantumjob(parts.kube.put(QUANTUMJOBS, another("one")), False)
    await parts.settle()
    assert await parts.ask(worker) is not None
    now += 29
    assert await parts.ask(worker, EndedOrder("uid-one", 0)) is None
    now += 29
    assert await parts.ask(worker) is None
    now += 2
    with pytest.raises(NoMoreOrders):
        await parts.ask(worker)


async def test_a_worker_is_let_go_where_workers_do_not_stay_any_more() -> None:
    parts = Parts(FakeKube(), linger=0)
    with pytest.raises(NoMoreOrders):
        await parts.ask(parts.hire())


async def test_a_worker_that_was_let_go_gets_no_order_when_it_asks_again() -> None:
    """The answer may have been lost; it is counted no longer, and would be one more than allowed."""
    parts = await small()
    worker = parts.hire()
    parts.autoscaler.linger_seconds = 0.0
    with pytest.raises(NoMoreOrders):
        await parts.ask(worker)
    parts.autoscaler.linger_seconds = 30.0
    parts.router.quantumjob(parts.kube.put(QUANTUMJOBS, another("one")), False)
    await parts.settle()
    with pytest.raises(NoMoreOrders):
        await parts.ask(worker)
    assert only(uid_of("one")) in parts.queue.of_namespace("team").waiting


async def test_all_workers_but_one_make_room_for_another_namespace_s_first() -> None:
    parts = await small("one", "two", "three")
    first, second = parts.hire("a"), parts.hire("b")
    for made in parts.kube.of_kind(JOBS):
        if made["metadata"]["name"] not in {"qj-shared-a", "qj-shared-b"}:
            parts.router.job(made, True)
    assert await parts.ask(first) is not None
    parts.autoscaler.enqueue(uid_of("far", "far"), [Assignment(0.03, 600.0, 3, clock.now())])
    parts.queue.set_obstacle("far", WorkerState("waiting", Reason.UNSCHEDULABLE, "0/1"), 1, clock.now())
    with pytest.raises(NoMoreOrders):
        await parts.ask(first, EndedOrder("uid-one", 0))
    order = await parts.ask(second)
    assert order is not None
    assert order.uid == "uid-two"
    assert turn_of(parts, uid_of("one")).ended, "what it had done is not lost"


async def test_an_order_that_two_workers_have_is_theirs_until_one_ends_it() -> None:
    parts = Parts(FakeKube(*map(another, ("one", "two", "three"))), queue=DuplicatingQueue)
    await parts.settle()
    workers = [parts.hire(name) for name in "abcd"]
    orders = [await parts.ask(worker) for worker in workers]
    assert [order.uid if order else None for order in orders] == ["uid-one", "uid-two", "uid-two", "uid-three"]
    with pytest.raises(NoMoreOrders):
        await parts.ask(workers[2], EndedOrder("uid-two", 0), leaving=True)
    assert turn_of(parts, uid_of("two")).pod == workers[1], "the second worker's word ends no order of the first"


async def test_a_worker_that_leaves_says_how_its_order_ended_and_is_replaced() -> None:
    parts = await small("one", "two")
    worker = parts.hire()
    await parts.ask(worker)
    with pytest.raises(NoMoreOrders):
        await parts.ask(worker, EndedOrder("uid-one", 0), leaving=True)
    assert turn_of(parts, uid_of("one")).ended
    assert parts.autoscaler.pool.count("team", clock.now()) == len(parts.kube.of_kind(JOBS)) - 1
    await parts.autoscaler.reconcile("team")
    assert parts.autoscaler.pool.count("team", clock.now()) >= 1


async def test_a_worker_that_leaves_in_the_middle_lays_its_order_down() -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    with pytest.raises(NoMoreOrders):
        await parts.ask(worker, leaving=True)
    order = await parts.ask(parts.hire("b"))
    assert order is not None
    assert order.uid == "uid-one"
    assert turn_of(parts, uid_of("one")).attempts == 0


async def test_a_worker_that_asks_again_has_lost_the_answer_and_no_order_is() -> None:
    parts = await small("one")
    worker = parts.hire()
    first, second = await parts.ask(worker), await parts.ask(worker)
    assert first is not None
    assert second is not None
    assert (first.uid, second.uid) == ("uid-one", "uid-one")


async def test_ended_makes_the_controller_look() -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    parts.store_last(uid_of("one"))
    assert await parts.ask(worker, EndedOrder("uid-one", 0)) is None
    await parts.settle()
    assert parts.kube.status("one")["phase"] == "Succeeded"


@pytest.mark.parametrize("code", [code for code in Exit if code in PERMANENT])
async def test_a_permanent_end_is_the_end(code: Exit) -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    await parts.ask(worker, EndedOrder("uid-one", 0, int(code), "Update the operator."))
    await parts.settle()
    found = parts.kube.status("one")
    assert (found["phase"], found["conditions"][-1]["message"]) == (
        "Failed",
        "0/1 pubs succeeded. Update the operator.",
    )
    assert {c["reason"] for c in found["conditions"] if c["type"] == "Failed"} == {Reason.WORKER_FAILED}


async def test_a_temporary_end_is_followed_by_another_attempt_as_often_as_the_limit_allows(time: Any) -> None:
    parts = await small("one", backoffLimit=2)
    worker = parts.hire()
    ended = EndedOrder("uid-one", 0, int(Exit.TEMPORARY), "The store could not be reached.")
    for attempt in range(1, 4):
        order = await parts.ask(worker)
        assert order is not None
        assert await parts.ask(worker, ended) is None, "not at once"
        await parts.settle()
        assert turn_of(parts, uid_of("one")).attempts == attempt if attempt < 3 else True
        time.passes(60)
    found = parts.kube.status("one")
    assert found["phase"] == "Failed"
    (failed,) = [c for c in found["conditions"] if c["type"] == "Failed"]
    assert failed["reason"] == Reason.BACKOFF_LIMIT_EXCEEDED
    assert "The store could not be reached. No attempt is left (spec.backoffLimit)." in failed["message"]


async def test_a_failure_of_an_order_that_the_worker_has_not_counts_nothing() -> None:
    parts = await small("one")
    worker, other = parts.hire("a"), parts.hire("b")
    await parts.ask(worker)
    parts.order_service.ended(other, EndedOrder("uid-one", 0, int(Exit.INTERNAL), "A lie."))
    assignment = turn_of(parts, uid_of("one"))
    assert (assignment.pod, assignment.attempts, assignment.failure) == (worker, 0, None)


async def test_what_is_said_of_jobs_that_are_not_there_leaves_nothing() -> None:
    parts = await small()
    worker = parts.hire()
    for said in (EndedOrder("nobody", 0), EndedOrder("nobody", 0, int(Exit.TEMPORARY))):
        assert await parts.ask(worker, said) is None
    assert parts.alive(worker, "nobody").stop, "nobody needs it any more"
    with pytest.raises(NotAssigned):
        await parts.order_service.urls(worker, "nobody", 0, UrlsRequest(0))
    await parts.settle()
    assert parts.controller.memory == {}


async def test_a_sign_of_life_ends_the_silence(time: Any) -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    time.passes(SILENT_SECONDS)
    assert not parts.alive(worker, "uid-one").stop
    assert parts.queue.expire(time.passes(SILENT_SECONDS)) == []
    await parts.order_service.urls(worker, "uid-one", 0, UrlsRequest(16))
    assert parts.queue.expire(time.passes(SILENT_SECONDS)) == [], "to ask for URLs is one, too"
    assert parts.queue.expire(time.passes(1)) == [uid_of("one")]


async def test_a_cancelled_order_is_stopped_by_its_next_sign_of_life() -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    parts.edit(uid_of("one"), cancel=True)
    assert parts.alive(worker, "uid-one").stop


async def test_nobody_is_stopped_before_the_watches_have_told_what_there_is() -> None:
    parts = Parts(FakeKube())
    parts.ready = False
    worker = parts.hire()
    assert not parts.alive(worker, "uid-one").stop
    parts.ready = True
    assert parts.alive(worker, "uid-one").stop


async def test_a_job_that_was_cancelled_while_it_waited_is_given_to_nobody() -> None:
    parts = await small("one", "two")
    raw = parts.found(uid_of("one"))
    parts.controller.cache.put_quantumjob(parts.kube.put(QUANTUMJOBS, raw | {"spec": raw["spec"] | {"cancel": True}}))
    order = await parts.ask(parts.hire())
    assert order is not None
    assert order.uid == "uid-two"
    await parts.settle()
    assert parts.kube.status("one")["phase"] == "Cancelled"


async def test_a_job_whose_last_segment_is_there_is_promoted_and_not_given(time: Any) -> None:
    """Its worker has stored it and was not heard: it died, or the operator was away."""
    parts = await small("one", "two")
    worker = parts.hire()
    await parts.ask(worker)
    parts.store_last(uid_of("one"))
    time.passes(SILENT_SECONDS + 1)
    parts.queue.expire(time.now)
    uids = []
    while order := await parts.ask(parts.hire("b")):
        uids.append(order.uid)
        parts.store_last(Owner("team", order.uid))
    assert uids == ["uid-two"], "promotion has it, no worker"
    assert turn_of(parts, uid_of("one")).ended
    await parts.settle()
    assert parts.kube.status("one")["phase"] == "Succeeded"


async def test_segments_of_an_earlier_attempt_are_in_the_order() -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    parts.store.pending.put_once(keys.segment(only(uid_of("one")), keys.segment_name(0)), b"{}")
    order = await parts.ask(worker)
    assert order is not None
    assert [each.name for each in order.found] == ["000000"]


async def test_an_order_that_the_store_keeps_from_being_made_is_not_lost() -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    parts.store.pending.down = True
    with pytest.raises(StoreUnavailable):
        await parts.ask(worker)
    assert only(uid_of("one")) in parts.queue.of_namespace("team").waiting
    assert parts.queue.shard_of(worker.uid) is None
    parts.store.pending.down = False
    order = await parts.ask(parts.hire("b"))
    assert order is not None
    assert (order.uid, turn_of(parts, uid_of("one")).attempts) == ("uid-one", 0)


async def test_the_deadline_in_an_order_counts_from_the_first_turn(time: Any) -> None:
    parts = await small("one")
    worker = parts.hire()
    time.passes(1000)
    first = await parts.ask(worker)
    time.passes(100)
    second = await parts.ask(worker)
    assert first is not None
    assert second is not None
    assert (first.seconds_left, second.seconds_left) == (600.0, 500.0)


async def restart(parts: Parts, time: Any) -> Parts:
    """Another operator, to whom the watches have told everything; it has looked into the store for each job."""
    time.passes(0.1)
    again = parts.restarted()
    await again.settle()
    return again


async def test_after_a_restart_a_worker_that_is_alive_keeps_its_order(time: Any) -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    parts = await restart(parts, time)
    assert await parts.ask(parts.hire("b")) is None, "not in the pause"
    assert not parts.alive(worker, "uid-one").stop
    assert turn_of(parts, uid_of("one")).pod == worker
    time.passes(PAUSE_SECONDS)
    assert await parts.ask(parts.hire("c")) is None
    assert await parts.order_service.urls(worker, "uid-one", 0, UrlsRequest(16))


async def test_after_a_restart_a_worker_may_be_alive_before_its_job_is_known(time: Any) -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    again = parts.restarted()
    assert not again.alive(worker, "uid-one").stop
    await again.settle()
    again.alive(worker, "uid-one")
    assert turn_of(again, uid_of("one")).pod == worker


@pytest.mark.parametrize("offered", [False, True])
async def test_after_a_restart_a_worker_s_end_is_heard(time: Any, offered: bool) -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    again = parts.restarted()
    if offered:
        await again.settle()
    parts.store_last(uid_of("one"))
    assert await again.ask(worker, EndedOrder("uid-one", 0)) is None
    await again.settle()
    assert parts.kube.status("one")["phase"] == "Succeeded"


async def test_after_a_restart_an_order_that_nobody_has_is_given_again(time: Any) -> None:
    parts = await small("one")
    await parts.ask(parts.hire())
    parts = await restart(parts, time)
    time.passes(PAUSE_SECONDS)
    order = await parts.ask(parts.hire("b"))
    assert order is not None
    assert order.uid == "uid-one"


async def test_after_a_restart_a_job_that_comes_new_does_not_wait_for_the_pause(time: Any) -> None:
    parts = await restart(await small("one"), time)
    parts.router.quantumjob(parts.kube.put(QUANTUMJOBS, another("new")), False)
    await parts.settle()
    order = await parts.ask(parts.hire())
    assert order is not None
    assert order.uid == "uid-new"


async def test_a_dedicated_worker_gets_its_order_and_no_other() -> None:
    parts = dedicated()
    own = uid_of("own")
    order = await parts.ask(only(own))
    assert order is not None
    assert (order.uid, order.only) == (own.uid, True)
    assert [each.name for each in order.found] == ["000000"]
    for said, leaving in ((EndedOrder(own.uid, 0), False), (EndedOrder(own.uid, 0), True), (None, True)):
        with pytest.raises(NoMoreOrders):
            await parts.ask(only(own), said, leaving=leaving)
    assert parts.controller.memory_of(own).reported_ended


async def test_a_dedicated_worker_s_failure_is_its_job_s_to_tell() -> None:
    parts = dedicated()
    own = uid_of("own")
    with pytest.raises(NoMoreOrders):
        await parts.ask(only(own), EndedOrder(own.uid, 0, int(Exit.INTERNAL), "A defect."))
    assert not parts.controller.memory_of(own).reported_ended
    assert parts.queue.assignment(only(own)) is None


async def test_a_dedicated_worker_speaks_of_its_own_job_only() -> None:
    parts = dedicated()
    own = uid_of("own")
    with pytest.raises(NotAssigned):
        parts.alive(only(own), "uid-one")
    with pytest.raises(NotAssigned):
        await parts.order_service.urls(only(own), "uid-one", 0, UrlsRequest(0))
    with pytest.raises(NotAssigned):
        await parts.ask(only(own), EndedOrder("uid-one", 0))
    first, *_ = await parts.order_service.urls(only(own), own.uid, 0, UrlsRequest(3))
    assert first.name == "000003"


async def test_a_dedicated_worker_is_told_to_stop_when_its_job_is_cancelled() -> None:
    parts = dedicated()
    own = uid_of("own")
    assert not parts.alive(only(own), own.uid).stop
    parts.edit(own, cancel=True)
    assert parts.alive(only(own), own.uid).stop


async def test_a_shared_worker_gets_no_dedicated_job() -> None:
    parts = dedicated()
    await parts.settle()
    assert await parts.ask(parts.hire()) is None


async def test_a_dedicated_order_ends_with_the_deadline_of_its_job(time: Any) -> None:
    parts = dedicated()
    own = uid_of("own")
    order = await parts.ask(only(own))
    assert order is not None
    assert order.seconds_left == 600.0, "it has not started yet"
    started = job(another("own"), startTime="2026-01-02T03:04:05Z")
    started["metadata"]["resourceVersion"] = "21"
    parts.router.job(started, False)
    time.passes(100)
    order = await parts.ask(only(own))
    assert order is not None
    assert order.seconds_left == 500.0


async def test_done_from_a_pod_that_does_not_carry_the_order_is_a_hint_only() -> None:
    parts = await small("one")
    worker, other = parts.hire("a"), parts.hire("b")
    await parts.ask(worker)
    parts.order_service.ended(other, EndedOrder("uid-one", 0))
    assignment = turn_of(parts, uid_of("one"))
    assert (assignment.pod, assignment.ended, parts.queue.shard_of(worker.uid)) == (
        worker,
        False,
        only(uid_of("one")),
    )
    assert parts.controller.memory_of(uid_of("one")).reported_ended
    await parts.settle()
    assert not parts.kube.status("one").get("results"), "the store has nothing"
    assert (turn_of(parts, uid_of("one")).pod, assignment.failure) == (worker, None)
    parts.store_last(uid_of("one"))
    parts.order_service.ended(other, EndedOrder("uid-one", 0))
    await parts.settle()
    assert parts.kube.status("one")["phase"] == "Succeeded", "the store alone is believed"


async def ask_twice(parts: Parts, worker: Pod) -> tuple[asyncio.Task[Any], asyncio.Task[Any]]:
    """Two questions of one worker, of which the first is held when the second comes."""
    first = asyncio.create_task(parts.ask(worker))
    await asyncio.sleep(0)
    second = asyncio.create_task(parts.ask(worker))
    await asyncio.sleep(0)
    return first, second


async def test_a_worker_has_one_question_and_the_older_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "POLL_SECONDS", 1000.0)
    parts = await small()
    parts.autoscaler.linger_seconds = 1000.0
    worker = parts.hire()
    first, second = await ask_twice(parts, worker)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(first, 30)
    for name in ("one", "two"):
        parts.router.quantumjob(parts.kube.put(QUANTUMJOBS, another(name)), False)
    await parts.settle()
    order = await asyncio.wait_for(second, 30)
    assert order.uid == "uid-one"
    assert list(parts.queue.of_namespace("team").waiting) == [only(uid_of("two"))]
    await asyncio.sleep(0)
    assert parts.order_service._requests == {}


async def test_a_question_that_is_cancelled_while_its_order_is_made_takes_nothing_from_the_newer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = await small("one")
    worker = parts.hire()
    parts.controller.memory_of(uid_of("one")).ordered.add(0)  # so that the store is asked
    answer = asyncio.Event()

    async def slow(*_: Any) -> list[str]:
        await answer.wait()
        return []

    monkeypatch.setattr(builder, "written", slow)
    first, second = await ask_twice(parts, worker)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(first, 30)
    answer.set()
    order = await asyncio.wait_for(second, 30)
    assert order.uid == "uid-one"
    assert parts.queue.shard_of(worker.uid) == only(uid_of("one"))
    assert turn_of(parts, uid_of("one")).pod == worker, "no other worker gets it, too"


async def test_workers_ask_at_the_same_time_without_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "POLL_SECONDS", 1000.0)
    parts = await small()
    parts.autoscaler.linger_seconds = 1000.0
    questions = [asyncio.create_task(parts.ask(parts.hire(name))) for name in "ab"]
    await asyncio.sleep(0)
    assert len(parts.order_service._requests) == 2
    for question in questions:
        question.cancel()
    assert [type(end) for end in await asyncio.gather(*questions, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * 2
    assert parts.order_service._requests == {}


async def test_what_is_being_deleted_is_not_given() -> None:
    parts = await small("one", "two")
    raw = parts.found(uid_of("one"))
    raw["metadata"]["deletionTimestamp"] = TIME
    parts.controller.cache.put_quantumjob(parts.kube.put(QUANTUMJOBS, raw))
    order = await parts.ask(parts.hire())
    assert order is not None
    assert order.uid == "uid-two"
    assert parts.queue.assignment(only(uid_of("one"))) is None


async def test_a_worker_of_another_template_is_let_go() -> None:
    parts = await small("one")
    old, new = parts.hire("a"), parts.hire("b")
    job_of_old = parts.kube.objects[JOBS, "team", "qj-shared-a"]
    labels = job_of_old["metadata"]["labels"] | {names.LABEL_TEMPLATE: "before"}
    parts.router.job(
        parts.kube.put(JOBS, job_of_old | {"metadata": job_of_old["metadata"] | {"labels": labels}}), False
    )
    with pytest.raises(NoMoreOrders):
        await parts.ask(old)
    assert parts.autoscaler.pool.is_draining(old)
    assert only(uid_of("one")) in parts.queue.of_namespace("team").waiting
    order = await parts.ask(new)
    assert order is not None
    assert order.uid == "uid-one"


async def test_a_worker_without_a_template_is_let_go_after_its_order() -> None:
    """It was started by an operator that knew no templates."""
    parts = await small("one")
    worker = parts.hire("a")
    await parts.ask(worker)
    job_of = parts.kube.objects[JOBS, "team", "qj-shared-a"]
    labels = {names.LABEL_WORKER: names.SHARED}
    parts.router.job(parts.kube.put(JOBS, job_of | {"metadata": job_of["metadata"] | {"labels": labels}}), False)
    assert not parts.alive(worker, "uid-one").stop, "what it has it may finish"
    parts.store_last(uid_of("one"))
    with pytest.raises(NoMoreOrders):
        await parts.ask(worker, EndedOrder("uid-one", 0))
    await parts.settle()
    assert parts.kube.status("one")["phase"] == "Succeeded"


async def test_what_a_worker_says_ends_its_silence_as_one_of_the_crew(time: Any) -> None:
    parts = await small("one")
    worker, pool = parts.hire(), parts.autoscaler.pool
    for made in parts.kube.of_kind(JOBS):
        if made["metadata"]["name"] != "qj-shared-a":
            parts.router.job(made, True)
    assert pool.count("team", time.now) == 1
    assert pool.count("team", time.passes(SILENT_WORKER_SECONDS)) == 0
    await parts.ask(worker)
    assert pool.count("team", time.passes(SILENT_WORKER_SECONDS - 1)) == 1
    parts.alive(worker, "uid-one")
    assert pool.count("team", time.passes(SILENT_WORKER_SECONDS - 1)) == 1


async def test_a_job_is_not_expected_to_end_after_its_deadline(time: Any) -> None:
    pubs = [{"name": f"p{n}", "circuit": {"format": "OpenQASM3", "inline": "OPENQASM 3.0;"}} for n in range(16)]
    parts = await small("one", program={"primitive": "Sampler", "shots": 100, "pubs": pubs}, activeDeadlineSeconds=100)
    worker, given = parts.hire(), time.now
    await parts.ask(worker)
    time.passes(60)
    parts.alive(worker, "uid-one", 2)
    await parts.settle()
    assert parts.kube.status("one")["times"]["expected"] == clock.rfc3339(given + timedelta(seconds=100))


async def test_progress_moves_now_and_then(monkeypatch: pytest.MonkeyPatch, time: Any) -> None:
    pubs = [{"name": f"p{n}", "circuit": {"format": "OpenQASM3", "inline": "OPENQASM 3.0;"}} for n in range(16)]
    parts = await small("one", program={"primitive": "Sampler", "shots": 100, "pubs": pubs})
    worker, now = parts.hire(), 1000.0
    await parts.ask(worker)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now, raising=False)
    time.passes(60)

    async def said(done: int) -> str:
        parts.alive(worker, "uid-one", done)
        await parts.settle()
        progress: str = parts.kube.status("one")["progress"]
        return progress

    assert await said(2) == "2/16"
    expected = clock.parse(parts.kube.status("one")["times"]["expected"])
    assert expected > time.now, "two of sixteen took a minute"
    now += PROGRESS_SECONDS - 1
    parts.kube.calls.clear()
    assert await said(5) == "2/16", "not so often"
    assert parts.writes() == []
    now += 1
    assert await said(6) == "6/16"
    now += PROGRESS_SECONDS
    parts.kube.calls.clear()
    assert await said(6) == "6/16"
    assert await said(4) == "6/16", "it never goes back"
    assert parts.writes() == [], "what is no news costs no write"
    other = parts.hire("b")
    parts.alive(other, "uid-one", 16)
    await parts.settle()
    assert parts.kube.status("one")["progress"] == "6/16", "another's word is none of its worker's"

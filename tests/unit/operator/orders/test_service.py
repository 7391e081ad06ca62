"""What becomes of a worker's question and of what it says, of both kinds of workers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quantumjob_contract import keys, names
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.keys import Owner
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import EndedOrder, UrlsRequest
from quantumjob_contract.schema.program import decode_program
from quantumjob_contract.store_errors import StoreUnavailable
from quantumjob_operator import clock
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.orders import service as service_module
from quantumjob_operator.orders.service import NoMoreOrders, NotAssigned
from quantumjob_operator.scheduling.assignment import SILENT_SECONDS, Assignment
from support.duplicate_orders import DuplicatingQueue
from support.jobs import only
from support.kube import JOBS, QUANTUMJOBS, TIME, FakeKube, another
from support.parts import Parts
from support.scenarios import assignment_of, small, uid_of

pytestmark = pytest.mark.usefixtures("time", "no_poll")


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
    assert (assignment_of(parts, uid_of("one")).pod, assignment_of(parts, uid_of("one")).ended) == (pods["team"], False)


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
    assert assignment_of(parts, uid_of("one")).ended, "what it had done is not lost"


async def test_an_order_that_two_workers_have_is_theirs_until_one_ends_it() -> None:
    parts = Parts(FakeKube(*map(another, ("one", "two", "three"))), queue=DuplicatingQueue)
    await parts.settle()
    workers = [parts.hire(name) for name in "abcd"]
    orders = [await parts.ask(worker) for worker in workers]
    assert [order.uid if order else None for order in orders] == ["uid-one", "uid-two", "uid-two", "uid-three"]
    with pytest.raises(NoMoreOrders):
        await parts.ask(workers[2], EndedOrder("uid-two", 0), leaving=True)
    assert assignment_of(parts, uid_of("two")).pod == workers[1], "the second worker's word ends no order of the first"


async def test_a_worker_that_leaves_says_how_its_order_ended_and_is_replaced() -> None:
    parts = await small("one", "two")
    worker = parts.hire()
    await parts.ask(worker)
    with pytest.raises(NoMoreOrders):
        await parts.ask(worker, EndedOrder("uid-one", 0), leaving=True)
    assert assignment_of(parts, uid_of("one")).ended
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
    assert assignment_of(parts, uid_of("one")).attempts == 0


async def test_a_worker_that_asks_again_has_lost_the_answer_and_no_order_is() -> None:
    parts = await small("one")
    worker = parts.hire()
    first, second = await parts.ask(worker), await parts.ask(worker)
    assert first is not None
    assert second is not None
    assert (first.uid, second.uid) == ("uid-one", "uid-one")


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
    assert assignment_of(parts, uid_of("one")).ended
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
    assert (order.uid, assignment_of(parts, uid_of("one")).attempts) == ("uid-one", 0)


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

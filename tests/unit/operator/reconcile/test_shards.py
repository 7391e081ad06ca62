"""A job in shards, from the queue to its end: workers that have it side by side, its losses, and what is told of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quantumjob_contract import keys
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import EndedOrder, Order
from quantumjob_contract.schema.program import encode
from quantumjob_operator.kubernetes.client import JOBS, PODS
from quantumjob_operator.orders.service import NoMoreOrders, NotAssigned
from quantumjob_operator.reconcile.controller import PROGRESS_SECONDS
from quantumjob_operator.scheduling.assignment import SILENT_SECONDS, Assignment, Pod
from quantumjob_operator.scheduling.queue import PAUSE_SECONDS
from support.jobs import program, result, write_shard
from support.kube import RUNNING, FakeKube, another, job, pod, terminated
from support.parts import Parts

pytestmark = pytest.mark.usefixtures("time", "no_poll")

OF = Owner("team", "uid-one")
PUBS = [
    {"name": f"p{n}", "circuit": {"format": "OpenQASM3", "inline": "OPENQASM 3.0; bit c; qubit q; c = measure q;"}}
    for n in range(8)
]
PROGRAM = {"primitive": "Sampler", "shots": 100, "pubs": PUBS}


def body(shards: int, **spec: Any) -> dict[str, Any]:
    return another("one", program=PROGRAM, parallelism=shards, **spec)


def shard(number: int) -> Shard:
    return Shard(OF, number)


async def split(shards: int = 2, **spec: Any) -> Parts:
    """An operator whose job waits in so many shards."""
    parts = Parts(FakeKube(body(shards, **spec)))
    await parts.settle()
    return parts


def store_shard(parts: Parts, number: int, shards: int = 2, *, last: bool = True) -> None:
    """A worker stores what a shard comes to."""
    pubs = [result(index) for index in range(number, len(PUBS), shards)]
    write_shard(parts.store.pending, shard(number), [pubs], last=last)  # type: ignore[arg-type]


def turn_of(parts: Parts, number: int) -> Assignment:
    found = parts.queue.assignment(shard(number))
    assert found is not None
    return found


def what(order: Order | None) -> tuple[str, int] | None:
    return None if order is None else (order.uid, order.shard)


def ended(number: int, code: Exit = Exit.DONE, message: str = "") -> EndedOrder:
    return EndedOrder(OF.uid, number, int(code), message)


async def test_each_worker_gets_another_shard_and_only_its_own_keys() -> None:
    parts = await split(3)
    orders = [await parts.ask(parts.hire(name)) for name in "abcd"]
    assert list(map(what, orders)) == [(OF.uid, 0), (OF.uid, 1), (OF.uid, 2), None]
    for number, order in enumerate(orders[:3]):
        assert order is not None
        assert order.last_key == keys.segment(shard(number), keys.LAST)
        assert f"/{OF.uid}/{number}/" in order.last
        assert bytes(order.program) == parts.store.pending.objects[keys.program(OF)]


async def test_two_workers_have_two_shards_and_both_ends_are_the_job_s() -> None:
    parts = await split()
    first, second = parts.hire("a"), parts.hire("b")
    await parts.ask(first)
    await parts.ask(second)
    store_shard(parts, 1)
    assert await parts.ask(second, ended(1)) is None, "there is no third shard"
    await parts.settle()
    assert (turn_of(parts, 1).ended, turn_of(parts, 0).pod) == (True, first)
    assert not parts.status(OF).get("results"), "one shard is not all"
    assert not parts.alive(first, OF.uid).stop
    store_shard(parts, 0)
    assert await parts.ask(first, ended(0)) is None
    await parts.settle()
    status = parts.kube.status("one")
    assert (status["phase"], status["progress"]) == ("Succeeded", "8/8")
    assert (parts.queue.assignments(OF), parts.controller.memory) == ([], {})


async def test_what_is_over_is_asked_of_the_store_once() -> None:
    """Promotion follows the last shard's end: before it, nobody looks for last segments that cannot be there."""
    parts = await split()
    worker = parts.hire()
    await parts.ask(worker)
    store_shard(parts, 0)
    parts.store.requests.clear()
    assert what(await parts.ask(worker, ended(0))) == (OF.uid, 1)
    await parts.settle()
    assert parts.store.requests == []


async def test_of_a_shard_that_nobody_had_nothing_is_asked_of_the_store() -> None:
    parts = await split()
    parts.store.requests.clear()
    for name in "ab":
        assert await parts.ask(parts.hire(name)) is not None
    assert parts.store.requests == []


async def test_one_worker_has_one_shard_after_the_other() -> None:
    parts = await split(3)
    worker = parts.hire()
    order = await parts.ask(worker)
    for number in range(3):
        assert what(order) == (OF.uid, number)
        store_shard(parts, number, 3)
        order = await parts.ask(worker, ended(number))
    await parts.settle()
    assert (what(order), parts.kube.status("one")["phase"]) == (None, "Succeeded")


async def test_a_worker_that_is_lost_gives_back_its_own_shard_alone(time: Any) -> None:
    parts = await split()
    first, second = parts.hire("a"), parts.hire("b")
    await parts.ask(first)
    await parts.ask(second)
    parts.store.pending.put_once(keys.segment(shard(1), keys.segment_name(0)), b"{}")
    time.passes(SILENT_SECONDS)
    parts.alive(first, OF.uid)
    time.passes(1)
    assert parts.queue.expire(time.now) == [OF]
    assert (turn_of(parts, 0).pod, turn_of(parts, 1).pod, turn_of(parts, 1).attempts) == (first, None, 0)
    again = await parts.ask(parts.hire("c"))
    assert again is not None
    assert (again.shard, [each.name for each in again.found]) == (1, ["000000"])
    assert await parts.ask(parts.hire("d")) is None


async def test_a_worker_that_dies_costs_its_own_shard_an_attempt(time: Any) -> None:
    parts = await split(backoffLimit=1)
    first, second = parts.hire("a"), parts.hire("b")
    await parts.ask(first)
    await parts.ask(second)
    parts.set_container_state(second, terminated(137))
    assert [turn_of(parts, number).attempts for number in range(2)] == [0, 1]
    assert (turn_of(parts, 0).pod, turn_of(parts, 1).pod) == (first, None)
    await parts.told(time, OF)
    assert (parts.status(OF)["phase"], parts.status(OF)["attempts"]) == ("Running", 1)


async def test_a_shard_without_another_attempt_ends_the_job_with_what_there_is() -> None:
    parts = await split(backoffLimit=0)
    first, second = parts.hire("a"), parts.hire("b")
    await parts.ask(first)
    await parts.ask(second)
    await parts.ask(second, ended(1, Exit.TEMPORARY, "The store could not be reached."))
    await parts.settle()
    assert parts.status(OF).get("phase") != "Failed", "the other shard's worker may have something to store"
    assert parts.alive(first, OF.uid).stop, "nobody needs the other shard any more"
    store_shard(parts, 0, last=False)
    assert await parts.ask(first, ended(0, Exit.TEMPORARY, "The operator stopped this order.")) is None
    await parts.settle()
    status = parts.kube.status("one")
    (failed,) = [c for c in status["conditions"] if c["type"] == "Failed"]
    assert (status["phase"], failed["reason"]) == ("Failed", Reason.BACKOFF_LIMIT_EXCEEDED)
    assert failed["message"].startswith("4/8 pubs succeeded. The store could not be reached.")


async def test_a_shard_that_was_done_before_is_not_run_again(time: Any) -> None:
    """An operator after this one asks the store, shard by shard."""
    parts = await split(3)
    worker = parts.hire()
    await parts.ask(worker)
    store_shard(parts, 0, 3)
    store_shard(parts, 2, 3)
    time.passes(0.1)
    again = parts.restarted()
    await again.settle()
    time.passes(PAUSE_SECONDS)
    assert what(await again.ask(again.hire("b"))) == (OF.uid, 1)
    assert await again.ask(again.hire("c")) is None
    assert [turn_of(again, number).ended for number in range(3)] == [True, False, True]
    store_shard(again, 1, 3)
    await again.ask(again.hire("b"), ended(1))
    await again.settle()
    assert again.kube.status("one")["phase"] == "Succeeded"


async def test_after_a_restart_workers_keep_their_shards(time: Any) -> None:
    parts = await split(3)
    first, second = parts.hire("a"), parts.hire("b")
    await parts.ask(first)
    await parts.ask(second)
    again = parts.restarted()
    assert not again.alive(second, OF.uid, number=1).stop, "before the job is offered"
    await again.settle()
    assert not again.alive(first, OF.uid, number=0).stop
    time.passes(PAUSE_SECONDS)
    again.alive(first, OF.uid, number=0)
    again.alive(second, OF.uid, number=1)
    assert what(await again.ask(again.hire("c"))) == (OF.uid, 2)
    assert [turn_of(again, number).pod for number in range(2)] == [first, second]


async def test_the_deadline_is_the_job_s(time: Any) -> None:
    parts = await split(activeDeadlineSeconds=100)
    first = await parts.ask(parts.hire("a"))
    time.passes(60)
    second = await parts.ask(parts.hire("b"))
    assert first is not None
    assert second is not None
    assert (first.seconds_left, second.seconds_left) == (100.0, 40.0)


async def test_a_shard_is_spoken_of_by_who_has_it() -> None:
    parts = await split()
    first, second = parts.hire("a"), parts.hire("b")
    await parts.ask(first)
    await parts.ask(second)
    for worker, number in ((first, 1), (second, 0), (first, 2), (first, -1)):
        with pytest.raises(NotAssigned):
            await parts.order_service.urls(worker, OF.uid, number, 0)
        parts.alive(worker, OF.uid, 4, number)
        parts.order_service.ended(worker, ended(number, Exit.INTERNAL, "A lie."))
    assert [turn_of(parts, number).pod for number in range(2)] == [first, second]
    assert (parts.controller.memory_of(OF).done, [turn_of(parts, n).attempts for n in range(2)]) == ({}, [0, 0])
    for number in (2, -1, 10**9):
        parts.order_service.ended(first, ended(number))
    assert parts.controller.memory_of(OF).reported_ended == set(), "there are no such shards"


async def test_a_cancelled_job_stops_in_all_its_shards() -> None:
    parts = await split()
    workers = parts.hire("a"), parts.hire("b")
    for worker in workers:
        await parts.ask(worker)
    store_shard(parts, 0, last=False)
    parts.edit(OF, cancel=True)
    await parts.settle()
    assert not parts.status(OF).get("results"), "what they have is kept, so they are waited for"
    for number, worker in enumerate(workers):
        assert parts.alive(worker, OF.uid, number=number).stop
        await parts.ask(worker, ended(number, Exit.TEMPORARY, "The operator stopped this order."))
    await parts.settle()
    status = parts.kube.status("one")
    assert (status["phase"], status["progress"]) == ("Cancelled", "4/8")


async def test_a_shard_that_waits_is_withdrawn_from_a_cancelled_job_and_the_others_are_waited_for() -> None:
    parts = await split(3)
    first = parts.hire("a")
    await parts.ask(first)
    store_shard(parts, 0, 3, last=False)
    parts.edit(OF, cancel=True)
    assert await parts.ask(parts.hire("b")) is None
    await parts.settle()
    assert not parts.status(OF).get("results"), "the first has something to store"
    assert parts.alive(first, OF.uid).stop
    assert await parts.ask(first, ended(0, Exit.TEMPORARY, "The operator stopped this order.")) is None
    await parts.settle()
    assert parts.kube.status("one")["phase"] == "Cancelled"


async def test_a_job_is_cancelled_where_one_of_its_shards_had_ended() -> None:
    """The other's turn is withdrawn: what is left must not be taken for a job that has ended."""
    parts = await split()
    first, second = parts.hire("a"), parts.hire("b")
    await parts.ask(first)
    await parts.ask(second)
    store_shard(parts, 0)
    await parts.ask(first, ended(0))
    await parts.settle()
    parts.edit(OF, cancel=True)
    await parts.settle()
    assert parts.alive(second, OF.uid, number=1).stop
    assert await parts.ask(second, ended(1, Exit.TEMPORARY, "The operator stopped this order.")) is None
    await parts.settle()
    status = parts.kube.status("one")
    assert (status["phase"], status["progress"]) == ("Cancelled", "4/8")


async def test_progress_is_the_sum_over_shards(monkeypatch: pytest.MonkeyPatch, time: Any) -> None:
    parts = await split()
    first, second, now = parts.hire("a"), parts.hire("b"), 1000.0
    await parts.ask(first)
    await parts.ask(second)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now, raising=False)
    time.passes(60)

    async def said(worker: Pod, number: int, done: int) -> str:
        nonlocal now
        now += PROGRESS_SECONDS
        parts.alive(worker, OF.uid, done, number)
        await parts.settle()
        progress: str = parts.status(OF)["progress"]
        return progress

    assert await said(first, 0, 1) == "1/8"
    assert await said(second, 1, 3) == "4/8"
    assert await said(first, 0, 2) == "5/8"
    assert await said(second, 1, 2) == "5/8", "it never goes back"
    assert await said(first, 1, 4) == "5/8", "another's word is none of its worker's"
    assert await said(first, 0, 10**9) == "8/8", "nor makes a status that the schema refuses"


async def test_a_shard_that_is_done_counts_whole(monkeypatch: pytest.MonkeyPatch, time: Any) -> None:
    """It may have ended before its first sign of life."""
    parts = await split()
    first, second, now = parts.hire("a"), parts.hire("b"), 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now, raising=False)
    await parts.ask(first)
    await parts.ask(second)
    time.passes(60)
    store_shard(parts, 0)
    await parts.ask(first, ended(0))
    now += PROGRESS_SECONDS
    parts.alive(second, OF.uid, 1, 1)
    await parts.settle()
    assert parts.status(OF)["progress"] == "5/8"


async def test_a_shard_that_was_done_before_counts(monkeypatch: pytest.MonkeyPatch, time: Any) -> None:
    parts = await split()
    store_shard(parts, 0)
    time.passes(PAUSE_SECONDS)
    again = parts.restarted()
    await again.settle()
    time.passes(PAUSE_SECONDS + 1)
    worker, now = again.hire(), 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now, raising=False)
    assert what(await again.ask(worker)) == (OF.uid, 1)
    time.passes(60)
    now += PROGRESS_SECONDS
    again.alive(worker, OF.uid, 1, 1)
    await again.settle()
    assert again.status(OF)["progress"] == "5/8"


async def test_many_shards_in_a_moment_are_one_status_write(monkeypatch: pytest.MonkeyPatch, time: Any) -> None:
    parts = await split(8)
    worker, other, now = parts.hire("a"), parts.hire("b"), 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now, raising=False)
    await parts.ask(worker)
    await parts.ask(other)
    time.passes(60)
    parts.alive(worker, OF.uid, 0, 0)
    await parts.settle()
    parts.kube.calls.clear()
    for number in (0, *range(2, 7)):
        parts.alive(worker, OF.uid, 1, number)
        store_shard(parts, number, 8)
        assert await parts.ask(worker, ended(number)) is not None
        now += PROGRESS_SECONDS / 10
        await parts.settle()
    assert parts.writes() == ["status"]
    now += PROGRESS_SECONDS
    parts.alive(other, OF.uid, 0, 1)
    await parts.settle()
    assert parts.status(OF)["progress"] == "6/8", "whoever speaks next, what there is to tell is told"


def dedicated(shards: int = 2) -> Parts:
    """An operator with a job that has a worker of its own for each shard; all run."""
    of = body(shards, dedicated=True)
    parts = Parts(FakeKube(of))
    parts.store.pending.put_once(keys.program(OF), encode(program(OF, len(PUBS), shards)))
    parts.router.job(parts.kube.put(JOBS, job(of)), False)
    for number in range(shards):
        parts.router.pod(parts.kube.put(PODS, indexed(of, number, RUNNING)), False)
    return parts


def indexed(of: dict[str, Any], number: int, state: dict[str, Any]) -> dict[str, Any]:
    """The pod of this index."""
    return pod(of, state, name=f"{number}-x", index=str(number))


async def test_each_dedicated_worker_has_the_shard_of_its_index() -> None:
    parts = dedicated(3)
    for number in (2, 0, 1):
        order = await parts.ask(shard(number))
        assert order is not None
        assert (what(order), order.only) == ((OF.uid, number), True)
        assert order.last_key == keys.segment(shard(number), keys.LAST)
        others = [each for each in range(3) if each != number]
        for other in others:
            with pytest.raises(NotAssigned):
                await parts.order_service.urls(shard(number), OF.uid, other, 0)
            with pytest.raises(NotAssigned):
                parts.alive(shard(number), OF.uid, 1, other)
            with pytest.raises(NotAssigned):
                await parts.ask(shard(number), ended(other))


async def test_of_a_dedicated_shard_that_nobody_had_only_the_program_is_read() -> None:
    parts = dedicated()
    parts.controller.memory_of(OF).accepted_here = True
    parts.store.requests.clear()
    for number in range(2):
        await parts.ask(shard(number))
    assert parts.store.requests == [f"GET pending/{keys.program(OF)}"] * 2


async def test_a_dedicated_job_is_promoted_when_all_of_its_shards_are_done() -> None:
    parts = dedicated()
    await parts.settle()
    for number in (1, 0):
        await parts.ask(shard(number))
    store_shard(parts, 1)
    with pytest.raises(NoMoreOrders):
        await parts.ask(shard(1), ended(1))
    parts.store.requests.clear()
    await parts.settle()
    assert parts.store.requests == [], "half of it is no reason to look"
    assert not parts.status(OF).get("results")
    store_shard(parts, 0)
    with pytest.raises(NoMoreOrders):
        await parts.ask(shard(0), ended(0))
    await parts.settle()
    assert parts.kube.status("one")["phase"] == "Succeeded"


async def test_a_dedicated_job_is_promoted_when_the_pods_of_all_its_indices_ended_well() -> None:
    """Nobody was told, as after a restart."""
    parts = dedicated()
    await parts.settle()
    of = body(2, dedicated=True)
    for number in (1, 0):
        store_shard(parts, number)
        parts.router.pod(parts.kube.put(PODS, indexed(of, number, terminated(0))), False)
        await parts.settle()
        assert (parts.kube.status("one").get("phase") == "Succeeded") == (number == 0)

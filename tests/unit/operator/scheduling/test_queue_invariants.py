"""Invariants of the queue under any order of operations."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reasons import Reason
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.scheduling.assignment import (
    Assignment,
    Pod,
    is_silent,
)
from quantumjob_operator.scheduling.queue import Queue
from support.assignments import LONG, NOW, ONE, SHORT, TWO, WHY, A, B, C, found, where

SPACES = ("team", "other")

OWNERS = st.sampled_from([A.owner, B.owner, C.owner, Owner("other", "a")])

NUMBERS = st.integers(0, 2)

PODS = st.sampled_from([ONE, TWO, Pod("other", "qj-shared-three", "pod-three")])

OBSTACLES = st.sampled_from(
    [None, WorkerState("waiting", Reason.UNSCHEDULABLE, "0/1"), WorkerState("waiting", Reason.POD_REFUSED, "x")]
)


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens to jobs of one to three shards, in whatever order: no order is lost, none is in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(2)
        self.now = NOW
        self.jobs: dict[Owner, int] = {}
        """How many shards each job has that was offered."""
        self.first_assigned: dict[Owner, datetime] = {}
        """When each of these was given for the first time."""

    @property
    def offered(self) -> list[Shard]:
        return [Shard(owner, number) for owner, shards in self.jobs.items() for number in range(shards)]

    def given_by_now(self) -> None:
        """Whatever a rule has just given began by now."""
        for space in SPACES:
            for shard in self.queue.of_namespace(space).assigned:
                self.first_assigned.setdefault(shard.owner, self.now)

    @rule(
        owner=OWNERS,
        expected=st.lists(st.sampled_from([SHORT, LONG]), min_size=1, max_size=3),
        retries=st.integers(0, 3),
        deadline=st.sampled_from([10.0, 600.0]),
        pause=st.sampled_from([0.0, 4.0]),
    )
    def offer(self, owner: Owner, expected: list[float], retries: int, deadline: float, pause: float) -> None:
        before = self.queue.assignments(owner)
        assignments = [Assignment(each, deadline, retries, self.now + timedelta(seconds=pause)) for each in expected]
        self.queue.enqueue(owner, assignments, self.now)
        self.given_by_now()
        after = self.queue.assignments(owner)
        assert list(map(id, after)) == list(map(id, before or assignments)), "all shards at once, and once"
        self.jobs.setdefault(owner, len(assignments))

    @rule(owner=OWNERS)
    def drop(self, owner: Owner) -> None:
        self.queue.drop(owner)
        self.jobs.pop(owner, None)
        self.first_assigned.pop(owner, None)
        assert self.queue.assignments(owner) == []
        namespace_queue = self.queue.of_namespace(owner.namespace)
        left = [
            *namespace_queue.waiting,
            *namespace_queue.assigned,
            *namespace_queue.finished,
            *self.queue._shards_by_pod.values(),
        ]
        assert owner not in {shard.owner for shard in left} | set(namespace_queue.jobs)

    @rule(pod=PODS)
    def take(self, pod: Pod) -> None:
        waited = dict(self.queue.of_namespace(pod.namespace).waiting)
        had = self.queue.shard_of(pod.uid)
        shard = self.queue.take(pod, self.now)
        self.given_by_now()
        assert self.queue.shard_of(pod.uid) == shard
        if shard is not None:
            assert shard in waited or shard == had
            assert shard.owner.namespace == pod.namespace
            assert found(self.queue, shard).not_before <= self.now

    @rule(pod=PODS, uid=st.sampled_from("abc"), number=NUMBERS)
    def record_heartbeat(self, pod: Pod, uid: str, number: int) -> None:
        shard = Shard(Owner(pod.namespace, uid), number)
        before = self.queue.assignment(shard)
        carrier = before.pod if before else None
        self.queue.record_heartbeat(pod, shard, self.now)
        self.given_by_now()
        if carrier is not None:
            assert found(self.queue, shard).pod == carrier

    @rule(pod=PODS, data=st.data())
    def hear_of_what_waits(self, pod: Pod, data: st.DataObject) -> None:
        waiting = self.queue.of_namespace(pod.namespace).waiting
        if waiting:
            shard = data.draw(st.sampled_from(list(waiting)))
            self.queue.record_heartbeat(pod, shard, self.now)
            self.given_by_now()
            assert found(self.queue, shard).pod == pod

    @rule(pod=PODS)
    def release(self, pod: Pod) -> None:
        had = self.queue.shard_of(pod.uid)
        assert self.queue.release(pod) == had
        assert self.queue.shard_of(pod.uid) is None
        if had is not None:
            assert where(self.queue, had) == "waiting"

    @rule(owner=OWNERS, number=NUMBERS)
    def end(self, owner: Owner, number: int) -> None:
        shard = Shard(owner, number)
        others = {each: where(self.queue, each) for each in self.offered if each != shard}
        assert self.queue.end(shard) == (shard in self.offered)
        if shard in self.offered:
            assert (where(self.queue, shard), found(self.queue, shard).ended) == ("finished", True)
        assert {each: where(self.queue, each) for each in others} == others, "one shard's end is no other's"

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), final=st.booleans())
    def fail(self, data: st.DataObject, final: bool) -> None:
        shard = data.draw(st.sampled_from(sorted(self.offered)))
        if where(self.queue, shard) == "finished":
            return
        before = {each: replace(found(self.queue, each)) for each in self.offered if each != shard}
        self.queue.fail(shard, WHY, self.now, final=final)
        assignment = found(self.queue, shard)
        assert where(self.queue, shard) == (
            "finished" if final or assignment.attempts > assignment.retries else "waiting"
        )
        assert {each: found(self.queue, each) for each in before} == before, "each shard has attempts of its own"

    @rule(seconds=st.sampled_from([0.5, 3.0, 9.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def expire(self) -> None:
        late = self.queue.expire(self.now)
        assert len(late) == len(set(late))
        assert set(late) <= set(self.jobs)
        for owner in late:
            shards = [shard for shard in self.offered if shard.owner == owner]
            assert {where(self.queue, shard) for shard in shards} & {"waiting", "finished"}
        for shard in self.offered:
            assignment = found(self.queue, shard)
            if where(self.queue, shard) != "finished":
                assert not assignment.is_over(self.now)
                assert not is_silent(assignment.last_heartbeat, self.now)

    @rule(space=st.sampled_from(SPACES), obstacle=OBSTACLES, max_workers=st.sampled_from([None, 1, 2]))
    def set_obstacle(self, space: str, obstacle: WorkerState | None, max_workers: int | None) -> None:
        news = self.queue.set_obstacle(space, obstacle, max_workers, self.now)
        assert len(news) == len(set(news))
        assert set(news) <= {shard.owner for shard in self.queue.of_namespace(space).waiting}
        assert self.queue.set_obstacle(space, obstacle, max_workers, self.now) == []

    @rule(keep=st.sets(st.sampled_from(SPACES)))
    def prune(self, keep: set[str]) -> None:
        self.queue.prune(keep)

    @invariant()
    def who_starves_waits(self) -> None:
        for space, another in (SPACES, SPACES[::-1]):
            if self.queue.others_need_worker(space, self.now):
                assert self.queue.of_namespace(another).waiting

    @invariant()
    def every_order_is_in_one_place(self) -> None:
        namespace_queues = [self.queue.of_namespace(space) for space in SPACES]
        placed = [
            shard
            for namespace_queue in namespace_queues
            for assignments in (namespace_queue.waiting, namespace_queue.assigned, namespace_queue.finished)
            for shard in assignments
        ]
        assert sorted(placed) == sorted(self.offered)
        assert all(
            shard.owner.namespace == space
            for space, namespace_queue in zip(SPACES, namespace_queues, strict=True)
            for shard in (*namespace_queue.waiting, *namespace_queue.assigned, *namespace_queue.finished)
        )

    @invariant()
    def a_job_s_turns_are_those_of_its_shards_in_their_order(self) -> None:
        known = {owner: shards for space in SPACES for owner, shards in self.queue.of_namespace(space).jobs.items()}
        assert known == {owner: [Shard(owner, n) for n in range(shards)] for owner, shards in self.jobs.items()}
        for owner, shards in known.items():
            assert list(map(id, self.queue.assignments(owner))) == [id(found(self.queue, shard)) for shard in shards]

    @invariant()
    def a_job_s_deadline_starts_once_for_all_its_shards(self) -> None:
        for owner in self.jobs:
            assert {assignment.first_assigned for assignment in self.queue.assignments(owner)} == {
                self.first_assigned.get(owner)
            }

    @invariant()
    def a_turn_says_where_it_is(self) -> None:
        for namespace_queue in map(self.queue.of_namespace, SPACES):
            for assignment in namespace_queue.waiting.values():
                assert (
                    assignment.pod,
                    assignment.assigned_at,
                    assignment.last_heartbeat,
                    assignment.ended,
                    assignment.failure,
                ) == (
                    None,
                    None,
                    None,
                    False,
                    None,
                )
            for assignment in namespace_queue.assigned.values():
                assert assignment.pod is not None
                assert assignment.assigned_at is not None
                assert assignment.first_assigned is not None
                assert assignment.last_heartbeat is not None
                assert assignment.first_assigned <= assignment.assigned_at <= assignment.last_heartbeat <= self.now
                assert (assignment.ended, assignment.failure) == (False, None)
            for assignment in namespace_queue.finished.values():
                assert assignment.pod is None
                assert assignment.ended or assignment.failure is not None

    @invariant()
    def a_worker_carries_what_is_given_to_it_and_nothing_else(self) -> None:
        given = {
            assignment.pod.uid: shard
            for namespace_queue in map(self.queue.of_namespace, SPACES)
            for shard, assignment in namespace_queue.assigned.items()
            if assignment.pod is not None
        }
        assert len(given) == sum(len(self.queue.of_namespace(space).assigned) for space in SPACES), (
            "one order for each worker"
        )
        assert self.queue._shards_by_pod == given

    @invariant()
    def demand_is_bounded(self) -> None:
        for space in SPACES:
            waiting = bool(self.queue.of_namespace(space).waiting)
            assert waiting == (space in self.queue.namespaces())
            assert int(waiting) <= self.queue.demand(space, self.now) <= self.queue.max_workers


LONG_TIER = settings.get_current_profile_name() == "long"
TestAnyOrder = AnyOrder.TestCase


TestAnyOrder.settings = settings(max_examples=100 if LONG_TIER else 30, stateful_step_count=40, deadline=None)

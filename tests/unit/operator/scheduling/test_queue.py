"""Whose turn it is: every method of the board, and all of them in any order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reasons import Reason
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.scheduling.assignment import (
    OVERTIME_SECONDS,
    PATIENCE,
    PATIENCE_SECONDS,
    SILENT_SECONDS,
    Assignment,
    Pod,
    is_silent,
)
from quantumjob_operator.scheduling.queue import FIRST_RETRY_SECONDS, YIELD_SECONDS, Queue
from support.jobs import only

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LANES = 4
SHORT, LONG = 0.03, 60.0
A, B, C = (only(Owner("team", name)) for name in "abc")
ONE, TWO = (Pod("team", f"qj-shared-{name}", f"pod-{name}") for name in ("one", "two"))
WHY = Failure(Reason.BACKOFF_LIMIT_EXCEEDED, "It died.")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def assignment(**changes: Any) -> Assignment:
    return Assignment(**({"expected": SHORT, "deadline": 600.0, "retries": 3, "not_before": NOW} | changes))


def queue(*shards: Shard, max_workers: int = LANES, **changes: Any) -> Queue:
    """These jobs wait."""
    made = Queue(max_workers)
    for shard in shards:
        made.enqueue(shard.owner, [assignment(**changes)], NOW)
    return made


def found(of: Queue, shard: Shard) -> Assignment:
    there = of.assignment(shard)
    assert there is not None
    return there


def where(of: Queue, shard: Shard) -> str:
    namespace_queue = of.of_namespace(shard.owner.namespace)
    (name,) = [name for name in ("waiting", "assigned", "finished") if shard in getattr(namespace_queue, name)]
    return name


def test_the_oldest_is_given_first_and_nobody_twice() -> None:
    made = queue(A, B)
    assert made.take(ONE, NOW) == A
    assert made.take(TWO, NOW) == B
    assert made.take(Pod("team", "three", "pod-three"), NOW) is None
    assert (made.shard_of(ONE.uid), made.shard_of(TWO.uid)) == (A, B)


def test_an_offer_is_told_to_whoever_waits_for_one() -> None:
    made = Queue(LANES)
    made.of_namespace("team").changed.clear()
    made.enqueue(A.owner, [assignment()], NOW)
    assert made.of_namespace("team").changed.is_set()


def test_a_second_offer_changes_nothing() -> None:
    made = queue(A)
    made.take(ONE, NOW)
    made.enqueue(A.owner, [assignment()], NOW)
    assert where(made, A) == "assigned"


def test_a_worker_gets_only_orders_of_its_namespace() -> None:
    made = queue(A)
    assert made.take(Pod("other", "qj-shared-x", "pod-x"), NOW) is None
    assert where(made, A) == "waiting"


def test_a_worker_that_asks_again_gets_what_it_had() -> None:
    made = queue(A, B)
    made.take(ONE, NOW)
    assert made.take(TWO, NOW) == B
    assert made.take(ONE, NOW) == A, "its own first: the answer with it may have been lost"
    assert (where(made, A), where(made, B)) == ("assigned", "assigned")


def test_a_worker_that_spoke_before_the_offer_has_the_order() -> None:
    """A restarted operator looks into the store first; meanwhile the worker has said what it carries out."""
    made = Queue(4)
    made.record_heartbeat(ONE, A, NOW)
    made.enqueue(A.owner, [assignment()], later(3))
    assert (made.take(TWO, later(3)), made.shard_of(ONE.uid)) == (None, A)


def test_what_a_worker_said_long_ago_is_forgotten() -> None:
    made = Queue(4)
    made.record_heartbeat(ONE, A, NOW)
    made.expire(later(SILENT_SECONDS + 1))
    made.enqueue(A.owner, [assignment()], later(SILENT_SECONDS + 1))
    assert made.take(TWO, later(SILENT_SECONDS + 1)) == A


def test_an_order_waits_for_its_time() -> None:
    made = queue(A, not_before=later(4))
    made.enqueue(B.owner, [assignment(not_before=later(2))], NOW)
    assert made.take(ONE, NOW) is None
    assert made.take(ONE, later(2)) == B
    assert made.take(TWO, later(4)) == A


def test_the_last_lane_is_not_for_the_long() -> None:
    made = queue(A, B, expected=LONG, max_workers=2)
    made.enqueue(C.owner, [assignment()], NOW)
    assert made.take(ONE, NOW) == A
    assert made.take(TWO, NOW) == C
    made.end(C)
    assert made.take(TWO, NOW) is None
    made.end(A)
    assert made.take(TWO, NOW) == B


def test_a_job_that_turns_out_long_counts_as_long() -> None:
    made = queue(A, max_workers=2)
    made.take(ONE, NOW)
    made.enqueue(B.owner, [assignment(expected=LONG)], NOW)
    assert made.take(TWO, later(5)) is None


def test_where_the_cluster_gives_fewer_workers_their_number_is_that_of_the_lanes() -> None:
    made = queue(A, B, expected=LONG)
    made.set_obstacle("team", None, 1, NOW)
    assert made.take(ONE, NOW) == A
    made.set_obstacle("team", None, 2, NOW)
    assert made.take(TWO, NOW) is None
    made.set_obstacle("team", None, None, NOW)
    assert made.take(TWO, NOW) == B


def test_what_is_laid_down_waits_again_and_that_is_told() -> None:
    made = queue(A)
    made.take(ONE, NOW)
    made.of_namespace("team").changed.clear()
    assert made.release(ONE) == A
    assert made.of_namespace("team").changed.is_set()
    assert (where(made, A), found(made, A).attempts) == ("waiting", 0)
    assert made.release(ONE) is None
    assert made.take(TWO, NOW) == A


def test_a_failed_attempt_is_followed_by_another_after_a_longer_and_longer_time() -> None:
    made, now, waits = queue(A), NOW, []
    for attempt in range(3):
        assert made.take(ONE, now) == A
        made.fail(A, WHY, now)
        assert (where(made, A), found(made, A).attempts, found(made, A).last_failure) == (
            "waiting",
            attempt + 1,
            "It died.",
        )
        assert made.take(TWO, now) is None
        waits.append((found(made, A).not_before - now).total_seconds())
        now = found(made, A).not_before
    assert waits == [FIRST_RETRY_SECONDS, 2 * FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS]


def test_attempts_are_bounded_by_the_backoff_limit() -> None:
    made = queue(A, retries=1)
    made.take(ONE, NOW)
    made.fail(A, WHY, NOW)
    made.take(ONE, later(60))
    made.fail(A, WHY, later(60))
    failure = found(made, A).failure
    assert where(made, A) == "finished"
    assert failure is not None
    assert failure.reason == Reason.BACKOFF_LIMIT_EXCEEDED
    assert "It died. No attempt is left (spec.backoffLimit)." in failure.message
    assert made.shard_of(ONE.uid) is None
    assert made.take(ONE, later(1000)) is None


def test_attempts_that_an_earlier_operator_has_counted_count() -> None:
    made = queue(A, retries=1, attempts=1)
    made.take(ONE, NOW)
    made.fail(A, WHY, NOW)
    assert where(made, A) == "finished"


def test_no_attempt_follows_where_it_would_fail_again() -> None:
    made = queue(A)
    made.take(ONE, NOW)
    made.fail(A, Failure(Reason.WORKER_FAILED, "Update it."), NOW, final=True)
    assert found(made, A).failure == Failure(Reason.WORKER_FAILED, "Update it.")


def test_a_silent_worker_loses_its_order_and_that_costs_no_attempt() -> None:
    made = queue(A)
    made.take(ONE, NOW)
    assert made.expire(later(SILENT_SECONDS)) == []
    assert made.expire(later(SILENT_SECONDS + 1)) == [A.owner]
    assert (where(made, A), found(made, A).attempts) == ("waiting", 0)


def test_a_sign_of_life_ends_the_silence() -> None:
    made = queue(A)
    made.take(ONE, NOW)
    made.record_heartbeat(ONE, A, later(SILENT_SECONDS))
    assert made.expire(later(SILENT_SECONDS + 1)) == []
    made.record_heartbeat(TWO, A, later(2 * SILENT_SECONDS))
    assert made.expire(later(2 * SILENT_SECONDS + 1)) == [A.owner], "another's word is none of its worker's"


def test_the_deadline_counts_from_the_first_turn_over_all_attempts() -> None:
    made = queue(A, deadline=100.0)
    assert made.expire(later(10_000)) == [], "to wait costs nothing of it"
    made.take(ONE, NOW)
    made.release(ONE)
    assert made.expire(later(99)) == []
    assert made.expire(later(101)) == [A.owner]
    failure = found(made, A).failure
    assert failure is not None
    assert failure.reason == Reason.DEADLINE_EXCEEDED
    assert "activeDeadlineSeconds" in failure.message


def test_a_worker_may_end_by_itself_at_the_deadline() -> None:
    made = queue(A, deadline=100.0)
    made.take(ONE, NOW)
    for second in range(0, 110, 2):
        made.record_heartbeat(ONE, A, later(second))
    assert made.expire(later(100 + OVERTIME_SECONDS)) == []
    assert made.expire(later(101 + OVERTIME_SECONDS)) == [A.owner]
    assert (where(made, A), made.shard_of(ONE.uid)) == ("finished", None)


def test_a_silent_worker_s_order_beyond_its_deadline_is_given_to_nobody() -> None:
    made = queue(A, deadline=10.0)
    made.take(ONE, NOW)
    assert made.expire(later(12)) == [A.owner]
    assert (where(made, A), made.take(TWO, later(12))) == ("finished", None)


def test_what_is_over_is_told_once() -> None:
    made = queue(A, deadline=100.0)
    made.take(ONE, NOW)
    assert made.expire(later(1000)) == [A.owner]
    assert made.expire(later(1001)) == []


def test_after_a_restart_a_worker_is_heard_before_its_order_is_given_again() -> None:
    """A new board: the job is offered, not before a pause; its worker says that it has it, or has ended it."""
    made = queue(A, B, not_before=later(4))
    made.record_heartbeat(ONE, A, later(2))
    assert (where(made, A), made.shard_of(ONE.uid), found(made, A).pod) == ("assigned", A, ONE)
    assert made.end(B)
    assert made.take(TWO, later(4)) is None


def test_a_worker_that_nobody_has_offered_to_is_heard_later() -> None:
    made = Queue(LANES)
    made.record_heartbeat(ONE, A, NOW)
    assert made.assignment(A) is None
    assert not made.end(A)
    made.enqueue(A.owner, [assignment()], NOW)
    made.record_heartbeat(ONE, A, NOW)
    assert where(made, A) == "assigned"


def test_a_worker_that_speaks_of_another_order_has_no_longer_the_one_before() -> None:
    """A late sign of life of an order that failed meanwhile must not make the worker's next order nobody's."""
    made = queue(A, B)
    made.take(ONE, NOW)
    made.fail(A, WHY, NOW)
    assert made.take(ONE, NOW) == B
    made.record_heartbeat(ONE, A, NOW)
    assert (where(made, A), made.shard_of(ONE.uid)) == ("assigned", A)
    assert where(made, B) == "waiting"
    assert made.take(TWO, NOW) == B


def test_a_worker_s_word_does_not_take_an_order_from_another() -> None:
    made = queue(A)
    made.take(ONE, NOW)
    made.record_heartbeat(TWO, A, NOW)
    assert (found(made, A).pod, made.shard_of(TWO.uid)) == (ONE, None)


def test_the_end_is_believed_of_whoever_says_it() -> None:
    """A worker that was held for lost may have stored the last segment: the store decides, not who carries it."""
    made = queue(A)
    made.take(ONE, NOW)
    made.release(ONE)
    made.take(TWO, NOW)
    assert made.end(A)
    assert (where(made, A), found(made, A).ended, made.shard_of(TWO.uid)) == ("finished", True, None)


def test_a_dropped_order_leaves_nothing() -> None:
    made = queue(A)
    made.take(ONE, NOW)
    made.drop(A.owner)
    made.drop(A.owner)
    assert (made.assignment(A), made.shard_of(ONE.uid), made.release(ONE)) == (None, None, None)
    made.enqueue(A.owner, [assignment()], NOW)
    assert where(made, A) == "waiting"


def test_demand_counts_those_that_wait_and_the_long_that_run() -> None:
    made = queue(A, expected=LONG)
    assert made.demand("team", NOW) == 1
    made.take(ONE, NOW)
    assert made.demand("team", NOW) == 1
    made.enqueue(B.owner, [assignment()], NOW)
    assert made.demand("team", NOW) == 2
    assert made.demand("other", NOW) == 0


def test_an_obstacle_is_news_once_to_those_that_wait() -> None:
    made = queue(A, B)
    made.take(ONE, NOW)
    refused = WorkerState("waiting", Reason.POD_REFUSED, "exceeded quota")
    assert made.set_obstacle("team", refused, 1, NOW) == [B.owner]
    assert made.set_obstacle("team", refused, 1, NOW) == []
    assert made.set_obstacle("team", None, None, NOW) == [B.owner]


def test_an_obstacle_whose_words_change_is_news_once() -> None:
    """A scheduler names other nodes each time. Another reason is news."""
    made = queue(A)
    told = [
        made.set_obstacle("team", WorkerState("waiting", Reason.UNSCHEDULABLE, f"0/{n} nodes"), 1, NOW)
        for n in range(1, 4)
    ]
    assert told == [[A.owner], [], []]
    assert made.set_obstacle("team", WorkerState("waiting", Reason.POD_REFUSED, "0/3 nodes"), 1, NOW) == [A.owner]


def test_with_one_lane_a_long_order_that_has_waited_is_given() -> None:
    made = queue(A, max_workers=1, expected=LONG)
    others = [only(Owner("team", f"short-{number}")) for number in range(3)]
    for shard in others:
        made.enqueue(shard.owner, [assignment()], NOW)
    patience = PATIENCE * LONG
    assert made.take(ONE, NOW) == others[0], "the short first"
    made.end(others[0])
    assert made.take(ONE, later(patience)) == others[1]
    made.end(others[1])
    assert made.take(ONE, later(patience + 1)) == A, "however many short ones wait"
    assert where(made, others[2]) == "waiting"


def test_patience_is_at_least_a_minute_and_of_one_lane_only() -> None:
    brief = assignment(expected=4.0)
    assert brief.weight(later(PATIENCE_SECONDS), 1) == 4.0
    assert brief.weight(later(PATIENCE_SECONDS + 1), 1) == 0.0
    assert brief.weight(later(10_000), 2) == 4.0, "another lane is kept for the short"


def test_only_namespaces_in_which_somebody_waits_are_looked_at() -> None:
    made = queue(A)
    assert made.namespaces() == ["team"]
    made.take(ONE, NOW)
    assert made.namespaces() == []


NO_NODE = WorkerState("waiting", Reason.UNSCHEDULABLE, "No node fits the worker: 0/1.")


def test_a_namespace_without_a_node_for_its_first_worker_starves_and_the_others_know() -> None:
    made = queue(A, only(Owner("other", "a")))
    made.set_obstacle("team", NO_NODE, 1, NOW)
    assert made.others_need_room("other", NOW)
    assert not made.others_need_room("team", NOW), "it is itself"
    made.set_obstacle("team", None, None, NOW)
    assert not made.others_need_room("other", NOW)


def test_the_others_make_room_for_a_while_only() -> None:
    """What no room helps, such as a node selector that fits no node, must not hold the others down for ever."""
    made = Queue(4)
    made.enqueue(A.owner, [assignment()], NOW)
    for seconds in (0, YIELD_SECONDS + 1):
        made.set_obstacle("team", NO_NODE, 1, NOW + timedelta(seconds=seconds))
    assert made.others_need_room("other", NOW + timedelta(seconds=YIELD_SECONDS - 1))
    assert not made.others_need_room("other", NOW + timedelta(seconds=YIELD_SECONDS + 1))


def test_another_obstacle_is_nothing_that_others_could_make_room_for() -> None:
    made = queue(A)
    made.set_obstacle("team", WorkerState("waiting", Reason.POD_REFUSED, "exceeded quota"), 1, NOW)
    assert not made.others_need_room("other", NOW)


def test_where_nobody_waits_any_more_nobody_starves() -> None:
    """Its worker may never find a node: the other namespaces must not do with one worker for ever."""
    made = queue(A)
    made.set_obstacle("team", NO_NODE, 1, NOW)
    made.drop(A.owner)
    assert not made.others_need_room("other", NOW)
    made.enqueue(A.owner, [assignment()], NOW)
    assert made.others_need_room("other", NOW)


def test_a_namespace_that_has_nothing_is_forgotten() -> None:
    made = queue(A, only(Owner("other", "a")))
    made.set_obstacle("team", NO_NODE, 1, NOW)
    made.prune(keep=set())
    assert sorted(made.namespaces()) == ["other", "team"]
    namespace_queue = made.of_namespace("team")
    made.drop(A.owner)
    made.prune(keep={"team"})
    assert made.of_namespace("team") is namespace_queue, "a worker may wait at it for an order"
    made.prune(keep=set())
    assert made.of_namespace("team") is not namespace_queue
    assert not made.others_need_room("other", NOW)


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
            if self.queue.others_need_room(space, self.now):
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


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

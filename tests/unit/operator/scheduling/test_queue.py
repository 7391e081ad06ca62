"""Whose turn it is: every method of the board, and all of them in any order."""

from __future__ import annotations

from datetime import timedelta

from quantumjob_contract.keys import Owner
from quantumjob_contract.reasons import Reason
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.scheduling.assignment import (
    OVERTIME_SECONDS,
    PATIENCE,
    PATIENCE_SECONDS,
    SILENT_SECONDS,
    Pod,
)
from quantumjob_operator.scheduling.queue import FIRST_RETRY_SECONDS, YIELD_SECONDS, Queue
from support.assignments import LANES, LONG, NOW, ONE, TWO, WHY, A, B, C, assignment, found, later, queue, where
from support.jobs import only


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
    assert made.others_need_worker("other", NOW)
    assert not made.others_need_worker("team", NOW), "it is itself"
    made.set_obstacle("team", None, None, NOW)
    assert not made.others_need_worker("other", NOW)


def test_the_others_make_room_for_a_while_only() -> None:
    """What no room helps, such as a node selector that fits no node, must not hold the others down for ever."""
    made = Queue(4)
    made.enqueue(A.owner, [assignment()], NOW)
    for seconds in (0, YIELD_SECONDS + 1):
        made.set_obstacle("team", NO_NODE, 1, NOW + timedelta(seconds=seconds))
    assert made.others_need_worker("other", NOW + timedelta(seconds=YIELD_SECONDS - 1))
    assert not made.others_need_worker("other", NOW + timedelta(seconds=YIELD_SECONDS + 1))


def test_another_obstacle_is_nothing_that_others_could_make_room_for() -> None:
    made = queue(A)
    made.set_obstacle("team", WorkerState("waiting", Reason.POD_REFUSED, "exceeded quota"), 1, NOW)
    assert not made.others_need_worker("other", NOW)


def test_where_nobody_waits_any_more_nobody_starves() -> None:
    """Its worker may never find a node: the other namespaces must not do with one worker for ever."""
    made = queue(A)
    made.set_obstacle("team", NO_NODE, 1, NOW)
    made.drop(A.owner)
    assert not made.others_need_worker("other", NOW)
    made.enqueue(A.owner, [assignment()], NOW)
    assert made.others_need_worker("other", NOW)


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
    assert not made.others_need_worker("other", NOW)

"""Tests of the watcher, and of creating and waiting with a fake API server that completes everything at once."""

import pytest
from bench_fakes import FakeApi, condition, line
from benchmarks.measure.bench import timings
from benchmarks.namespaces import BELL, BenchNamespace, Cluster
from benchmarks.watcher import JobUnsuccessful, Key, Watcher, WatchState

from quantumjob_operator.kubernetes.client import JOBS, QUANTUMJOBS

A = Key("n", "a")
SECONDS = 30.0


def watcher(api: FakeApi) -> Watcher:
    return Watcher(api, QUANTUMJOBS)  # type: ignore[arg-type]


def namespace(api: FakeApi) -> BenchNamespace:
    cluster = Cluster(api, "run", watcher(api), Watcher(FakeApi(), JOBS))  # type: ignore[arg-type]
    return BenchNamespace(cluster, "run-0")


def test_the_first_sight_of_complete_counts() -> None:
    state = WatchState("5")
    assert not state.apply(line(), 1.0)
    assert state.apply(line(conditions=[condition("Ready"), condition("Complete")]), 2.0)
    assert not state.apply(line(conditions=[condition("Complete")]), 3.0)
    assert (state.first_seen[A], state.completed[A].seconds, state.version) == (1.0, 2.0, "7")


def test_of_an_object_what_the_figures_need_is_kept() -> None:
    state = WatchState("5")
    results = {"key": "k", "sha256": "f", "bytes": 9, "pubs": [{"name": "bell"}]}
    state.apply(line(conditions=[condition("Complete")], times={"accepted": "t"}, results=results, seed=1), 2.0)
    item = state.completed[A].item
    assert item.metadata.uid == "uid-a"
    assert item.status.times == {"accepted": "t"}
    assert item.status.results is not None
    assert (item.status.results.key, item.status.results.sha256) == ("k", "f")


def test_a_condition_that_is_false_is_no_end() -> None:
    state = WatchState("5")
    assert not state.apply(line(conditions=[condition("Complete", "False"), condition("Failed", "False")]), 2.0)
    assert not state.completed
    assert not state.failed


def test_a_failure_is_told_with_its_message() -> None:
    state = WatchState("5")
    assert state.apply(line(conditions=[condition("Failed")]), 2.0)
    assert state.failed == {A: "Job a failed: Why: because"}
    assert not state.completed


def test_bookmarks_and_deletions_only_move_the_version_on() -> None:
    state = WatchState("5")
    bookmark = b'{"type":"BOOKMARK","object":{"kind":"QuantumJob","metadata":{"resourceVersion":"9"}}}'
    assert not state.apply(bookmark, 1.0)
    assert state.version == "9"
    assert not state.apply(line("DELETED", conditions=[condition("Complete")]), 1.0)
    assert not state.first_seen


def test_a_broken_watch_is_an_error() -> None:
    expired = b'{"type":"ERROR","object":{"kind":"Status","status":"Failure","message":"too old"}}'
    with pytest.raises(RuntimeError, match="too old"):
        WatchState("5").apply(expired, 1.0)


def test_many_are_created_and_waited_for() -> None:
    api = FakeApi()
    wanted = [f"job-{index}" for index in range(40)]
    made = namespace(api)
    created = made.create_all(BELL, wanted)
    found = timings(created, made.wait_complete(BELL, wanted))
    assert sorted(api.created) == sorted(wanted)
    assert all(each.seconds >= 0 for each in found)
    assert [each.created for each in found] == sorted(created.values())
    assert made.cluster.changed_jobs() == (40, 0)


def test_jobs_in_other_namespaces_are_those_of_others() -> None:
    api = FakeApi()
    made = namespace(api)
    api.request("POST", QUANTUMJOBS.path("elsewhere"), {"metadata": {"name": "theirs"}})
    made.create(BELL, "ours")
    made.wait_complete(BELL, ["ours"])
    assert made.cluster.changed_jobs() == (1, 1)


def test_a_watch_goes_on_where_it_ended() -> None:
    api = FakeApi()
    made = namespace(api)
    made.create(BELL, "one")
    made.wait_complete(BELL, ["one"])
    api.cut()
    made.create(BELL, "two")
    made.wait_complete(BELL, ["two"])
    assert [query["resourceVersion"] for query in api.watches] == ["5", "7"]


def test_waiting_ends_with_a_failure() -> None:
    made = namespace(FakeApi("Failed"))
    made.create(BELL, "one")
    with pytest.raises(JobUnsuccessful, match="one failed"):
        made.wait_complete(BELL, ["one"])


def test_waiting_may_end_early() -> None:
    api = FakeApi()
    found = watcher(api)
    api.request("POST", QUANTUMJOBS.path("n"), {"metadata": {"name": "a"}})
    assert found.wait_for_some([A, Key("n", "never")], 1, SECONDS) == {Key("n", "never")}


def test_what_is_late_is_named() -> None:
    with pytest.raises(TimeoutError, match=r"1 of 1 .*n/a"):
        watcher(FakeApi()).wait([A], 0)

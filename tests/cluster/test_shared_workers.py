"""Workers that the QuantumJobs of a namespace share: whatever one of them does, its neighbours are as if alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import jwt
import node_faults
import pytest
from conftest import (
    BELL,
    ENDLESS,
    LINGER_SECONDS,
    LONG,
    SHARED,
    Namespace,
    make_namespace,
    one_way,
    pub,
    reconcile,
    scale,
)
from order_requests import ask, bound_token, mounted_token, plain_pod

import cluster
from quantumjob_contract import keys, names, transfer
from quantumjob_contract.schema.orders import PATH_ORDERS, alive_path, urls_path
from quantumjob_contract.store import Store

JSON = dict[str, Any]

pytestmark = [pytest.mark.usefixtures("way"), one_way("shared")]

CANCEL_SECONDS = 15
REFUSED_SECONDS = 30
HEALED_SECONDS = 35
ONES = BELL.replace("h q[0];\ncx q[0], q[1];", "x q;")
SHOTS = 7
RIGHT = f"c 11:{SHOTS}"
HUNGRY = (
    f'OPENQASM 2.0;include "qelib1.inc";gate g a,b {{{"u3(0.1,0.2,0.3) a;cx a,b;" * 500}}}'
    f"qreg q[2];creg c[2];{'g q[0],q[1];' * 1500}measure q->c;"
)
"""A million and a half gates in 30 KiB, for which a pub's memory does not last."""
CRASH = """
import os, pathlib, signal
def parent(p): return p.joinpath('stat').read_text().rpartition(')')[2].split()[1]
ours = {p.name: p for p in pathlib.Path('/proc').glob('[0-9]*') if b'quantumjob_worker' in (p/'cmdline').read_bytes()}
children = [name for name, p in ours.items() if parent(p) in ours and parent(p) != '1']
for name in children:
    os.kill(int(name), signal.SIGSEGV)
print(len(children))
"""
"""Sends what a defect of the simulator would send to the process that runs a pub, a grandchild of the first."""
EAT = """
import os
fd = os.memfd_create('eaten')
while True:
    os.write(fd, bytes(1 << 20))
"""
"""Takes the memory of the container, not of this process: the kernel finds larger ones to kill, at last the first."""


def right(namespace: Namespace, name: str, seconds: float = 120) -> JSON:
    """The job of one pub of ONES, ended well and read from the completed bucket."""
    job = namespace.finished(name, seconds)
    assert job["status"]["phase"] == "Succeeded", job["status"]
    (result,) = namespace.results(job).pubs()
    assert result.data is not None
    assert result.data["c"].counts == {"11": SHOTS}
    assert job["status"]["results"]["pubs"][0]["summary"] == RIGHT
    return job


def small(namespace: Namespace, *names_: str) -> None:
    """Apply jobs that take no time, all at once."""
    items = [
        {
            "apiVersion": "quantumjobs.io/v1alpha1",
            "kind": "QuantumJob",
            "metadata": {"name": name},
            "spec": {"program": {"pubs": [pub("a", ONES)], "shots": SHOTS}},
        }
        for name in names_
    ]
    cluster.apply({"apiVersion": "v1", "kind": "List", "items": items}, namespace.name)


def first_segment(namespace: Namespace, name: str) -> None:
    """Wait until something of the running job is stored."""
    job = namespace.get(name)
    first = keys.segment(keys.Shard(namespace.owner(job), 0), keys.segment_name(0))
    cluster.eventually("a segment is stored", lambda: first in namespace.segments(job))


def cancel(namespace: Namespace, name: str) -> None:
    patch = json.dumps({"spec": {"cancel": True}})
    cluster.kubectl("patch", "qj", name, "-n", namespace.name, "--type=merge", "-p", patch)


def cancelled(namespace: Namespace, name: str) -> JSON:
    def probe() -> JSON | None:
        job = namespace.get(name)
        return job if job.get("status", {}).get("phase") == "Cancelled" else None

    return cluster.eventually(f"{name} is Cancelled", probe, CANCEL_SECONDS)


def quota(namespace: Namespace, kind: str, number: int) -> None:
    """Allow so many objects of this kind, and wait until that counts."""
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {kind: str(number)}},
    }
    cluster.apply(body, namespace.name)

    def counts() -> bool:
        found = cluster.get("quota", "few", namespace.name) or {}
        return bool(found.get("status", {}).get("hard") == {kind: str(number)})

    cluster.eventually("the quota counts", counts)


def reason(namespace: Namespace, name: str) -> str:
    found: str = cluster.condition(namespace.get(name), "Reconciling").get("reason", "")
    return found


def same(before: JSON, namespace: Namespace) -> bool:
    """Whether the pod of that time is still there, running, and has never been started anew."""
    now = cluster.get("pod", before["metadata"]["name"], namespace.name)
    return (
        now is not None
        and now["metadata"]["uid"] == before["metadata"]["uid"]
        and now["status"]["phase"] == "Running"
        and now["status"]["containerStatuses"][0]["restartCount"] == 0
    )


@pytest.fixture
def alone(namespace: Namespace) -> Namespace:
    """A namespace that can have one worker, which all its jobs share."""
    quota(namespace, "count/jobs.batch", 1)
    return namespace


def test_one_after_another_at_one_worker(namespace: Namespace) -> None:
    for number in range(20):
        small(namespace, f"bell-{number}")
        right(namespace, f"bell-{number}")
    assert len(cluster.items("jobs", namespace.name)) == 1
    cluster.eventually(
        "the worker is gone",
        lambda: not [pod for pod in namespace.workers() if pod["status"]["phase"] == "Running"],
        LINGER_SECONDS + 30,
    )
    jobs = cluster.items("jobs", namespace.name)
    assert [job["status"].get("failed", 0) for job in jobs] in ([0], []), "it ended well"


def test_who_wants_something_of_its_own_gets_it(namespace: Namespace) -> None:
    namespace.apply("told", pub("a"), dedicated=True)
    namespace.apply("larger", pub("a"), resources={"limits": {"memory": "1100Mi"}})
    body = namespace.apply("neighbour", pub("a"))
    queued = body | {"metadata": {"name": "queued", "labels": {names.LABEL_QUEUE: "team", "other": "label"}}}
    cluster.apply(queued, namespace.name)
    for name in ("told", "larger", "queued"):
        job = namespace.finished(name)
        assert job["status"]["phase"] == "Succeeded"
        uid = job["metadata"]["uid"]
        own = cluster.get("job", f"qj-{uid}", namespace.name)
        assert own is not None
        assert job["status"]["job"] == f"qj-{uid}"
        assert own["metadata"]["labels"] == {
            names.LABEL_WORKER: names.DEDICATED,
            names.LABEL_UID: uid,
            names.LABEL_NAME: name,
        } | ({names.LABEL_QUEUE: "team"} if name == "queued" else {})
        (pod,) = namespace.pods(job)
        assert pod["metadata"]["labels"][names.LABEL_UID] == uid
    namespace.finished("neighbour")
    assert "job" not in namespace.get("neighbour")["status"]
    assert len(cluster.items("jobs", namespace.name, SHARED)) == 1


def test_a_long_one_holds_up_no_small_ones(namespace: Namespace) -> None:
    namespace.apply("long", pub("a", ENDLESS))
    namespace.running("long")
    many = [f"small-{number}" for number in range(10)]
    small(namespace, *many)
    for name in many:
        right(namespace, name)
    assert namespace.get("long")["status"]["phase"] == "Running"


def test_cancelled_while_it_runs(alone: Namespace) -> None:
    """Others wait for the only worker, and are next there."""
    alone.apply("long", pub("done"), pub("a", ENDLESS))
    worker = alone.running("long")
    first_segment(alone, "long")
    small(alone, "next-0", "next-1")
    cancel(alone, "long")
    job = cancelled(alone, "long")
    assert [result.error is None for result in alone.results(job).pubs()] == [True], "what was done is kept"
    for name in ("next-0", "next-1"):
        assert alone.runs(right(alone, name)) == [worker["metadata"]["name"]]
    assert same(worker, alone)


def test_cancelled_while_it_waits(alone: Namespace) -> None:
    alone.apply("long", pub("a", ENDLESS))
    worker = alone.running("long")
    small(alone, "waiting", "next")
    cancel(alone, "waiting")
    cancelled(alone, "waiting")
    cancel(alone, "long")
    assert alone.runs(right(alone, "next")) == [worker["metadata"]["name"]]
    assert alone.runs(alone.get("waiting")) == []
    assert same(worker, alone)


def test_cancelled_where_the_worker_is_its_own(namespace: Namespace) -> None:
    namespace.apply("own", pub("a", ENDLESS), dedicated=True)
    namespace.running("own")
    cancel(namespace, "own")
    job = cancelled(namespace, "own")
    cluster.eventually("its Job and pod are gone", lambda: not namespace.pods(job), 30)
    assert cluster.items("jobs", namespace.name) == []


def test_cancelled_after_its_end(namespace: Namespace) -> None:
    """Refused: nobody would observe that generation any more, and the job would look as if it were under way."""
    small(namespace, "done")
    before = right(namespace, "done")
    with pytest.raises(RuntimeError, match="the job has ended"):
        cancel(namespace, "done")
    small(namespace, "after")
    right(namespace, "after")
    after = namespace.get("done")
    assert (after["status"], after["metadata"]["generation"]) == (before["status"], 1)


def hungry() -> JSON:
    return {"name": "bad", "circuit": {"format": "OpenQASM2", "inline": HUNGRY}}


def crash(namespace: Namespace, pod: str) -> None:
    """A running pub's process gets a SIGSEGV."""

    def probe() -> bool:
        said = cluster.kubectl("exec", "-n", namespace.name, pod, "--", "python3", "-c", CRASH, check=False)
        return said.strip() == "1"

    cluster.eventually("a child runs, and crashes", probe)


BAD: dict[str, tuple[JSON, Callable[[Namespace, str], None] | None, int]] = {
    "MemoryLimit": (hungry(), None, 300),
    "Crashed": (pub("bad", ENDLESS), crash, 300),
    "DeadlineExceeded": (pub("bad", ENDLESS), None, 12),
}


@pytest.mark.parametrize("expected", list(BAD))
def test_a_bad_one_harms_no_neighbour(alone: Namespace, expected: str) -> None:
    """One worker: some have their turn before it, some after."""
    bad, deed, deadline = BAD[expected]
    small(alone, "before-0", "before-1")
    right(alone, "before-0")
    alone.apply("bad", pub("good", ONES), bad, program={"shots": SHOTS}, activeDeadlineSeconds=deadline)
    worker = alone.running("bad")
    small(alone, "after-0", "after-1")
    if deed:
        deed(alone, worker["metadata"]["name"])
    job = alone.finished("bad")
    assert (job["status"]["phase"], job["status"]["progress"]) == ("PartlyFailed", "1/2")
    results = {result.name: result for result in alone.results(job).pubs()}
    assert results["good"].data is not None
    assert results["bad"].error is not None
    assert results["bad"].error.reason == expected
    for name in ("before-0", "before-1", "after-0", "after-1"):
        assert alone.runs(right(alone, name)) == [worker["metadata"]["name"]]
    assert "attempts" not in job["status"]
    assert same(worker, alone)


def eat(namespace: Namespace, pod: JSON) -> None:
    """The container has no memory left: the kernel kills one process in it after the other, largest first."""
    cluster.kubectl("exec", "-n", namespace.name, pod["metadata"]["name"], "--", "python3", "-c", EAT, check=False)


def kill(namespace: Namespace, pod: JSON) -> None:
    assert node_faults.kill(pod)


KILLS = {"OOMKilled": (eat, {"MemoryLimit"}), "Error": (kill, set())}


@node_faults.local_only
@pytest.mark.parametrize("how", list(KILLS))
def test_a_killed_worker_is_the_fault_of_the_one_that_it_had(namespace: Namespace, how: str) -> None:
    """Of a container that has no memory left, the process of the running pub goes first, and has that as its error."""
    deed, errors = KILLS[how]
    namespace.apply("had", pub("done", ONES), *(pub(f"p{number}", LONG) for number in range(3)))
    worker = namespace.running("had")
    small(namespace, "other-0", "other-1")
    deed(namespace, worker)

    def told() -> bool:
        return reason(namespace, "had") == "Retrying"

    cluster.eventually("Retrying is told", told, 30)
    assert namespace.get("had")["status"]["attempts"] == 1

    def end() -> JSON | None:
        pod = cluster.get("pod", worker["metadata"]["name"], namespace.name) or {}
        found: JSON | None = pod["status"]["containerStatuses"][0]["state"].get("terminated")
        return found

    assert cluster.eventually("its end is seen", end)["reason"] == how
    done = namespace.finished("had")
    assert done["status"]["attempts"] == 1
    assert done["status"]["worker"] != worker["metadata"]["name"]
    results = list(namespace.results(done).pubs())
    assert len(results) == 4
    assert {result.error.reason for result in results if result.error} <= errors
    for name in ("other-0", "other-1"):
        assert "attempts" not in right(namespace, name)["status"]


@pytest.mark.parametrize("kind", ["count/jobs.batch", "pods"])
def test_a_quota_of_one_is_one_worker(namespace: Namespace, kind: str) -> None:
    quota(namespace, kind, 1)
    many = [f"job-{number}" for number in range(8)]
    for name in many:  # together they are worth more than one worker
        namespace.apply(name, *(pub(f"p{number}", ONES) for number in range(30)), program={"shots": SHOTS})
    for name in many:
        job = namespace.finished(name)
        assert (job["status"]["phase"], job["status"]["progress"]) == ("Succeeded", "30/30")
        assert all(result.data for result in namespace.results(job).pubs())
    assert len({pod for name in many for pod in namespace.runs(namespace.get(name))}) == 1


def operator_log(since: str) -> list[JSON]:
    text = cluster.kubectl("logs", "-n", cluster.SYSTEM, "deployment/quantumjob-operator", f"--since-time={since}")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def tries(namespace: Namespace, since: str) -> int:
    """How often the operator has tried to create a Job in the namespace, by its log."""
    words = {"No worker could be started", "A shared worker is started"}
    return sum(line["message"] in words and line.get("namespace") == namespace.name for line in operator_log(since))


@pytest.mark.parametrize("kind", ["count/jobs.batch", "pods"])
def test_a_quota_of_none_is_told_and_healed(namespace: Namespace, kind: str) -> None:
    since = datetime.now(UTC).isoformat()
    began = time.monotonic()
    quota(namespace, kind, 0)
    small(namespace, "waiting-0", "waiting-1")
    for name in ("waiting-0", "waiting-1"):
        cluster.eventually("the refusal is told", lambda: reason(namespace, name) == "PodRefused", REFUSED_SECONDS)  # noqa: B023
    versions = {name: namespace.get(name)["metadata"]["resourceVersion"] for name in ("waiting-0", "waiting-1")}
    cluster.eventually("twenty seconds are over", lambda: time.monotonic() - began > 20, 30)
    assert 1 <= tries(namespace, since) <= 10, "each try is later than the one before"
    assert versions == {name: namespace.get(name)["metadata"]["resourceVersion"] for name in versions}, "told once"
    quota(namespace, kind, 10)
    for name in ("waiting-0", "waiting-1"):
        right(namespace, name, HEALED_SECONDS + 10)
    assert len(cluster.items("jobs", namespace.name)) == 1


def test_deleted_while_it_runs(alone: Namespace) -> None:
    """The worker goes on to the next one."""
    alone.apply("going", pub("done"), pub("a", ENDLESS))
    job = alone.get("going")
    worker = alone.running("going")
    first_segment(alone, "going")
    small(alone, "next")
    cluster.kubectl("delete", "qj", "going", "-n", alone.name, "--timeout=10s")
    assert alone.runs(right(alone, "next", 20)) == [worker["metadata"]["name"]]
    assert same(worker, alone)
    assert alone.segments(job), "the sweep waits for its grace"
    reconcile(QUANTUMJOB_SWEEP_GRACE_SECONDS="0")
    cluster.eventually("pending is swept", lambda: not alone.segments(job), 10)


def test_deleted_while_the_operator_is_down(alone: Namespace) -> None:
    """The worker learns it from the operator's return."""
    small(alone, "done")
    done = right(alone, "done")
    alone.apply("going", pub("a", ENDLESS))
    worker = alone.running("going")
    scale(0)
    try:
        cluster.kubectl("delete", "qj", "going", "-n", alone.name, "--timeout=10s")
        small(alone, "next")
    finally:
        scale(1)
    assert alone.runs(right(alone, "next")) == [worker["metadata"]["name"]]
    assert same(worker, alone)
    assert len(list(alone.results(done).pubs())) == 1, "finished results stay"


@pytest.fixture
def three(store: Store) -> Iterator[list[Namespace]]:
    made = [make_namespace(store) for _ in range(3)]
    yield made
    for each in made:
        cluster.kubectl("delete", "namespace", each.name, "--wait=false")


def test_many_of_one_namespace_hold_up_no_other(three: list[Namespace]) -> None:
    sizes = [100, 5, 5]
    threads = [
        threading.Thread(target=small, args=(namespace, *(f"job-{number}" for number in range(size))))
        for namespace, size in zip(three, sizes, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = [
        sorted(right(namespace, f"job-{number}")["status"]["times"]["stored"] for number in range(size))
        for namespace, size in zip(three, sizes, strict=True)
    ]
    assert sum(each < max(stored[1] + stored[2]) for each in stored[0]) < 20


def expired(token: str) -> str:
    """The same token as it would be after its time: signed by the cluster's key, since nobody waits for an hour."""
    claims = jwt.decode(token, options={"verify_signature": False})
    late = claims | {"iat": claims["iat"] - 7200, "nbf": claims["nbf"] - 7200, "exp": int(time.time()) - 60}
    header = {"kid": jwt.get_unverified_header(token)["kid"]}
    return jwt.encode(late, node_faults.service_account_key(), algorithm="RS256", headers=header)


def refusals() -> float:
    """How many requests the running operator has refused, by its metrics."""
    with cluster.forwarded("deployment/quantumjob-operator", 8080) as port:
        text = transfer.pool("").request("GET", f"http://localhost:{port}/metrics").data.decode()
    lines = [line for line in text.splitlines() if line.startswith("quantumjob_orders_refused_total")]
    assert lines, text[:2000]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@node_faults.local_only
def test_who_is_no_worker_of_the_job_gets_nothing(namespace: Namespace, other_namespace: Namespace) -> None:
    namespace.apply("ours", pub("a", ENDLESS))
    other_namespace.apply("theirs", pub("a", ENDLESS))
    worker = namespace.running("ours")["metadata"]["name"]
    other_namespace.running("theirs")
    ours, theirs = namespace.get("ours"), other_namespace.get("theirs")
    token = mounted_token(worker, namespace.name)
    no_worker = bound_token(plain_pod(namespace, {names.LABEL_WORKER: names.SHARED}), namespace.name)
    since = datetime.now(UTC).isoformat()
    urls_of_theirs = urls_path(theirs["metadata"]["uid"], 0)
    urls_of_ours = urls_path(ours["metadata"]["uid"], 0)
    with cluster.forwarded("service/quantumjob-operator", 8443) as port:
        assert ask(port, urls_of_ours, token, {"start": 3})[0] == 200, "the token is good"
        assert ask(port, urls_of_theirs, token, {"start": 0})[0] == 403
        told = ask(port, alive_path(theirs["metadata"]["uid"], 0), token, {"done": 0, "total": 1})
        assert told in ((403, {"status": 403}), (200, {"stop": True})), "as if there were no such job"
        for bad, status in ((None, 401), ("x.y.z", 401), (token[:-8] + "AAAAAAAA", 401), (expired(token), 401)):
            for path, body in ((urls_of_ours, {"start": 0}), (PATH_ORDERS, {})):
                assert ask(port, path, bad, body)[0] == status
        assert ask(port, urls_of_ours, no_worker, {"start": 0})[0] == 403
        assert ask(port, PATH_ORDERS, no_worker, {})[0] == 403
        cluster.kubectl("delete", "job", "--all", "-n", namespace.name, "--wait=false")
        cluster.eventually("the pod is gone", lambda: cluster.get("pod", worker, namespace.name) is None, 45)
        assert ask(port, urls_of_ours, token, {"start": 0})[0] == 403, "a replay"
        assert ask(port, PATH_ORDERS, token, {})[0] == 403
    assert other_namespace.get("theirs")["status"]["phase"] == "Running"
    told_of = [(line["status"], line["path"]) for line in operator_log(since) if line["message"] == "Order refused"]
    assert {(401, PATH_ORDERS), (403, PATH_ORDERS), (401, urls_of_ours), (403, urls_of_theirs)} <= set(told_of)
    assert refusals() >= len(told_of) >= 13

"""Measures the operator with ten thousand finished and a thousand waiting QuantumJobs."""

from __future__ import annotations

import contextlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from api_client import MERGE
from benchmarks import jobs, operator_usage, writes
from benchmarks.figures.timing import seconds
from benchmarks.figures.together import NOT_REACHED, Backlog
from benchmarks.measure import pods
from benchmarks.measure.bench import Bench
from benchmarks.measure.small import namespace_with_worker, one_after_another
from benchmarks.namespaces import BELL, BenchNamespace
from benchmarks.watcher import now
from cluster import eventually
from quantumjob_contract import names
from quantumjob_operator.kubernetes.client import QUANTUMJOBS, ResourceKind

JSON = dict[str, Any]

FILLERS: Final = 12
DRAIN_SECONDS: Final = 240.0
QUOTAS: Final = ResourceKind("/api/v1", "resourcequotas")
QUOTA: Final = "no-jobs"
STATUS_WRITES: Final = (f"{names.PLURAL}/status", "APPLY")


def backlog(bench: Bench, finished: int, waiting: int, bells: int) -> Backlog:
    api = bench.cluster.api
    bench.log(f"{finished} finished QuantumJobs (without an operator, which would run them)")
    with pods.no_operator(api):
        _fill(bench.cluster.new_namespace(), finished, bench.finished_status)
    bench.log(f"{waiting} waiting QuantumJobs, whose workers a quota refuses")
    namespace = bench.cluster.new_namespace()
    wanted = _create_waiting(namespace, waiting)
    reasons, memory = _reasons(namespace), operator_usage.read().resident_mib
    bench.log("restarting the operator")
    written = writes.read(api)
    ready, steady = _restart(bench)
    written = writes.read(api) - written
    new = _new_jobs(bench, bells)
    after = operator_usage.read()
    bench.log("lifting the quota")
    drained, drain_seconds = _drain(namespace, wanted)
    return Backlog(
        finished=finished,
        waiting=waiting,
        ready=ready,
        steady=steady,
        restart_writes=written[STATUS_WRITES],
        new_jobs=new,
        memory_before=memory,
        memory_after=after.resident_mib,
        memory_peak=after.peak_mib,
        drained=drained,
        drain_seconds=drain_seconds,
        reasons=reasons,
    )


def _fill(namespace: BenchNamespace, count: int, status: JSON) -> None:
    """Creates QuantumJobs and sets their status to Succeeded."""
    api = namespace.cluster.api

    def one(index: int) -> None:
        name = f"finished-{index}"
        namespace.create(BELL, name)
        api.request("PATCH", QUANTUMJOBS.path(namespace.name, name, "status"), {"status": status}, MERGE)

    with ThreadPoolExecutor(FILLERS) as pool:
        for _ in pool.map(one, range(count)):
            pass


def _create_waiting(namespace: BenchNamespace, count: int) -> list[str]:
    """Creates QuantumJobs whose workers a quota refuses, and waits until the operator is in its steady state."""
    api, path = namespace.cluster.api, QUOTAS.path(namespace.name)
    api.request("POST", path, jobs.quota(QUOTA))
    eventually("the quota holds", lambda: "hard" in api.ask("GET", f"{path}/{QUOTA}").get("status", {}))
    wanted = [f"waiting-{index}" for index in range(count)]
    namespace.create_all(BELL, wanted)
    pods.wait_steady(api)
    return wanted


def _reasons(namespace: BenchNamespace) -> dict[str, int]:
    """Returns how many have each reason in their condition Ready."""
    items = namespace.cluster.api.ask("GET", QUANTUMJOBS.path(namespace.name))["items"]
    conditions = [each for item in items for each in item.get("status", {}).get("conditions", [])]
    return dict(Counter(each["reason"] for each in conditions if each["type"] == "Ready"))


def _restart(bench: Bench) -> tuple[float, float]:
    try:
        return pods.restart(bench.cluster.api)
    except TimeoutError as error:
        bench.log(str(error))
        return NOT_REACHED, NOT_REACHED


def _new_jobs(bench: Bench, count: int) -> list[float]:
    """Runs new jobs in another namespace, at a running worker."""
    namespace = namespace_with_worker(bench.cluster)
    found = seconds(one_after_another(namespace, [f"bell-{index}" for index in range(count)]))
    namespace.delete_all()
    return found


def _drain(namespace: BenchNamespace, wanted: list[str]) -> tuple[int, float]:
    """Deletes the quota; returns how many completed, and after how many seconds."""
    lifted = now()
    namespace.cluster.api.request("DELETE", f"{QUOTAS.path(namespace.name)}/{QUOTA}")
    keys, watcher = [namespace.key(name) for name in wanted], namespace.cluster.quantumjobs
    with contextlib.suppress(TimeoutError):
        watcher.wait_for_some(keys, 0, DRAIN_SECONDS)
    left = watcher.wait_for_some(keys, len(keys), 0)
    return len(wanted) - len(left), now() - lifted

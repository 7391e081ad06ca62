"""The operator with ten thousand finished QuantumJobs beside it, and a thousand that wait."""

from __future__ import annotations

import contextlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from api_client import MERGE
from benchmarks import jobs, operator_usage, writes
from benchmarks.figures.timing import seconds
from benchmarks.figures.together import NEVER, Backlog
from benchmarks.measure import pods
from benchmarks.measure.bench import Bench
from benchmarks.measure.small import one_after_another, with_worker
from benchmarks.namespaces import BELL, Space
from benchmarks.watcher import now
from cluster import eventually
from quantumjob_contract import names
from quantumjob_operator.kubernetes.client import QUANTUMJOBS, Kind

JSON = dict[str, Any]

FILLERS: Final = 12
DRAIN_SECONDS: Final = 240.0
QUOTAS: Final = Kind("/api/v1", "resourcequotas")
QUOTA: Final = "no-jobs"
STATUS_WRITES: Final = (f"{names.PLURAL}/status", "APPLY")


def backlog(bench: Bench, finished: int, waiting: int, bells: int) -> Backlog:
    api = bench.cluster.api
    bench.say(f"{finished} finished QuantumJobs (meanwhile without an operator, which would run them)")
    with pods.no_operator(api):
        _fill(bench.cluster.fresh(), finished, bench.finished)
    bench.say(f"{waiting} that wait, for a quota lets them have no worker")
    space = bench.cluster.fresh()
    wanted = _wait(space, waiting)
    told, memory = _told(space), operator_usage.read().resident_mib
    bench.say("restarting the operator")
    written = writes.read(api)
    ready, level = _restart(bench)
    written = writes.read(api) - written
    new = _new_bells(bench, bells)
    after = operator_usage.read()
    bench.say("lifting the quota")
    drained, drain_seconds = _drain(space, wanted)
    return Backlog(
        finished=finished,
        waiting=waiting,
        ready=ready,
        level=level,
        restart_writes=written[STATUS_WRITES],
        bells=new,
        memory_before=memory,
        memory_after=after.resident_mib,
        memory_peak=after.peak_mib,
        drained=drained,
        drain_seconds=drain_seconds,
        told=told,
    )


def _fill(space: Space, count: int, status: JSON) -> None:
    """QuantumJobs that say that they have Succeeded."""
    api = space.cluster.api

    def one(index: int) -> None:
        name = f"finished-{index}"
        space.create(BELL, name)
        api.request("PATCH", QUANTUMJOBS.path(space.name, name, "status"), {"status": status}, MERGE)

    with ThreadPoolExecutor(FILLERS) as pool:
        for _ in pool.map(one, range(count)):
            pass


def _wait(space: Space, count: int) -> list[str]:
    """QuantumJobs that no worker can be started for, once the operator has done with them what it can."""
    api, path = space.cluster.api, QUOTAS.path(space.name)
    api.request("POST", path, jobs.quota(QUOTA))
    eventually("the quota holds", lambda: "hard" in api.ask("GET", f"{path}/{QUOTA}").get("status", {}))
    wanted = [f"waiting-{index}" for index in range(count)]
    space.create_all(BELL, wanted)
    pods.rest(api)
    return wanted


def _told(space: Space) -> dict[str, int]:
    """How many say what they wait for, by its reason."""
    items = space.cluster.api.ask("GET", QUANTUMJOBS.path(space.name))["items"]
    conditions = [each for item in items for each in item.get("status", {}).get("conditions", [])]
    return dict(Counter(each["reason"] for each in conditions if each["type"] == "Ready"))


def _restart(bench: Bench) -> tuple[float, float]:
    try:
        return pods.restart(bench.cluster.api)
    except TimeoutError as error:
        bench.say(str(error))
        return NEVER, NEVER


def _new_bells(bench: Bench, count: int) -> list[float]:
    """In another namespace, with a worker that stands there."""
    space = with_worker(bench.cluster)
    found = seconds(one_after_another(space, [f"bell-{index}" for index in range(count)]))
    space.clean()
    return found


def _drain(space: Space, wanted: list[str]) -> tuple[int, float]:
    """Let them have workers; gives how many are complete in the end, and after how long."""
    lifted = now()
    space.cluster.api.request("DELETE", f"{QUOTAS.path(space.name)}/{QUOTA}")
    keys, watching = [space.key(name) for name in wanted], space.cluster.quantumjobs
    with contextlib.suppress(TimeoutError):
        watching.wait_for_some(keys, 0, DRAIN_SECONDS)
    left = watching.wait_for_some(keys, len(keys), 0)
    return len(wanted) - len(left), now() - lifted

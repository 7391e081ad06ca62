"""Makes orders: finds whose worker a caller is, and signs URLs of just the objects of that job."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner
from quantumjob_contract.orders import Order, SegmentUrl
from quantumjob_contract.program import Program
from quantumjob_contract.store import Bucket, Store
from quantumjob_operator import clock, status
from quantumjob_operator.children import job_name
from quantumjob_operator.controller import Controller
from quantumjob_operator.gather import SHARD, read_program
from quantumjob_operator.kube import JOBS, PODS
from quantumjob_operator.orders.tokens import Caller, Denied

JSON = dict[str, Any]

KNOWN_SECONDS: Final = 5.0
"""How long a caller's pod may be unknown: the watch brings it long before its container runs."""
KNOWN_POLL_SECONDS: Final = 0.5
SPARE_SECONDS: Final = 300.0
"""Life of URLs beyond the job's deadline."""


@dataclass
class Desk:
    """The orders of all QuantumJobs."""

    controller: Controller
    open_store: Callable[[], Store]

    async def whose(self, caller: Caller) -> Owner:
        """The unfinished QuantumJob whose child Job owns the caller's pod. Raises Denied."""
        deadline = asyncio.get_running_loop().time() + KNOWN_SECONDS
        while True:
            if owner := self._find(caller):
                return owner
            await self._look_up(caller)
            if owner := self._find(caller):
                return owner
            if asyncio.get_running_loop().time() > deadline:
                raise Denied("no running worker of this operator is that pod")
            await asyncio.sleep(KNOWN_POLL_SECONDS)

    async def _look_up(self, caller: Caller) -> None:
        """Ask the API server for a pod, and its Job, that the watch has not brought. Raises kube.ApiError."""
        kube, cache = self.controller.kube, self.controller.cache
        pod = await kube.get(PODS, caller.namespace, caller.pod)
        owner = cache.put_pod(pod) if pod is not None and pod["metadata"]["uid"] == caller.pod_uid else None
        if owner is not None and cache.job(owner) is None:
            job = await kube.get(JOBS, owner.namespace, job_name(owner.uid))
            if job is not None:
                cache.put_job(job)

    def _find(self, caller: Caller) -> Owner | None:
        cache = self.controller.cache
        for owner in cache.owners_with_pod(caller.pod_uid):
            quantumjob = cache.quantumjobs.get(owner)
            if quantumjob is None or status.is_terminal(quantumjob.get("status", {})):
                continue
            for pod in cache.pods(owner):
                meta = pod["metadata"]
                if (meta["namespace"], meta["name"], meta["uid"]) == caller:
                    return owner
        return None

    async def order(self, owner: Owner) -> Order:
        """The order of a job's one shard. Raises errors of transfer, gather.Corrupt or store.Misconfigured."""
        quantumjob, job = self.controller.cache.quantumjobs[owner], self.controller.cache.job(owner)
        known = self.controller.remember(owner)
        untouched = known.created_here and not known.ordered
        known.ordered = True
        left = seconds_left(quantumjob, job)
        return await asyncio.to_thread(make_order, self.open_store(), owner, left, untouched=untouched)

    async def urls(self, owner: Owner, start: int) -> list[SegmentUrl]:
        """URLs of the next segments."""
        quantumjob, job = self.controller.cache.quantumjobs[owner], self.controller.cache.job(owner)
        return segment_urls(self.open_store().pending, owner, start, seconds_left(quantumjob, job))

    def ended(self, owner: Owner) -> None:
        """A worker says that its last segment is stored: look."""
        known = self.controller.remember(owner)
        known.hinted, known.looked = True, False
        self.controller.queue.add(owner)


def seconds_left(quantumjob: JSON, job: JSON | None) -> float:
    """Until the child Job's deadline."""
    limit = float(quantumjob["spec"]["activeDeadlineSeconds"])
    started = (job or {}).get("status", {}).get("startTime")
    return limit if started is None else limit - (clock.now() - clock.parse(started)).total_seconds()


def make_order(store: Store, owner: Owner, left: float, *, untouched: bool) -> Order:
    """An order with its URLs. `untouched` where no worker can have written anything yet, which saves two requests."""
    life = url_life(left)
    program, found = read_program(store.pending, owner)
    names = [] if untouched else _written(store.pending, owner)
    last = keys.segment(owner, SHARD, keys.LAST)
    order = Order(
        uid=owner.uid,
        shard=SHARD,
        program_url=store.pending.presign("GET", keys.program(owner), life),
        circuits=circuit_urls(store.circuits, owner, program, life),
        found=[SegmentUrl(n, store.pending.presign("GET", keys.segment(owner, SHARD, n), life)) for n in names],
        next=segment_urls(store.pending, owner, sum(name != keys.LAST for name in names), left),
        last=store.pending.presign("PUT", last, life),
        last_key=last,
        seconds_left=left,
        store_ca="\n".join(sorted({store.pending.config.ca_pem, store.circuits.config.ca_pem} - {""})),
    )
    small = found.stored.bytes <= limits.INLINE_RESULT_BYTES
    return msgspec.structs.replace(order, program=msgspec.Raw(found.data)) if small else order


def _written(pending: Bucket, owner: Owner) -> list[str]:
    """Names of the segments that earlier attempts have written."""
    numbers = itertools.takewhile(
        lambda number: pending.exists(keys.segment(owner, SHARD, keys.segment_name(number))), itertools.count()
    )
    names = [keys.segment_name(number) for number in numbers]
    return [*names, keys.LAST] if pending.exists(keys.segment(owner, SHARD, keys.LAST)) else names


def circuit_urls(circuits: Bucket, owner: Owner, program: Program, life: float) -> dict[str, str]:
    """A GET for each object that the program references."""
    wanted = {pub.circuit.object.key for pub in program.pubs if pub.circuit.object is not None}
    return {key: circuits.presign("GET", keys.circuit(owner.namespace, key), life) for key in sorted(wanted)}


def segment_urls(pending: Bucket, owner: Owner, start: int, left: float) -> list[SegmentUrl]:
    """A PUT for each of the next segments from number `start` on."""
    names = [keys.segment_name(number) for number in range(start, start + limits.SEGMENT_URLS)]
    life = url_life(left)
    return [SegmentUrl(name, pending.presign("PUT", keys.segment(owner, SHARD, name), life)) for name in names]


def url_life(left: float) -> float:
    """Seconds that a URL lives: as long as the job may."""
    return min(max(left, 0.0) + SPARE_SECONDS, limits.URL_SECONDS)

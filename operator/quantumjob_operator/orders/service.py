"""Serves workers: hands out the next order, answers heartbeats, or tells a worker to exit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from quantumjob_contract import keys, limits, names
from quantumjob_contract.exit_codes import PERMANENT, Exit
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reasons import Reason
from quantumjob_contract.resource import pubs_of, shards
from quantumjob_contract.schema.orders import (
    POLL_SECONDS,
    EndedOrder,
    HeartbeatRequest,
    HeartbeatResponse,
    Order,
    OrderRequest,
    SegmentUrl,
    UrlsRequest,
)
from quantumjob_contract.schema.program import encode
from quantumjob_operator import clock, metrics
from quantumjob_operator.model.validation import Rejection, accept
from quantumjob_operator.orders import builder
from quantumjob_operator.orders.identity import Identity
from quantumjob_operator.reconcile import plan
from quantumjob_operator.reconcile.controller import Controller
from quantumjob_operator.results.collect import read_program
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.results.ports import ObjectStore
from quantumjob_operator.scheduling.assignment import Pod, failed
from quantumjob_operator.scheduling.autoscaler import Autoscaler

FORGET_SECONDS: Final = 600.0
"""A worker that has not requested an order for this time beyond its linger time is gone."""
CODES: Final = frozenset(map(int, Exit))
"""Other exit codes are untrusted input; they would create unbounded metric labels."""


class NoMoreOrders(Exception):
    """The worker is to exit."""


class NotAssigned(Exception):
    """The order is not assigned to this worker."""


@dataclass
class OrderService:
    """Orders of all shards of all QuantumJobs. All that workers report is untrusted."""

    controller: Controller
    autoscaler: Autoscaler
    open_store: Callable[[], ObjectStore]
    _idle_since: dict[str, float] = field(default_factory=dict)
    """When a shared worker ended its last order, or made its first request; by the pod's UID."""
    _requests: dict[str, asyncio.Task[object]] = field(default_factory=dict)
    """The pending request of each shared worker, by the pod's UID."""

    async def next(self, identity: Identity, message: OrderRequest) -> Order | None:
        """Returns the next order; None where there is none yet. Raises NoMoreOrders, or what prevents the order."""
        if message.ended is not None:
            self.ended(identity, message.ended)
        if isinstance(identity, Shard):
            if message.leaving or message.ended:
                raise NoMoreOrders
            return await self._dedicated_order(identity)
        self.autoscaler.pool.record_heartbeat(identity, clock.now())
        if message.leaving or self.autoscaler.pool.is_draining(identity):  # also where the worker has lost that answer
            self._release_worker(identity)
        return await self._shared_order(identity)

    def ended(self, identity: Identity, message: EndedOrder) -> None:
        """Records that an order has ended. Only a hint: promotion reads the store."""
        shard = self._named(identity, message.uid, message.shard)
        owner, queue = shard.owner, self.autoscaler.queue
        metrics.ORDERS_ENDED.labels(message.code if message.code in CODES else "other").inc()
        metrics.PUBS_COMPUTED.inc(min(max(message.computed, 0), limits.MAX_LISTED_PUBS))
        is_assigned = isinstance(identity, Pod) and queue.shard_of(identity.uid) == shard
        if message.code == Exit.DONE:
            if is_assigned or isinstance(identity, Shard):
                self._count_all_pubs(shard)
            if not (is_assigned and queue.end(shard)) and self._exists(shard):
                memory = self.controller.memory_of(owner)
                memory.reported_ended.add(shard.number)
                memory.store_checked = False
        elif is_assigned and isinstance(identity, Pod):
            if self._is_wanted(owner):
                final = message.code in PERMANENT
                reason = Reason.WORKER_FAILED if final else Reason.BACKOFF_LIMIT_EXCEEDED
                queue.fail(shard, Failure(reason, message.message), clock.now(), final=final)
            else:
                queue.release(identity)
        self.controller.work_queue.add(owner, urgent=True)

    def alive(self, identity: Identity, uid: str, number: int, message: HeartbeatRequest) -> HeartbeatResponse:
        """Records a heartbeat; answers whether the order is still wanted."""
        shard = self._named(identity, uid, number)
        if isinstance(identity, Pod):
            self.autoscaler.pool.record_heartbeat(identity, clock.now())
            self.autoscaler.queue.record_heartbeat(identity, shard, clock.now())
        is_assigned = not isinstance(identity, Pod) or self.autoscaler.queue.shard_of(identity.uid) == shard
        if is_assigned and self._exists(shard):
            self.controller.progress(shard, message.done)
        return HeartbeatResponse(stop=self.autoscaler.ready() and not self._is_wanted(shard.owner))

    async def urls(self, identity: Identity, uid: str, number: int, message: UrlsRequest) -> list[SegmentUrl]:
        """Returns URLs of the next segments of an order that is assigned to this worker."""
        shard = self._named(identity, uid, number)
        if isinstance(identity, Pod):
            self.autoscaler.queue.record_heartbeat(identity, shard, clock.now())
            if self.autoscaler.queue.shard_of(identity.uid) != shard:
                raise NotAssigned
        left = self._seconds_left(shard)
        return builder.segment_urls(self.open_store().pending, shard, message.start, left, saves=message.arrays)

    async def _dedicated_order(self, shard: Shard) -> Order:
        """Returns the order of a dedicated worker."""
        memory = self.controller.memory_of(shard.owner)
        untouched = memory.accepted_here and shard.number not in memory.ordered
        memory.ordered.add(shard.number)
        metrics.ORDERS_GIVEN.labels(names.DEDICATED).inc()
        store, left = self.open_store(), self._seconds_left(shard)
        program, found = await read_program(store.pending, shard.owner)
        there = [] if untouched else await builder.written(store.pending, shard)
        return builder.order(store, shard, (program, found.data), found=there, left=left)

    async def _shared_order(self, pod: Pod) -> Order | None:
        """Waits for the next order of a shared worker."""
        self._replace_request(pod)
        loop = asyncio.get_running_loop()
        answer_by = loop.time() + POLL_SECONDS
        oldest = loop.time() - self.autoscaler.linger_seconds - FORGET_SECONDS  # of pods that are gone
        self._idle_since = {uid: since for uid, since in self._idle_since.items() if since > oldest}
        idle_since = self._idle_since.setdefault(pod.uid, loop.time())
        leave_at = idle_since + self.autoscaler.linger_seconds
        namespace_queue = self.autoscaler.queue.of_namespace(pod.namespace)
        while True:
            if self.autoscaler.should_yield(pod.namespace) or self.autoscaler.is_outdated(pod):
                self._release_worker(pod)
            while shard := self.autoscaler.queue.take(pod, clock.now()):
                if order := await self._order_of(shard, pod):
                    self._idle_since.pop(pod.uid, None)
                    metrics.ORDERS_GIVEN.labels(names.SHARED).inc()
                    return order
            if loop.time() >= leave_at:
                self._release_worker(pod)
            if loop.time() >= answer_by:
                return None
            namespace_queue.changed.clear()
            try:
                async with asyncio.timeout_at(min(answer_by, leave_at)):
                    await namespace_queue.changed.wait()
            except TimeoutError:
                pass

    def _replace_request(self, pod: Pod) -> None:
        """Cancels an earlier request of the same worker, whose connection must be broken."""
        request = asyncio.current_task()
        earlier = self._requests.get(pod.uid)
        if request is None or earlier is request:
            return
        if earlier is not None:
            earlier.cancel()
        self._requests[pod.uid] = request
        request.add_done_callback(
            lambda done: self._requests.pop(pod.uid) if self._requests.get(pod.uid) is done else None
        )

    async def _order_of(self, shard: Shard, pod: Pod) -> Order | None:
        """Builds the order of an assigned shard; None where it has ended or is no longer wanted."""
        owner, queue = shard.owner, self.autoscaler.queue
        quantumjob = self.controller.cache.quantumjobs.get(owner)
        program = accept(quantumjob) if quantumjob is not None and self._is_wanted(owner) else None
        if program is None or isinstance(program, Rejection):
            queue.withdraw(shard)
            self.controller.work_queue.add(owner)
            return None
        memory = self.controller.memory_of(owner)
        untouched = memory.accepted_here and bool(memory.program_sha256) and shard.number not in memory.ordered
        memory.ordered.add(shard.number)
        try:
            store = self.open_store()
            found = [] if untouched else await builder.written(store.pending, shard)
        except BaseException:
            if self._requests.get(pod.uid) is asyncio.current_task():  # else a newer request may have it by now
                queue.release(pod)
            raise
        self.controller.work_queue.add(owner)
        if keys.LAST in found:
            queue.end(shard)
            self._count_all_pubs(shard)
            return None
        assignment, left = queue.assignment(shard), self._seconds_left(shard)
        expected = assignment.expected if assignment else None
        return builder.order(store, shard, (program, encode(program)), found=found, left=left, expected=expected)

    def _release_worker(self, pod: Pod) -> None:
        """Releases the worker's order, and no longer counts the worker. Raises NoMoreOrders."""
        self.autoscaler.pool.drain(pod)
        self._idle_since.pop(pod.uid, None)
        self.autoscaler.queue.release(pod)
        self.autoscaler.trigger(pod.namespace)
        raise NoMoreOrders

    def _named(self, identity: Identity, uid: str, number: int) -> Shard:
        """Returns the shard that a worker names. Raises NotAssigned for another shard than a dedicated worker's."""
        if isinstance(identity, Pod):
            return Shard(Owner(identity.namespace, uid), number)
        if (identity.owner.uid, identity.number) != (uid, number):
            raise NotAssigned
        return identity

    def _exists(self, shard: Shard) -> bool:
        """Whether the shard exists in an unfinished job. Bounds what is remembered of workers' reports."""
        quantumjob = self.controller.cache.quantumjobs.get(shard.owner)
        return quantumjob is not None and 0 <= shard.number < shards(quantumjob)

    def _count_all_pubs(self, shard: Shard) -> None:
        """Counts all pubs of an ended shard as done: its worker may not have reported the last ones."""
        quantumjob = self.controller.cache.quantumjobs.get(shard.owner)
        if quantumjob is not None and 0 <= shard.number < shards(quantumjob) > 1:
            self.controller.progress(shard, pubs_of(quantumjob, shard.number))

    def _is_wanted(self, owner: Owner) -> bool:
        """Whether a job is neither finished, deleted, cancelled, nor failed in one of its shards."""
        quantumjob = self.controller.cache.quantumjobs.get(owner)
        if quantumjob is None or "deletionTimestamp" in quantumjob["metadata"]:
            return False
        return not plan.is_cancelled(quantumjob) and failed(self.autoscaler.queue.assignments(owner)) is None

    def _seconds_left(self, shard: Shard) -> float:
        """Returns the seconds until the job's deadline."""
        if (assignment := self.autoscaler.queue.assignment(shard)) is not None:
            return assignment.left(clock.now())
        quantumjob = self.controller.cache.quantumjobs.get(shard.owner)
        if quantumjob is None:
            raise NotAssigned
        limit = float(quantumjob["spec"]["activeDeadlineSeconds"])
        started = (self.controller.cache.job(shard.owner) or {}).get("status", {}).get("startTime")
        return limit if started is None else limit - (clock.now() - clock.parse(started)).total_seconds()

"""The operator's parts over an API server and a store in memory, with calls in place of kubelet, workers and users."""

from __future__ import annotations

from functools import partial
from typing import Any

from quantumjob_contract import keys
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.schema.orders import EndedOrder, HeartbeatRequest, HeartbeatResponse, Order, OrderRequest
from quantumjob_contract.schema.program import encode
from quantumjob_contract.schema.results import PubMetadata, PubResult, Register
from quantumjob_operator import clock
from quantumjob_operator.cache import Cache, owner_of_quantumjob
from quantumjob_operator.kubernetes.workqueue import WorkQueue
from quantumjob_operator.model.job_template import build_job, build_shared
from quantumjob_operator.orders.service import OrderService
from quantumjob_operator.reconcile import plan
from quantumjob_operator.reconcile.controller import Controller
from quantumjob_operator.scheduling.assignment import Pod
from quantumjob_operator.scheduling.autoscaler import Autoscaler
from quantumjob_operator.scheduling.queue import Queue
from quantumjob_operator.watch.event_router import EventRouter
from support.jobs import only, segment
from support.kube import JOBS, PODS, QUANTUMJOBS, RUNNING, UID, FakeKube, shared_job, shared_pod
from support.memory import MemoryStore

JSON = dict[str, Any]
OF = Owner("team", UID)
LINGER = 30.0
BUILD = {"image": "worker:1", "orders_url": "https://orders", "ca_pem": "CA"}


def result_of_bell() -> PubResult:
    """Returns a result of the one pub of `support.kube.quantumjob`."""
    register = Register(2, "AA==", {"00": 1})
    return PubResult(0, "bell", PubMetadata(seed=1, shots=1), data={"c": register})


class Parts:
    """One operator. With a `linger` of 0 every job gets a dedicated worker."""

    def __init__(
        self,
        kube: FakeKube,
        store: MemoryStore | None = None,
        *,
        linger: float = LINGER,
        max_workers: int = 4,
        queue: type[Queue] = Queue,
    ) -> None:
        self.kube, self.store = kube, store or MemoryStore()
        self.ready = True
        self.queue = queue(max_workers)
        cache, work_queue = Cache(), WorkQueue[Owner](flow=lambda owner: owner.namespace)
        self.autoscaler = Autoscaler(
            kube,  # type: ignore[arg-type]
            self.queue,
            cache.pool,
            partial(build_shared, **BUILD),
            work_queue.add,
            lambda: self.ready,
            linger,
        )
        self.controller = Controller(
            kube,  # type: ignore[arg-type]
            lambda: self.store.opened,  # type: ignore[arg-type, return-value]
            partial(build_job, **BUILD),
            self.autoscaler,
            cache,
            work_queue,
            started=clock.now(),
        )
        self.router = EventRouter(self.controller, self.autoscaler)
        self.order_service = OrderService(self.controller, self.autoscaler, lambda: self.store.opened)  # type: ignore[arg-type, return-value]
        self.watch()

    def watch(self) -> None:
        """Delivers every stored object as a watch event."""
        for kind in (QUANTUMJOBS, JOBS, PODS):
            for item in self.kube.of_kind(kind):
                self.router.handler_of(kind)(item, False)

    def restarted(self) -> Parts:
        """Returns another operator over the same API server and store."""
        return Parts(self.kube, self.store, linger=self.autoscaler.linger_seconds, max_workers=self.queue.max_workers)

    async def reconcile(self, owner: Owner = OF) -> JSON:
        """Runs one pass of the controller; returns the status."""
        try:
            await self.controller.reconcile(owner)
        finally:
            await self.controller.notifier.flush()
        return self.status(owner)

    async def settle(self) -> None:
        """Processes both work queues until they are empty. Raises what the operator would retry."""
        work_queue, spaces = self.controller.work_queue, self.autoscaler.work_queue
        while len(work_queue) or len(spaces):
            while len(work_queue):
                owner = await work_queue.get()
                try:
                    await self.controller.reconcile(owner)
                finally:
                    work_queue.done(owner)
            while len(spaces):
                namespace = await spaces.get()
                try:
                    await self.autoscaler.reconcile(namespace)
                finally:
                    spaces.done(namespace)
        await self.controller.notifier.flush()

    async def told(self, time: Any, owner: Owner = OF) -> None:
        """Lets time pass until the drafts of queued and running jobs are written to their statuses."""
        time.passes(plan.DRAFT_SECONDS)
        self.controller.work_queue.add(owner)
        await self.settle()
        while len(self.controller.notifier.waiting):
            await self.controller.notifier.allow_next()
            await self.settle()

    def found(self, owner: Owner = OF) -> JSON:
        """Returns the stored QuantumJob; empty where it is gone."""
        of_kind = self.kube.of_kind(QUANTUMJOBS)
        return next((each for each in of_kind if owner == owner_of_quantumjob(each)), {})

    def status(self, owner: Owner = OF) -> JSON:
        """Returns the stored status."""
        status: JSON = self.found(owner).get("status", {})
        return status

    def hire(self, name: str = "a", *, namespace: str = "team", state: JSON | None = None) -> Pod:
        """Starts a shared worker; returns its pod."""
        self.router.job(self.kube.put(JOBS, shared_job(name, namespace=namespace)), False)
        made = self.kube.put(PODS, shared_pod(name, state or RUNNING, namespace=namespace))
        self.router.pod(made, False)
        return Pod(namespace, made["metadata"]["name"], made["metadata"]["uid"])

    def set_container_state(self, pod: Pod, state: JSON, conditions: list[JSON] | None = None) -> None:
        """Sets the state of a shared worker's container."""
        raw = self.kube.objects[PODS, pod.namespace, pod.name]
        status = {"containerStatuses": [{"name": "worker", "state": state}], "conditions": conditions or []}
        self.router.pod(self.kube.put(PODS, raw | {"status": status}), False)

    def edit(self, owner: Owner = OF, **spec: Any) -> None:
        """Changes the spec, as a user does."""
        raw = self.found(owner)
        self.router.quantumjob(self.kube.put(QUANTUMJOBS, raw | {"spec": raw["spec"] | spec}), False)

    def store_last(self, owner: Owner = OF) -> None:
        """Stores the last segment, as a worker does."""
        last = encode(segment(owner, keys.LAST, [result_of_bell()], []))
        self.store.pending.put_once(keys.segment(only(owner), keys.LAST), last)

    async def ask(self, who: Pod | Shard, ended: EndedOrder | None = None, *, leaving: bool = False) -> Order | None:
        """Requests the next order, as a worker does."""
        return await self.order_service.next(who, OrderRequest(ended, leaving))

    def alive(self, who: Pod | Shard, uid: str, done: int = 0, number: int = 0) -> HeartbeatResponse:
        """Sends a heartbeat, as a worker does."""
        return self.order_service.alive(who, uid, number, HeartbeatRequest(done, 1))

    def writes(self) -> list[str]:
        """Lists the calls that changed an object of the API server."""
        return [what for what, _ in self.kube.calls if what.partition(" ")[0] in {"status", "create", "delete"}]

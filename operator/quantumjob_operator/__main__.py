"""Runs the operator: informer, controller, autoscaler, resync, order endpoint and health endpoint in one event loop."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from typing import Any, Final

import uvloop

from quantumjob_contract import logs
from quantumjob_contract.keys import Owner
from quantumjob_contract.serving import certificates, health
from quantumjob_contract.store import StoreDirectory
from quantumjob_contract.store.aio import Stores
from quantumjob_operator import metrics
from quantumjob_operator.cache import Cache
from quantumjob_operator.kubernetes.client import KubernetesClient
from quantumjob_operator.kubernetes.workqueue import WorkQueue
from quantumjob_operator.model.job_template import build_job, build_shared
from quantumjob_operator.orders.http import OrderServer, serve
from quantumjob_operator.orders.identity import WorkerRegistry
from quantumjob_operator.orders.service import OrderService
from quantumjob_operator.orders.tokens import TokenVerifier
from quantumjob_operator.reconcile.controller import Controller
from quantumjob_operator.results import store_probe
from quantumjob_operator.scheduling.autoscaler import Autoscaler
from quantumjob_operator.scheduling.queue import Queue
from quantumjob_operator.settings import Settings
from quantumjob_operator.watch import informer
from quantumjob_operator.watch.event_router import EventRouter
from quantumjob_operator.watch.resync import Resync

logger = logging.getLogger(f"{__package__}.main")  # __name__ is "__main__"

JSON = dict[str, Any]
REQUIRED: Final = ("worker_image", "orders_url")


async def run(settings: Settings) -> None:
    """Runs all parts until one ends, then cancels the others; Kubernetes restarts the container."""
    kube = await KubernetesClient.connect()
    stores = Stores(StoreDirectory(settings.store_dir))
    gate = store_probe.StoreGate(stores.open)

    def authority() -> str:
        """Returns the CA certificate. Read for each Job, since it may be renewed."""
        file = settings.tls_dir / "ca.crt"
        return file.read_text() if file.exists() else ""

    def own(quantumjob: JSON) -> JSON:
        return build_job(quantumjob, settings.worker_image, settings.orders_url, authority())

    def shared(name: str) -> JSON:
        return build_shared(name, settings.worker_image, settings.orders_url, authority())

    cache, work_queue = Cache(), WorkQueue[Owner](flow=lambda owner: owner.namespace)
    queue = Queue(settings.workers_max_per_namespace)
    autoscaler = Autoscaler(
        kube, queue, cache.pool, shared, work_queue.add, lambda: resync.synced, settings.workers_linger_seconds
    )
    controller = Controller(kube, gate.open, own, autoscaler, cache, work_queue)
    router = EventRouter(controller, autoscaler)
    resync = Resync(router, settings.namespace_list, settings.resync_seconds)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_dir / "tls.crt", settings.tls_dir / "tls.key")
    order_service = OrderService(controller, autoscaler, gate.open)
    orders = OrderServer(order_service, TokenVerifier(kube), WorkerRegistry(kube, cache)).application()
    answers = health.application(metrics.REGISTRY, lambda: resync.failure, lambda: unready(resync, gate))
    runners = [await serve(orders, settings.orders_port, context), await serve(answers, settings.health_port, None)]
    try:
        await first_to_end(
            informer.run(router, settings.namespace_list),
            gate.watch(),
            controller.run(),
            autoscaler.run(),
            resync.run(),
            certificates.keep(context, settings.tls_dir),
        )
    finally:
        for runner in runners:
            await runner.cleanup()
        await stores.close()
        await kube.close()


def unready(resync: Resync, gate: store_probe.StoreGate) -> str:
    """Returns why the operator is not ready; empty where it is."""
    if not resync.synced:
        return "the first resync has not finished"
    return "" if gate.trusted else "the store has not been probed yet"


async def first_to_end(*parts: Awaitable[Any]) -> None:
    """Waits until one part ends, cancels the others, and raises its exception."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()


def main() -> None:
    settings = Settings()
    if missing := [name for name in REQUIRED if not getattr(settings, name)]:
        raise SystemExit(f"set {' and '.join('QUANTUMJOB_' + name.upper() for name in missing)}")
    logs.configure(__package__)
    logger.info("Starting", extra={"namespaces": settings.namespace_list or "all"})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))


if __name__ == "__main__":
    main()

"""Runs the reconciler's CronJob: promotes results that the operator has not, and deletes orphaned pending objects."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from quantumjob_contract import logs, names
from quantumjob_contract.keys import Owner
from quantumjob_contract.store import Entry, StoreDirectory
from quantumjob_contract.store.aio import Stores
from quantumjob_contract.store_errors import ObjectNotFound, StoreError
from quantumjob_operator import clock
from quantumjob_operator.kubernetes.client import JOBS, PODS, QUANTUMJOBS, ApiError, KubernetesClient
from quantumjob_operator.model import status
from quantumjob_operator.reconcile.controller import Controller
from quantumjob_operator.reconcile.steps import MISSES
from quantumjob_operator.results.collect import NotEnded
from quantumjob_operator.results.garbage_collection import orphans
from quantumjob_operator.settings import Settings

JSON = dict[str, Any]
logger = logging.getLogger(f"{__package__}.reconciler")  # __name__ is "__main__"

RETRY_SECONDS: Final = 0.5


async def reconcile(kube: KubernetesClient, settings: Settings) -> int:
    """Reconciles all unfinished QuantumJobs once; returns the number of failures."""
    store = StoreDirectory(settings.store_dir)
    stores = Stores(store)
    controller = Controller(kube, stores.open, build_job=dict)
    entries = await asyncio.to_thread(lambda: list(store.open().pending.list()))
    served: list[str | None] = [*settings.namespace_list] or [None]
    cache, needed = controller.cache, set[Owner]()
    for namespace in served:
        for selected in (status.UNFINISHED, status.FAILED):
            async for raw in kube.list(QUANTUMJOBS, namespace, fields=selected):
                owner = cache.put_quantumjob(raw)
                if needs_pending(raw):
                    needed.add(owner)
        async for raw in kube.list(JOBS, namespace, labels=names.LABEL_WORKER):
            cache.put_job(raw)
        async for raw in kube.list(PODS, namespace, labels=names.LABEL_WORKER):
            cache.put_pod(raw)
    unfinished = sorted(cache.quantumjobs)
    failures = 0
    for owner in unfinished:
        try:
            await finish(controller, owner)
        except (ApiError, StoreError, NotEnded) as error:
            failures += 1
            logger.warning("Retrying in the next run", extra={"uid": owner.uid, "cause": str(error)})
        except Exception:
            failures += 1
            logger.exception("Internal error of the reconciler", extra={"uid": owner.uid})
    await controller.notifier.flush()
    await stores.close()
    deleted = await collect_garbage(store, entries, needed, settings)
    logger.info("Reconciled", extra={"unfinished": len(unfinished), "failures": failures, "swept": deleted})
    return failures


async def finish(controller: Controller, owner: Owner) -> None:
    """Reconciles one QuantumJob. Retries MISSES times where an object is missing, as the operator does."""
    for _ in range(MISSES):
        try:
            return await controller.reconcile(owner)
        except (NotEnded, ObjectNotFound):
            await asyncio.sleep(RETRY_SECONDS)
    return await controller.reconcile(owner)


def needs_pending(quantumjob: JSON) -> bool:
    """Whether the QuantumJob's results are not yet verified in the completed bucket."""
    return not status.is_true(quantumjob.get("status", {}), "ResultsStored")


async def collect_garbage(store: StoreDirectory, entries: list[Entry], needed: set[Owner], settings: Settings) -> int:
    """Deletes orphaned pending objects; returns their number."""
    served = set(settings.namespace_list)
    found = orphans(entries, needed, served, clock.now(), settings.sweep_grace_seconds)
    if found:
        await asyncio.to_thread(store.open().pending.delete, found)
    return len(found)


async def run() -> int:
    kube = await KubernetesClient.connect()
    try:
        return await reconcile(kube, Settings())
    except (ApiError, StoreError) as error:
        logger.error("This run failed", extra={"cause": f"{type(error).__name__}: {error}"})  # noqa: TRY400
        return 1
    finally:
        await kube.close()


def main() -> None:
    logs.configure(__package__)
    raise SystemExit(1 if asyncio.run(run()) else 0)


if __name__ == "__main__":
    main()

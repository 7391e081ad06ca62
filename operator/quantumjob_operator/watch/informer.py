"""kopf as the informer: every event goes into the cache, and its QuantumJob's key into the queue. Nothing else here.

No handler of kopf's that would put a finalizer or an annotation on a user's object is used.
"""

from __future__ import annotations

from typing import Any, Final

import kopf

from quantumjob_contract import names
from quantumjob_operator.model import status
from quantumjob_operator.watch.event_router import EventRouter

IDENTITY: Final = "quantumjob-operator"
CHUNK: Final = 100
SERVER_TIMEOUT_SECONDS: Final = 300
CONNECT_TIMEOUT_SECONDS: Final = 10


class NoDiffBase(kopf.DiffBaseStorage):
    """kopf compares each object with its last handled state; nobody here asks for the difference."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        """Nothing."""


class NoProgress(kopf.ProgressStorage):
    """kopf keeps its handlers' progress in annotations; an event's handler has none."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        """Nothing."""

    def purge(self, **_: Any) -> None:
        """Nothing."""

    def touch(self, **_: Any) -> None:
        """Nothing."""

    def clear(self, *, essence: Any) -> Any:
        return essence


def settings() -> kopf.OperatorSettings:
    """What is known to be needed of kopf 1.45: see docs/decisions."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    # The kinds are known and the namespaces are given: kopf needs no right to look for others.
    chosen.scanning.disabled = True
    chosen.persistence.diffbase_storage = NoDiffBase()
    chosen.persistence.progress_storage = NoProgress()
    chosen.watching.chunk_size = CHUNK
    chosen.watching.server_timeout = SERVER_TIMEOUT_SECONDS
    chosen.watching.client_timeout = SERVER_TIMEOUT_SECONDS + 30
    chosen.watching.connect_timeout = CONNECT_TIMEOUT_SECONDS
    # The server selects, so that finished QuantumJobs and the cluster's other Jobs and pods never reach this process.
    chosen.watching.field_selectors[names.GROUP, names.VERSION, names.PLURAL] = status.UNFINISHED
    chosen.watching.label_selectors["batch", "v1", "jobs"] = names.LABEL_WORKER
    chosen.watching.label_selectors["", "v1", "pods"] = names.LABEL_WORKER
    # A kopf worker lives this long after an object's last event; the default of 5 s keeps 5 s of objects in memory.
    chosen.queueing.idle_timeout = 1.0
    return chosen


def register(registry: kopf.OperatorRegistry, router: EventRouter) -> None:
    """Feed the cache from the watches of unfinished QuantumJobs, and of the Jobs and pods of all workers."""

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> Any:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def quantumjob(event: Any, **_: Any) -> None:
        router.quantumjob(event["object"], event["type"] == "DELETED")

    @kopf.on.event("batch", "v1", "jobs", registry=registry)
    async def job(event: Any, **_: Any) -> None:
        router.job(event["object"], event["type"] == "DELETED")

    @kopf.on.event("", "v1", "pods", registry=registry)
    async def pod(event: Any, **_: Any) -> None:
        router.pod(event["object"], event["type"] == "DELETED")


async def run(router: EventRouter, namespaces: list[str]) -> None:
    """Watch until cancelled, or until kopf gives up."""
    registry = kopf.OperatorRegistry()
    register(registry, router)
    await kopf.operator(
        registry=registry,
        settings=settings(),
        # kopf would look for the user's name, and a random UID has none.
        identity=IDENTITY,  # type: ignore[arg-type]
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )

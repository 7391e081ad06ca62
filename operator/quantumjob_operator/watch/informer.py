"""Watches QuantumJobs, Jobs and pods by kopf, and passes the events to the event router. Nothing else uses kopf.

Only event handlers are registered: kopf's other handlers put finalizers and annotations on users' objects.
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
    """Stores nothing: event handlers need no difference to an earlier state."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        """Stores nothing."""


class NoProgress(kopf.ProgressStorage):
    """Stores nothing: event handlers have no progress."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        """Stores nothing."""

    def purge(self, **_: Any) -> None:
        """Removes nothing."""

    def touch(self, **_: Any) -> None:
        """Changes nothing."""

    def clear(self, *, essence: Any) -> Any:
        return essence


def settings() -> kopf.OperatorSettings:
    """Returns kopf's settings, for kopf 1.45; docs/decisions gives the reasons."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    # Kinds and namespaces are given, so kopf needs no permission to list them.
    chosen.scanning.disabled = True
    chosen.persistence.diffbase_storage = NoDiffBase()
    chosen.persistence.progress_storage = NoProgress()
    chosen.watching.chunk_size = CHUNK
    chosen.watching.server_timeout = SERVER_TIMEOUT_SECONDS
    chosen.watching.client_timeout = SERVER_TIMEOUT_SECONDS + 30
    chosen.watching.connect_timeout = CONNECT_TIMEOUT_SECONDS
    # The API server selects, so that finished QuantumJobs and other Jobs and pods are not sent.
    chosen.watching.field_selectors[names.GROUP, names.VERSION, names.PLURAL] = status.UNFINISHED
    chosen.watching.label_selectors["batch", "v1", "jobs"] = names.LABEL_WORKER
    chosen.watching.label_selectors["", "v1", "pods"] = names.LABEL_WORKER
    # A kopf worker lives this long after an object's last event; the default holds 5 s of objects in memory.
    chosen.queueing.idle_timeout = 1.0
    return chosen


def register(registry: kopf.OperatorRegistry, router: EventRouter) -> None:
    """Registers the event handlers."""

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
    """Watches until cancelled, or until kopf ends."""
    registry = kopf.OperatorRegistry()
    register(registry, router)
    await kopf.operator(
        registry=registry,
        settings=settings(),
        # kopf would look up the user's name, which a random UID does not have.
        identity=IDENTITY,  # type: ignore[arg-type]
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )

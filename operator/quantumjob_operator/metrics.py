"""The operator's Prometheus metrics: GET /metrics on the health port."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, ProcessCollector

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

ORDERS_GIVEN: Final = Counter(
    "quantumjob_orders_given", "Orders handed out, by the kind of worker.", ["worker"], registry=REGISTRY
)
ORDERS_ENDED: Final = Counter(
    "quantumjob_orders_ended", "Orders whose end workers have reported, by exit code.", ["code"], registry=REGISTRY
)
ORDERS_REFUSED: Final = Counter(
    "quantumjob_orders_refused",
    "Refused requests to the order endpoint, by HTTP status.",
    ["status"],
    registry=REGISTRY,
)
PUBS_COMPUTED: Final = Counter(
    "quantumjob_pubs_computed", "Pubs that workers have reported as run, over all attempts.", registry=REGISTRY
)
WORKERS_STARTED: Final = Counter(
    "quantumjob_shared_workers_started", "Shared workers' Jobs created.", registry=REGISTRY
)
JOBS_FINISHED: Final = Counter(
    "quantumjob_jobs_finished",
    "QuantumJobs that this process has finished, by phase.",
    ["phase"],
    registry=REGISTRY,
)

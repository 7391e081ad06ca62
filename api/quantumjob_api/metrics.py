"""What the service counts, for Prometheus: GET /metrics on the health port."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

REQUESTS: Final = Counter(
    "quantumjob_api_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY
)
SECONDS: Final = Histogram(
    "quantumjob_api_request_seconds",
    "Time until the answer was complete; long polls and event streams among them.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
ACTIVE: Final = Gauge("quantumjob_api_requests_active", "Requests at work.", registry=REGISTRY)
CONNECTIONS: Final = Gauge("quantumjob_api_connections", "Connections that are open.", registry=REGISTRY)
CLOSED: Final = Counter(
    "quantumjob_api_connections_closed",
    "Connections that the service has closed, by cause.",
    ["cause"],
    registry=REGISTRY,
)

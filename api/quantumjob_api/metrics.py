"""Prometheus metrics of the service, served at /metrics on the health port."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

REQUESTS: Final = Counter(
    "quantumjob_api_requests", "Completed requests.", ["method", "route", "status"], registry=REGISTRY
)
SECONDS: Final = Histogram(
    "quantumjob_api_request_seconds",
    "Seconds until the response was complete, including long polls and event streams.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
ACTIVE: Final = Gauge("quantumjob_api_requests_active", "Requests in progress.", registry=REGISTRY)
CONNECTIONS: Final = Gauge("quantumjob_api_connections", "Open connections.", registry=REGISTRY)
CLOSED: Final = Counter(
    "quantumjob_api_connections_closed",
    "Connections that the service closed, by cause.",
    ["cause"],
    registry=REGISTRY,
)

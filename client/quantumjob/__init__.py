"""Runs quantum jobs on Kubernetes: Qiskit's `Sampler` and `Estimator`, and a client of the REST service."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from quantumjob.async_client import AsyncClient
from quantumjob.client import Client
from quantumjob.errors import JobFailed, NotConfigured, Problem, QuantumJobError, Unreachable, WaitTimeout

if TYPE_CHECKING:
    from quantumjob.job import Job
    from quantumjob.primitives import Estimator, Sampler

__all__ = [
    "AsyncClient",
    "Client",
    "Estimator",
    "Job",
    "JobFailed",
    "NotConfigured",
    "Problem",
    "QuantumJobError",
    "Sampler",
    "Unreachable",
    "WaitTimeout",
]

_QISKIT = {"Estimator": "primitives", "Sampler": "primitives", "Job": "job"}
"""Names that are imported on first use: they need Qiskit, whose import takes half a second."""


def __getattr__(name: str) -> Any:
    if name in _QISKIT:
        return getattr(importlib.import_module(f"quantumjob.{_QISKIT[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

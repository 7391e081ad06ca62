"""Responses of the service as structs. Unknown fields are ignored."""

from __future__ import annotations

import re
from typing import Any, Final, Generic, TypeVar

import msgspec

T = TypeVar("T")
UID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Of a QuantumJob."""


class ServiceModel(msgspec.Struct, frozen=True, rename="camel"):
    """Base class: decoded from JSON with names in camelCase."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list; `next` continues it."""

    items: list[T]
    next: str | None = None


class Status(ServiceModel, frozen=True, rename="camel"):
    """A QuantumJob, as `kubectl get quantumjob` shows it."""

    name: str
    namespace: str
    uid: str
    version: str
    created: str
    phase: str
    progress: str
    finished: bool
    reason: str
    message: str
    cancel: bool = False
    labels: dict[str, str] = {}
    status: dict[str, Any] = {}
    """`status` of the QuantumJob, unchanged."""


class JobRow(ServiceModel, frozen=True, rename="camel"):
    """A QuantumJob in a list."""

    name: str
    uid: str
    created: str
    phase: str
    progress: str
    backend: str
    shots: int | None
    reason: str
    labels: dict[str, str] = {}


class HistoryRow(ServiceModel, frozen=True, rename="camel"):
    """A finished job in the history; its QuantumJob may be deleted."""

    uid: str
    name: str
    outcome: str
    reason: str
    message: str
    total: int
    succeeded: int
    stored: str


class CircuitInfo(ServiceModel, frozen=True, rename="camel"):
    """A circuit in the circuits bucket."""

    key: str
    bytes: int
    sha256: str | None = None
    modified: str | None = None


class Partial(ServiceModel, frozen=True, rename="camel"):
    """Results of a running job. They are verified when it ends."""

    name: str
    namespace: str
    uid: str
    pubs: list[dict[str, Any]]
    """As in the result's JSON (docs/rest.md)."""


class Arrays(ServiceModel, frozen=True, rename="camel"):
    """A `.npz` of saved arrays; `pubs` are the indices of its pubs."""

    name: str
    bytes: int
    sha256: str
    href: str
    pubs: list[int]


class Result(ServiceModel, frozen=True, rename="camel"):
    """The verified result or error of every pub."""

    name: str
    namespace: str
    uid: str
    outcome: str
    reason: str
    message: str
    total: int
    succeeded: int
    failed: int
    times: dict[str, str]
    versions: dict[str, str]
    pubs: list[dict[str, Any]]
    """As in the result's JSON (docs/rest.md)."""
    labels: dict[str, str] = {}
    arrays: list[Arrays] = []

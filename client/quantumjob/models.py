"""What the service tells, typed. Fields that this version does not know are left out."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class ServiceModel(msgspec.Struct, frozen=True, rename="camel"):
    """Read from JSON."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a listing."""

    items: list[T]
    next: str | None = None


class Status(ServiceModel, frozen=True, rename="camel"):
    """A QuantumJob: the same that `kubectl get quantumjob` shows."""

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
    """`status` of the QuantumJob as it is."""


class JobRow(ServiceModel, frozen=True, rename="camel"):
    """A QuantumJob in one line."""

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
    """A finished job in one line; its QuantumJob may be long gone."""

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
    """Results so far; they are verified when the job ends."""

    name: str
    namespace: str
    uid: str
    pubs: list[dict[str, Any]]
    """As in the result's JSON (docs/rest.md)."""


class Arrays(ServiceModel, frozen=True, rename="camel"):
    """A `.npz` of arrays that pubs have saved."""

    name: str
    bytes: int
    sha256: str
    href: str
    pubs: list[int]


class Result(ServiceModel, frozen=True, rename="camel"):
    """Every pub's result or error, verified."""

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

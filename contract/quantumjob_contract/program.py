"""The accepted program: what is computed, with every default filled in and the seed fixed. Written once as JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from quantumjob_contract.backend import Backend
from quantumjob_contract.reference import ObjectRef

Format = Literal["OpenQASM2", "OpenQASM3", "QPY"]
Primitive = Literal["Sampler", "Estimator"]


class Circuit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A circuit: either `inline` (text; base64 for QPY) or an `object`."""

    format: Format
    inline: str | None = None
    object: ObjectRef | None = None


class Pub(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One unit of work, as in Qiskit's primitives: a circuit, values of its parameters, and what is wanted of them.

    Arrays are nested lists as the user wrote them; `arrays` knows their rules.
    """

    name: str
    circuit: Circuit
    shots: int = 0
    """Of a Sampler, for each point. An Estimator has a precision instead."""
    parameter_values: dict[str, Any] = {}
    observables: Any = None
    precision: float | None = None
    """Of an Estimator: standard deviation of each value; 0 is exact."""


class Program(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The program of one QuantumJob."""

    api_version: str
    uid: str
    namespace: str
    name: str
    primitive: Primitive
    seed: int
    pubs: list[Pub]
    backend: Backend = Backend()
    labels: dict[str, str] = {}
    created: str
    """Creation time of the resource, RFC 3339."""


def encode(value: msgspec.Struct) -> bytes:
    """JSON of a struct of this package: the same bytes for the same value."""
    return msgspec.json.encode(value, order="deterministic")


def decode_program(data: bytes) -> Program:
    """Read a program. Raises msgspec.ValidationError or msgspec.DecodeError for anything else."""
    return msgspec.json.decode(data, type=Program)

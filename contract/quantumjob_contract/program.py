"""The accepted program: what is computed, with every default filled in and the seed fixed. Written once as JSON."""

from __future__ import annotations

from typing import Literal

import msgspec

from quantumjob_contract.backend import Backend
from quantumjob_contract.reference import ObjectRef

Format = Literal["OpenQASM2", "OpenQASM3", "QPY"]


class Circuit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A circuit: either `inline` (text; base64 for QPY) or an `object`."""

    format: Format
    inline: str | None = None
    object: ObjectRef | None = None


class Pub(msgspec.Struct, frozen=True, omit_defaults=True):
    """One unit of work, as in Qiskit's primitives: a circuit and how often it is sampled."""

    name: str
    circuit: Circuit
    shots: int


class Program(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The program of one QuantumJob."""

    api_version: str
    uid: str
    namespace: str
    name: str
    primitive: Literal["Sampler"]
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

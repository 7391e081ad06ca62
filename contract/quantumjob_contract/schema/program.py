"""The accepted program: what is computed, with every default filled in and the seed fixed. Written once as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from quantumjob_contract import limits
from quantumjob_contract.keys import shard_count
from quantumjob_contract.schema import saved_arrays
from quantumjob_contract.schema.backend import Backend
from quantumjob_contract.schema.decoding import decode
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.saved_arrays import Save

Format = Literal["OpenQASM2", "OpenQASM3", "QPY"]
ListFormat = Literal["JSONLines", "QPY"]
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
    save: list[Save] = []
    """Of a Sampler: arrays of the state at the circuit's end, in the order of `saved.KINDS`."""


class PubsReference(msgspec.Struct, frozen=True, omit_defaults=True):
    """Pubs that an object in the circuits bucket lists, as it was when the job was accepted."""

    key: str
    sha256: str
    pubs: int
    shots: int
    """Of a Sampler's pub that gives none."""
    format: ListFormat = "JSONLines"
    parameters: ObjectRef | None = None
    """Of QPY: what belongs to its circuits, one in each line."""


class Program(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The program of one QuantumJob."""

    api_version: str
    uid: str
    namespace: str
    name: str
    primitive: Primitive
    seed: int
    pubs: list[Pub] = []
    listed: PubsReference | None = None
    """Where it is not here that they are listed."""
    parallelism: int = 1
    """Into how many shards the pubs are split, where there are as many."""
    backend: Backend = Backend()
    labels: dict[str, str] = {}
    created: str
    """Creation time of the resource, RFC 3339."""

    @property
    def total(self) -> int:
        """How many pubs it has."""
        return len(self.pubs) if self.listed is None else self.listed.pubs

    @property
    def shards(self) -> int:
        """How many shards its pubs are split into."""
        return shard_count(self.parallelism, self.total)

    def pub_name(self, index: int) -> str:
        """The name of a pub, as far as it is known without the object that lists it."""
        return self.pubs[index].name if self.listed is None else default_name(index)

    def indices(self, shard: int) -> range:
        """The pubs of a shard."""
        return range(shard, self.total, self.shards)


def default_name(index: int) -> str:
    """The name of a pub that has none."""
    return f"pub-{index}"


def new_pub(
    primitive: Primitive,
    default_shots: int,
    *,
    name: str,
    circuit: Circuit,
    shots: int | None,
    parameter_values: dict[str, Any],
    observables: Any,
    precision: float | None,
    save: Iterable[Save] = (),
) -> Pub:
    """A pub with every default filled in, from what its user gave."""
    if primitive == "Estimator" and precision is None:
        # So many shots would give a Pauli string's value to this standard error, at worst.
        precision = limits.DEFAULT_PRECISION if shots is None else shots**-0.5
    return Pub(
        name=name,
        circuit=circuit,
        shots=(default_shots if shots is None else shots) if primitive == "Sampler" else 0,
        parameter_values=parameter_values,
        observables=observables,
        precision=None if precision is None else float(precision),
        save=saved_arrays.in_order(save),
    )


def encode(value: msgspec.Struct) -> bytes:
    """JSON of a struct of this package: the same bytes for the same value."""
    return msgspec.json.encode(value, order="deterministic")


def decode_program(data: bytes) -> Program:
    """Read a program. Raises msgspec.DecodeError for anything else."""
    return decode(data, Program)

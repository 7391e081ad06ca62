"""The accepted program: all defaults filled in, the seed fixed. Stored once as JSON."""

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
    """A circuit, `inline` (text; base64 for QPY) or in an `object`."""

    format: Format
    inline: str | None = None
    object: ObjectRef | None = None


class Pub(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A pub of Qiskit's primitives: a circuit, values of its parameters, and shots or observables.

    Arrays are nested lists, as the user wrote them; `pubs.arrays` has their rules.
    """

    name: str
    circuit: Circuit
    shots: int = 0
    """Of a Sampler, for each point. An Estimator has `precision`."""
    parameter_values: dict[str, Any] = {}
    observables: Any = None
    precision: float | None = None
    """Of an Estimator: standard error of each value; 0 is exact."""
    save: list[Save] = []
    """Of a Sampler: arrays of the final state, in the order of `saved_arrays.KINDS`."""


class PubsReference(msgspec.Struct, frozen=True, omit_defaults=True):
    """The object of `pubsFrom` in the circuits bucket, with its sha256 and its number of pubs at acceptance."""

    key: str
    sha256: str
    pubs: int
    shots: int
    """Default of a Sampler's pubs."""
    format: ListFormat = "JSONLines"
    parameters: ObjectRef | None = None
    """Of QPY: an object of JSON Lines, with the values of each circuit in its line."""


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
    """Set where the pubs are listed in an object; `pubs` is empty then."""
    parallelism: int = 1
    """Number of shards, at most one for each pub."""
    backend: Backend = Backend()
    labels: dict[str, str] = {}
    created: str
    """Creation time of the resource, RFC 3339."""

    @property
    def total(self) -> int:
        """Number of pubs."""
        return len(self.pubs) if self.listed is None else self.listed.pubs

    @property
    def shards(self) -> int:
        """Number of shards."""
        return shard_count(self.parallelism, self.total)

    def pub_name(self, index: int) -> str:
        """Returns the name of a pub; its default where an object lists the pubs."""
        return self.pubs[index].name if self.listed is None else default_name(index)

    def indices(self, shard: int) -> range:
        """Returns the indices of a shard's pubs."""
        return range(shard, self.total, self.shards)


def default_name(index: int) -> str:
    """Returns the name of a pub without a name."""
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
    """Returns a pub with all defaults filled in."""
    if primitive == "Estimator" and precision is None:
        # The largest standard error of a Pauli string's value with this number of shots.
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
    """Encodes a struct as JSON: equal values give equal bytes."""
    return msgspec.json.encode(value, order="deterministic")


def decode_program(data: bytes) -> Program:
    """Decodes a program. Raises msgspec.DecodeError."""
    return decode(data, Program)

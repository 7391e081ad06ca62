"""Converts Qiskit's pubs to `spec.program`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import SparseObservable, SparsePauliOp

from quantumjob.rest.json_body import encoded
from quantumjob.submission import circuits
from quantumjob_contract import limits
from quantumjob_contract.schema.program import default_name

JSON = dict[str, Any]
MAX_ARRAYS: Final = 256 * limits.KIB
"""Largest size of all parameter values and observables in a QuantumJob, which etcd limits to 1.5 MiB."""
RESERVED: Final = frozenset({"shape", "ndim", "size", "items", "keys", "values", "self"})
"""Attributes of DataBin, which no register can be named by."""
Given = TypeVar("Given")
Made = TypeVar("Made")
_PAULIS: Final = re.compile(r"[IXYZ]+")
_AMBIGUOUS: Final = re.compile(r"\s.*|.*\s|.*,.*|.*\[\d*:\d+\]", re.DOTALL)
"""Names of parameters that would be parsed as several names, or stripped."""


def program(
    primitive: str, pubs: Sequence[JSON], files: Sequence[bytes], seed: int | None, upload: Callable[[bytes], str]
) -> JSON:
    """Returns `spec.program`; `upload` stores what exceeds a QuantumJob and returns its key."""
    listed: JSON
    if len(pubs) > limits.MAX_PUBS or len(encoded(pubs)) > MAX_ARRAYS:
        lines = [{"circuit": circuits.inline(data)} | pub for pub, data in zip(pubs, files, strict=True)]
        listed = {"pubsFrom": {"object": circuits.reference(b"\n".join(map(encoded, lines)), upload)}}
    else:
        placed = enumerate(zip(pubs, circuits.placed(files, upload), strict=True))
        listed = {"pubs": [{"name": default_name(i), "circuit": circuit} | pub for i, (pub, circuit) in placed]}
    shots = {pub.get("shots") for pub in pubs}
    common = {"shots": shots.pop()} if len(shots) == 1 and None not in shots else {}  # shown by kubectl
    return {"primitive": primitive} | common | listed | ({} if seed is None else {"seed": seed})


def convert_each(given: Iterable[Given], make: Callable[[Given], Made]) -> list[Made]:
    """Converts each pub. Adds the pub's index to an exception."""
    made = []
    for index, pub in enumerate(given):
        try:
            made.append(make(pub))
        except (TypeError, ValueError) as error:
            raise type(error)(f"Pub {index}: {error}") from error
    return made


def sampler_pub(pub: SamplerPub) -> JSON:
    """Returns all fields but the circuit. Raises ValueError."""
    for register in pub.circuit.cregs:
        if register.name in RESERVED:
            raise ValueError(f"Rename the register {register.name!r}: Qiskit's results cannot hold one of that name.")
    return {"shots": pub.shots} | _values(pub.parameter_values)


def estimator_pub(pub: EstimatorPub) -> JSON:
    """Returns all fields but the circuit. Raises ValueError."""
    return {"precision": pub.precision, "observables": observables(pub.observables)} | _values(pub.parameter_values)


def _values(given: BindingsArray) -> JSON:
    found = parameter_values(given)
    return {"parameterValues": found} if found else {}


def parameter_values(given: BindingsArray) -> JSON:
    """Returns `parameterValues`: nested lists by parameter names, whose axis is the last. Raises ValueError."""
    if given.num_parameters == 0 and given.shape:
        raise ValueError(f"The circuit has no parameters, but values of shape {given.shape}: leave them out.")
    for name in (name for names in given.data for name in names):
        if _AMBIGUOUS.fullmatch(name):
            raise ValueError(
                f"Rename the parameter {name!r}: a name cannot hold a comma or slice, or begin or end with a space."
            )
    if 0 in given.shape:
        raise ValueError(f"Parameter values of shape {given.shape} have no point: leave the pub out.")
    for names, values in given.data.items():
        if not np.isfinite(values).all():
            raise ValueError(f"A value of {', '.join(names)} is NaN or infinite. Give a finite one.")
    return {", ".join(names): values.tolist() for names, values in given.data.items()}


def observables(given: ObservablesArray) -> Any:
    """Returns nested observables as Pauli strings and weights."""
    return _paulis(given.tolist())


def _paulis(nested: Any) -> Any:
    if isinstance(nested, Mapping):
        return nested if all(map(_PAULIS.fullmatch, nested)) else _expanded(nested.items())
    return [_paulis(each) for each in nested]


def _expanded(terms: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Expands projectors (letters 0, 1, +, -, r, l) to sums of Pauli strings."""
    operator = SparsePauliOp.from_sparse_observable(SparseObservable.from_list(list(terms)).as_paulis()).simplify()
    return {pauli: float(weight.real) for pauli, weight in operator.to_list()}

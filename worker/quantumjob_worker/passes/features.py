"""Extracts the features of a circuit that the router and the cost model use, in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Final, Literal, NamedTuple

from qiskit import QuantumCircuit

from quantumjob_worker.passes.instruction_sets import CLASSICAL, CONTROL_FLOW, ERROR

NoiseKind = Literal["", "readout", "pauli", "general"]
"""No noise, readout errors only, with depolarizing noise, or with relaxation."""

MAX_PLAIN_QUBITS: Final = 4
_ONE_BIT: Final = frozenset(
    {"cx", "cy", "cz", "ch", "cp", "crx", "cry", "crz", "cu", "cu1", "cu3", "csx", "rzz", "rxx"}
)
"""Gates that at most double a bond; others may quadruple it."""


class Profile(NamedTuple):
    """Features of a normalized circuit."""

    qubits: int
    clbits: int
    gates: int
    long_gates: int
    """Gates on two or more qubits, each counted by the distance that it spans."""
    bond_bits: int
    """Upper bound for the logarithm of the bond dimension, from the gates that cross each cut."""
    clifford: bool
    dynamic: bool
    """Whether operations follow on a measurement, so that each shot is a separate run."""
    control_flow: bool
    shots: int
    measurements: int = 0
    errors: int = 0
    """Number of noise channels."""
    noise: NoiseKind = ""
    plain: bool = False
    """Whether there are only gates on few qubits, then measurements."""


def profile(circuit: QuantumCircuit, shots: int, *, clifford: bool = False, noise: NoiseKind = "") -> Profile:
    """Returns the features of a circuit, including its control-flow blocks."""
    names: set[str] = set()
    crossing = [0] * (circuit.num_qubits + 1)
    gates = long_gates = measurements = errors = 0
    measured: set[int] = set()
    touched: set[int] = set()
    dynamic = False
    widest = 0
    for name, qubits in _operations(circuit, list(range(circuit.num_qubits))):
        if name == "barrier":
            continue
        names.add(name)
        again = name == "initialize" and not touched.isdisjoint(qubits)  # it includes a reset
        dynamic = dynamic or name == "reset" or again or not measured.isdisjoint(qubits)
        touched.update(qubits)
        if name == "measure":
            measured.update(qubits)
            measurements += 1
            continue
        if name == ERROR:
            errors += 1
            continue
        gates += 1
        widest = max(widest, len(qubits))
        if len(qubits) > 1:
            long_gates += max(qubits) - min(qubits)  # swaps bring its qubits together
            weight = (1 if name in _ONE_BIT else 2) * (len(qubits) - 1)
            crossing[min(qubits)] += weight
            crossing[max(qubits)] -= weight
    width = circuit.num_qubits
    bonds = (min(bits, cut, width - cut) for cut, bits in enumerate(accumulate(crossing[:-1]), start=1))
    flow = not names.isdisjoint(CLASSICAL)
    return Profile(
        qubits=width,
        clbits=circuit.num_clbits,
        gates=gates,
        long_gates=long_gates,
        bond_bits=max(bonds, default=0),
        clifford=clifford,
        dynamic=dynamic or flow,
        control_flow=flow,
        shots=shots,
        measurements=measurements,
        errors=errors,
        noise=noise,
        plain=not (dynamic or flow or errors or noise) and widest <= MAX_PLAIN_QUBITS and "initialize" not in names,
    )


def _operations(circuit: QuantumCircuit, indices: list[int]) -> Iterable[tuple[str, list[int]]]:
    index = dict(zip(circuit.qubits, indices, strict=True))
    for instruction in circuit.data:
        qubits = [index[qubit] for qubit in instruction.qubits]
        name = instruction.name
        yield name, qubits if name not in CONTROL_FLOW else []
        if name in CONTROL_FLOW:
            for block in instruction.operation.blocks:
                yield from _operations(block, qubits)

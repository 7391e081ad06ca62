"""Which of Aer's methods runs a circuit: pure functions of the circuit and the memory limit, never of the moment.

Aer's own `automatic` never falls back to matrix product states, and goes by width alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Final, Literal, NamedTuple

from qiskit import QuantumCircuit

from quantumjob_contract.limits import MIB
from quantumjob_worker.genuine import CLIFFORD, CONTROL_FLOW

Method = Literal["statevector", "stabilizer", "matrix_product_state"]
METHODS: Final[tuple[Method, ...]] = ("statevector", "stabilizer", "matrix_product_state")

SMALL: Final = 10
"""Up to this width a statevector is so small that nothing is faster."""
CHEAP_SECONDS: Final = 2.0
"""A run estimated below this is not worth a search for something better."""
GATE_SECONDS: Final = 3e-7
AMPLITUDE_SECONDS: Final = 1e-9
"""A gate on a statevector costs the first, and the second for each amplitude [m]."""
MPS_GATE_SECONDS: Final = 1.5e-5
MPS_CUBE_SECONDS: Final = 2e-8
"""A gate on two qubits of a matrix product state costs the first, and the second times the cube of the bond [m]."""
MPS_SAMPLE_SECONDS: Final = 2.5e-6
MPS_SQUARE: Final = 200
"""One qubit of one shot costs the first, and as much again for each 200 of the bond's square [m]."""
STABILIZER_SECONDS: Final = 1.5e-10
"""One shot costs this times the cube of the width [m]."""
SMALLEST_PROBE: Final = 8
LARGEST_PROBE: Final = 64
"""Bonds up to which a matrix product state is tried where another method would do as well."""
LARGEST_BOND: Final = 128
"""Above it a gate takes long (40 ms [m]), and a circuit that needs more soon needs far more."""
LOG_BYTES: Final = 64 * MIB
"""Aer's log of bond dimensions, by which a run is known to be exact, must not become larger."""

_ONE_BIT: Final = frozenset(
    {"cx", "cy", "cz", "ch", "cp", "crx", "cry", "crz", "cu", "cu1", "cu3", "csx", "rzz", "rxx"}
)
"""Gates that at most double a bond; others may quadruple it."""


class Profile(NamedTuple):
    """What the choice goes by."""

    qubits: int
    clbits: int
    gates: int
    long_gates: int
    """Those on two qubits or more, each as often as the places that it spans."""
    bond_bits: int
    """Upper bound for the logarithm of the bond dimension, from the gates that cross each cut."""
    clifford: bool
    dynamic: bool
    """Each shot is a run of its own: something follows on a measurement."""
    control_flow: bool
    shots: int


class Plan(NamedTuple):
    """How to run it."""

    method: Method
    bond_limit: int | None = None
    """Try with this limit, exact if it is not reached. Reached: `otherwise`."""
    otherwise: Method | None = None


def statevector_bytes(qubits: int) -> int:
    return 16 << qubits


def available(memory: int) -> int:
    """Of a pub's memory, what a state may take: the rest is for the circuit and the result."""
    return memory * 7 // 8


def profile(circuit: QuantumCircuit, shots: int) -> Profile:
    """Go through the circuit once, and through its blocks."""
    names: set[str] = set()
    crossing = [0] * (circuit.num_qubits + 1)
    gates = long_gates = 0
    measured: set[int] = set()
    dynamic = False
    for name, qubits in _operations(circuit, list(range(circuit.num_qubits))):
        if name == "barrier":
            continue
        names.add(name)
        dynamic = dynamic or name == "reset" or not measured.isdisjoint(qubits)
        if name == "measure":
            measured.update(qubits)
            continue
        gates += 1
        if len(qubits) > 1:
            long_gates += max(qubits) - min(qubits)  # it is brought next to each other by swaps
            weight = (1 if name in _ONE_BIT else 2) * (len(qubits) - 1)
            crossing[min(qubits)] += weight
            crossing[max(qubits)] -= weight
    width = circuit.num_qubits
    bonds = (min(bits, cut, width - cut) for cut, bits in enumerate(accumulate(crossing[:-1]), start=1))
    flow = not names.isdisjoint(CONTROL_FLOW)
    return Profile(
        qubits=width,
        clbits=circuit.num_clbits,
        gates=gates,
        long_gates=long_gates,
        bond_bits=max(bonds, default=0),
        clifford=names <= CLIFFORD | {"measure", "reset", "pauli"},
        dynamic=dynamic or flow,
        control_flow=flow,
        shots=shots,
    )


def choose(circuit: Profile, memory: int) -> Plan | None:
    """The plan; None where no method can hold the state."""
    room = available(memory)
    fits = circuit.qubits < 60 and statevector_bytes(circuit.qubits) <= room
    if fits and circuit.qubits <= SMALL:
        return Plan("statevector")
    known = exact_methods(circuit, room, fits=fits)
    best = min(known, key=known.__getitem__, default=None)
    if best is not None and (known[best] <= CHEAP_SECONDS or circuit.clifford):
        return Plan(best)
    logged = not circuit.dynamic and circuit.long_gates * (40 + 4 * circuit.qubits) <= LOG_BYTES
    if best is None:
        limit = min(largest_bond(circuit.qubits, room), LARGEST_BOND)
        return None if limit < 2 else Plan("matrix_product_state", limit if logged else None)
    bond = probe_bond(known[best] / max(1, circuit.long_gates))
    if logged and bond >= SMALLEST_PROBE and best != "matrix_product_state":
        return Plan("matrix_product_state", bond, best)
    return Plan(best)


def exact_methods(circuit: Profile, room: int, *, fits: bool) -> dict[Method, float]:
    """The methods that surely hold the state in this room, with the seconds that they may take."""
    known: dict[Method, float] = {}
    if fits:
        known["statevector"] = statevector_seconds(circuit)
    if circuit.clifford:
        known["stabilizer"] = circuit.shots * circuit.qubits**3 * STABILIZER_SECONDS
    if circuit.bond_bits < 30 and mps_bytes(circuit.qubits, 1 << circuit.bond_bits) <= room:
        known["matrix_product_state"] = mps_seconds(circuit, 1 << circuit.bond_bits)
    return known


def statevector_seconds(circuit: Profile) -> float:
    runs = circuit.shots if circuit.dynamic else 1
    return float(runs * circuit.gates * (GATE_SECONDS + AMPLITUDE_SECONDS * 2 ** min(circuit.qubits, 60)))


def mps_seconds(circuit: Profile, bond: int) -> float:
    runs = circuit.shots if circuit.dynamic else 1
    sampling = circuit.shots * circuit.qubits * MPS_SAMPLE_SECONDS * (1 + bond**2 / MPS_SQUARE)
    return runs * circuit.long_gates * (MPS_GATE_SECONDS + MPS_CUBE_SECONDS * bond**3) + sampling


def probe_bond(gate_seconds: float) -> int:
    """The power of two up to which a gate on a matrix product state costs no more than this."""
    bond = 1
    while MPS_GATE_SECONDS + MPS_CUBE_SECONDS * (2 * bond) ** 3 <= gate_seconds and bond < LARGEST_PROBE:
        bond *= 2
    return bond


def mps_bytes(qubits: int, bond: int) -> int:
    """Two matrices a qubit, and working copies of them while a gate is applied."""
    return 4 * 32 * qubits * bond**2


def largest_bond(qubits: int, room: int) -> int:
    return int((room / mps_bytes(qubits, 1)) ** 0.5)


def _operations(circuit: QuantumCircuit, indices: list[int]) -> Iterable[tuple[str, list[int]]]:
    index = dict(zip(circuit.qubits, indices, strict=True))
    for instruction in circuit.data:
        qubits = [index[qubit] for qubit in instruction.qubits]
        name = instruction.name
        yield name, qubits if name not in CONTROL_FLOW else []
        if name in CONTROL_FLOW:
            for block in instruction.operation.blocks:
                yield from _operations(block, qubits)

"""The cost model: seconds and bytes of a run, by method. Pure; each constant was measured on one core [m]."""

from __future__ import annotations

from typing import Final

from quantumjob_contract.limits import MIB
from quantumjob_worker.passes.features import Profile

CALL_SECONDS: Final = 4e-4
"""One call of Aer, whatever it runs."""
ASSEMBLY_SECONDS: Final = 1e-5
"""To hand a gate over to Aer, once."""
SHOT_SECONDS: Final = 1e-6
"""One shot's bits, from Aer to a packed array."""
TRAJECTORY_SECONDS: Final = 1e-5
"""One run of a circuit that is run anew for each shot, besides its gates."""
GATE_SECONDS: Final = 3e-7
AMPLITUDE_SECONDS: Final = 1e-9
"""A gate on a statevector costs the first, and the second for each amplitude."""
DENSITY_SECONDS: Final = 2e-9
"""A gate on a density matrix, for each of its entries."""
ERROR_SECONDS: Final = 2.5e-6
"""A place of noise costs each trajectory this, besides a gate: a draw, and what it leads to."""
ERROR_PART: Final = 6
"""A place of noise costs a density matrix as much as this many gates."""
MPS_GATE_SECONDS: Final = 1.5e-5
MPS_CUBE_SECONDS: Final = 2e-8
"""A gate on two qubits of a matrix product state costs the first, and the second times the cube of the bond."""
MPS_SAMPLE_SECONDS: Final = 2.5e-6
MPS_SQUARE: Final = 200
"""One qubit of one shot costs the first, and as much again for each 200 of the bond's square."""
STABILIZER_SECONDS: Final = 1.5e-10
"""One shot costs this times the cube of the width."""
LARGEST_PROBE: Final = 64
"""Bonds up to which a matrix product state is tried where another method would do as well."""
LARGEST_BOND: Final = 128
"""Above it a gate takes long (40 ms), and a circuit that needs more soon needs far more."""
LOG_BYTES: Final = 64 * MIB
"""Aer's log of bond dimensions, by which a run is known to be exact, must not become larger."""


def available(memory: int) -> int:
    """Of a pub's memory, what a state may take: the rest is for the circuit and the result."""
    return memory * 7 // 8


def statevector_bytes(qubits: int) -> int:
    return 16 << qubits


def density_matrix_bytes(qubits: int) -> int:
    return 16 << 2 * qubits


def mps_bytes(qubits: int, bond: int) -> int:
    """Two matrices a qubit, and working copies of them while a gate is applied."""
    return 4 * 32 * qubits * bond**2


def stabilizer_bytes(qubits: int) -> int:
    """A tableau of bits, and a copy."""
    return qubits**2 + MIB


def largest_bond(qubits: int, room: int) -> int:
    return int((room / mps_bytes(qubits, 1)) ** 0.5)


def statevector_seconds(circuit: Profile) -> float:
    amplitudes = 2 ** min(circuit.qubits, 60)
    operations = circuit.gates + circuit.errors
    one = TRAJECTORY_SECONDS + operations * (GATE_SECONDS + AMPLITUDE_SECONDS * amplitudes)
    one += circuit.errors * ERROR_SECONDS
    return float(CALL_SECONDS + _assembly(circuit) + _runs(circuit) * one + circuit.shots * SHOT_SECONDS)


def density_matrix_seconds(circuit: Profile) -> float:
    """Noise is part of the state, so one run serves all shots, where nothing follows on a measurement."""
    runs = circuit.shots if circuit.dynamic else 1
    operations = circuit.gates + ERROR_PART * circuit.errors
    one = TRAJECTORY_SECONDS + operations * (GATE_SECONDS + DENSITY_SECONDS * 4 ** min(circuit.qubits, 30))
    return float(CALL_SECONDS + _assembly(circuit) + runs * one + circuit.shots * SHOT_SECONDS)


def stabilizer_seconds(circuit: Profile) -> float:
    one = circuit.qubits**3 * STABILIZER_SECONDS + SHOT_SECONDS
    gates = _runs(circuit) * (circuit.gates + circuit.errors) * GATE_SECONDS
    return CALL_SECONDS + _assembly(circuit) + circuit.shots * one + gates


def mps_seconds(circuit: Profile, bond: int) -> float:
    sampling = circuit.shots * circuit.qubits * MPS_SAMPLE_SECONDS * (1 + bond**2 / MPS_SQUARE)
    one = circuit.long_gates * (MPS_GATE_SECONDS + MPS_CUBE_SECONDS * bond**3) + circuit.errors * MPS_GATE_SECONDS
    return CALL_SECONDS + _assembly(circuit) + _runs(circuit) * one + sampling


def probe_bond(gate_seconds: float) -> int:
    """The power of two up to which a gate on a matrix product state costs no more than this."""
    bond = 1
    while MPS_GATE_SECONDS + MPS_CUBE_SECONDS * (2 * bond) ** 3 <= gate_seconds and bond < LARGEST_PROBE:
        bond *= 2
    return bond


def _assembly(circuit: Profile) -> float:
    return (circuit.gates + circuit.errors) * ASSEMBLY_SECONDS


def _runs(circuit: Profile) -> int:
    return circuit.shots if circuit.dynamic or circuit.errors else 1

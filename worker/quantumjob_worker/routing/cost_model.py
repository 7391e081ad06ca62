"""The cost model: seconds and bytes of a run by each method of Aer. Constants were measured on one core [m]."""

from __future__ import annotations

from typing import Final

from quantumjob_contract.limits import MIB
from quantumjob_worker.passes.features import Profile

CALL_SECONDS: Final = 4e-4
"""Fixed time of a call of Aer."""
ASSEMBLY_SECONDS: Final = 1e-5
"""Time to add a gate to Aer's circuit."""
SHOT_SECONDS: Final = 1e-6
"""Time of a shot's bits, from Aer to a packed array."""
TRAJECTORY_SECONDS: Final = 1e-5
"""Fixed time of one trajectory, without its gates."""
GATE_SECONDS: Final = 3e-7
AMPLITUDE_SECONDS: Final = 1e-9
"""Time of a gate on a statevector: the first, and the second for each amplitude."""
DENSITY_SECONDS: Final = 2e-9
"""Time of a gate on a density matrix for each entry."""
ERROR_SECONDS: Final = 2.5e-6
"""Time of a noise channel for each trajectory, in addition to a gate."""
ERROR_PART: Final = 6
"""Time of a noise channel on a density matrix, in gates."""
MPS_GATE_SECONDS: Final = 1.5e-5
MPS_CUBE_SECONDS: Final = 2e-8
"""Time of a two-qubit gate on a matrix product state: the first, and the second times the cubed bond."""
MPS_SAMPLE_SECONDS: Final = 2.5e-6
MPS_SQUARE: Final = 200
"""Time of a qubit of a shot: the first, and as much again for each 200 of the squared bond."""
STABILIZER_SECONDS: Final = 1.5e-10
"""Time of a shot for the cubed width."""
LARGEST_PROBE: Final = 64
"""Largest bond of a matrix product state that is tried before another method that fits."""
LARGEST_BOND: Final = 128
"""Above this bond a gate takes more than 40 ms, and bonds usually grow much further."""
LOG_BYTES: Final = 64 * MIB
"""Largest log of bond dimensions, which shows whether a run was exact."""


def available(memory: int) -> int:
    """Returns the bytes for a state: the rest of a pub's memory is for circuit and result."""
    return memory * 7 // 8


def statevector_bytes(qubits: int) -> int:
    return 16 << qubits


def density_matrix_bytes(qubits: int) -> int:
    return 16 << 2 * qubits


def mps_bytes(qubits: int, bond: int) -> int:
    """Returns the bytes of two matrices for each qubit, with working copies while a gate is applied."""
    return 4 * 32 * qubits * bond**2


def stabilizer_bytes(qubits: int) -> int:
    """Returns the bytes of a tableau and a copy."""
    return qubits**2 + MIB


def largest_bond(qubits: int, memory: int) -> int:
    return int((memory / mps_bytes(qubits, 1)) ** 0.5)


def statevector_seconds(circuit: Profile) -> float:
    amplitudes = 2 ** min(circuit.qubits, 60)
    operations = circuit.gates + circuit.errors
    one = TRAJECTORY_SECONDS + operations * (GATE_SECONDS + AMPLITUDE_SECONDS * amplitudes)
    one += circuit.errors * ERROR_SECONDS
    return float(CALL_SECONDS + _assembly(circuit) + _runs(circuit) * one + circuit.shots * SHOT_SECONDS)


def density_matrix_seconds(circuit: Profile) -> float:
    """Returns the seconds of a run. Noise is part of the state, so one run gives all shots unless it is dynamic."""
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
    """Returns the largest power of two as bond with which a gate takes at most this time."""
    bond = 1
    while MPS_GATE_SECONDS + MPS_CUBE_SECONDS * (2 * bond) ** 3 <= gate_seconds and bond < LARGEST_PROBE:
        bond *= 2
    return bond


def _assembly(circuit: Profile) -> float:
    return (circuit.gates + circuit.errors) * ASSEMBLY_SECONDS


def _runs(circuit: Profile) -> int:
    return circuit.shots if circuit.dynamic or circuit.errors else 1

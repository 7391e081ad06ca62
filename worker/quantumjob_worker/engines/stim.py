"""stim: Clifford circuits, with mid-circuit measurements and resets, Pauli noise and readout errors.

No classical control: in stim's circuits a measurement can control Pauli gates only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import stim
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction

from quantumjob_contract.schema.results import Why
from quantumjob_worker.engines.base import Bits, Run, Sampled, packed_bytes
from quantumjob_worker.passes.features import Profile
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.passes.instruction_sets import ERROR
from quantumjob_worker.routing.router import Plan

BITS: Final = 1 << 22
"""Measured bits that are unpacked at once. Constant, since the random numbers of readout errors depend on it."""
CALL_SECONDS: Final = 6e-5
GATE_SECONDS: Final = 1e-6
"""Time to add a gate to stim's circuit."""
TABLEAU_SECONDS: Final = 2e-12
"""Time of the reference sample for each measurement and squared width."""
FRAME_SECONDS: Final = 8e-12
"""Time of a gate for each shot."""
SHOT_SECONDS: Final = 5e-8
BIT_SECONDS: Final = 4e-9
"""Time of a measured bit, from stim to the result."""

_GATES: Final = {
    "id": "I", "x": "X", "y": "Y", "z": "Z", "h": "H", "s": "S", "sdg": "S_DAG", "sx": "SQRT_X", "sxdg": "SQRT_X_DAG",
    "cx": "CX", "cy": "CY", "cz": "CZ", "swap": "SWAP", "iswap": "ISWAP", "reset": "R",
}  # fmt: skip


class Stim:
    """The engine for Clifford circuits. Its bits depend on its version."""

    name = "stim"
    version = f"{stim.__version__}+{stim.Circuit.__module__.rpartition('_')[2]}"
    """Version and vector width of the build: `sse2` on x86-64, `polyfill` elsewhere."""
    precision = "exact"

    def bid(self, circuit: Profile) -> Plan | None:
        if not circuit.clifford or circuit.control_flow or circuit.noise == "general":
            return None
        gates = circuit.gates + circuit.errors
        seconds = (
            CALL_SECONDS
            + gates * GATE_SECONDS
            + circuit.measurements * circuit.qubits**2 * TABLEAU_SECONDS
            + circuit.shots * (SHOT_SECONDS + gates * FRAME_SECONDS + circuit.measurements * BIT_SECONDS)
        )
        needed = circuit.qubits**2 + 8 * BITS + circuit.shots * packed_bytes(circuit.clbits)
        return Plan(self.name, "stabilizer", Why.CLIFFORD, seconds, needed)

    def sample(self, circuit: QuantumCircuit, plan: Plan, run: Run) -> Sampled:
        program, measured = written(circuit, run.errors)
        sampler = stim.Circuit(program).compile_sampler(seed=run.seed)
        flips = _readout(run.errors, measured, run.seed)
        newest = {clbit: at for at, (_, clbit) in enumerate(measured)}
        columns, positions = list(newest), list(newest.values())
        width = 8 * packed_bytes(circuit.num_clbits)
        rows = max(1, BITS // max(1, len(measured)))
        parts: list[Bits] = []
        for start in range(0, run.shots, rows):
            raw = sampler.sample(min(rows, run.shots - start), bit_packed=True)
            bits = np.unpackbits(raw, axis=1, count=len(measured), bitorder="little")
            bits = flips(bits)
            memory = np.zeros((len(bits), width), np.uint8)
            memory[:, [width - 1 - clbit for clbit in columns]] = bits[:, positions]
            parts.append(np.packbits(memory, axis=1))
        return Sampled(np.concatenate(parts), plan.method)


def written(circuit: QuantumCircuit, errors: NoiseChannels | None) -> tuple[str, list[tuple[int, int]]]:
    """Returns the circuit in stim's language, and qubit and classical bit of each measurement in order."""
    qubits = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    clbits = {clbit: index for index, clbit in enumerate(circuit.clbits)}
    lines: list[str] = []
    measured: list[tuple[int, int]] = []
    for instruction in circuit.data:
        on = [qubits[qubit] for qubit in instruction.qubits]
        name = instruction.name
        if name == "measure":
            measured.append((on[0], clbits[instruction.clbits[0]]))
            lines.append(f"M {on[0]}")
        elif name == ERROR:
            lines.append(_depolarizing(errors, instruction, on))
        elif name in _GATES:
            lines.append(f"{_GATES[name]} {' '.join(map(str, on))}")
        elif name != "barrier":
            lines.extend(_composed(instruction, on))
    return "\n".join(lines), measured


def _composed(instruction: CircuitInstruction, on: list[int]) -> Iterator[str]:
    """Composes gates that stim does not have."""
    match instruction.name:
        case "dcx":
            yield f"CX {on[0]} {on[1]} {on[1]} {on[0]}"
        case "ecr":
            yield from (f"S {on[0]}", f"SQRT_X {on[1]}", f"CX {on[0]} {on[1]}", f"X {on[0]}")
        case "pauli":
            label: str = instruction.params[0]
            yield from (f"{pauli} {qubit}" for pauli, qubit in zip(reversed(label), on, strict=True))
        case _:
            raise ValueError


def _depolarizing(errors: NoiseChannels | None, instruction: CircuitInstruction, on: list[int]) -> str:
    """Converts Qiskit's probability, which includes the identity, to stim's, which is of the other Paulis."""
    if errors is None:
        raise ValueError
    paulis = 4 ** len(on)
    probability = errors.depolarizing[instruction.operation.label] * (paulis - 1) / paulis
    return f"DEPOLARIZE{len(on)}({probability:.17g}) {' '.join(map(str, on))}"


def _readout(errors: NoiseChannels | None, measured: list[tuple[int, int]], seed: int) -> Callable[[Bits], Bits]:
    """Returns a function that applies readout errors to measured bits, a column for each measurement."""
    pairs = [errors.readout[qubit] for qubit, _ in measured] if errors is not None else []
    if not any(one or zero for one, zero in pairs):
        return lambda bits: bits
    as_one, as_zero = (np.array(column, np.float32) for column in zip(*pairs, strict=True))
    generator = np.random.default_rng(seed)

    def flipped(bits: Bits) -> Bits:
        chance: NDArray[np.float32] = generator.random(bits.shape, np.float32)
        return bits ^ (chance < np.where(bits, as_zero, as_one)).astype(np.uint8)

    return flipped

"""A small circuit of plain gates on Aer's state itself: what Aer's simulator gives, in half its time or less.

The simulator makes a text of each shot by a stream, counts it and lists it, and an object of each gate and of each
value that is saved, all of which costs more than the simulation. Whatever is not plain, or larger, is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression
from qiskit_aer.backends.controller_wrappers import AerStateWrapper as State

from quantumjob_worker.engines.aer_state_gates import GATES, Apply
from quantumjob_worker.engines.base import Bits, packed_bytes
from quantumjob_worker.passes import instruction_sets

SERIAL: Final = 15
"""Below this many qubits Aer updates and samples a statevector by one thread, however many it has, and fuses no gates.
"""
CHUNK: Final = 1 << 14
"""Shots unpacked at a time: a bit takes a byte then."""

KNOWN: Final = frozenset(GATES) | {"measure", "barrier"}


class GateCall(NamedTuple):
    """One gate."""

    apply: Apply
    qubits: list[int]
    angles: list[float | ParameterExpression]


class GateCalls(NamedTuple):
    """A circuit as it is done on a state."""

    gates: list[GateCall]
    measured: dict[int, int]
    """Of each classical bit the qubit that it has at the end."""
    qubits: int
    clbits: int

    @classmethod
    def of(cls, circuit: QuantumCircuit) -> Self | None:
        """None where there is more than GATES on a few qubits, all of which are measured at last, or none."""
        if circuit.num_qubits >= SERIAL or not instruction_sets.names(circuit) <= KNOWN:
            return None
        qubit = {bit: index for index, bit in enumerate(circuit.qubits)}
        clbit = {bit: index for index, bit in enumerate(circuit.clbits)}
        gates: list[GateCall] = []
        measured: dict[int, int] = {}
        done: set[int] = set()
        for instruction in circuit.data:
            on = [qubit[bit] for bit in instruction.qubits]
            if instruction.name == "measure":
                measured[clbit[instruction.clbits[0]]] = on[0]
                done.update(on)
            elif instruction.is_standard_gate():
                if not done.isdisjoint(on):
                    return None
                gates.append(GateCall(GATES[instruction.name], on, list(map(_angle, instruction.params))))
            elif instruction.name != "barrier":
                return None
        if done and len(done) < circuit.num_qubits:
            return None
        return cls(gates, measured, circuit.num_qubits, circuit.num_clbits)

    def sample(self, shots: int, seed: int, at: Mapping[Any, float]) -> Bits:
        """Bits of the shots, in the simulator's order, where the angles that are no numbers have these values."""
        state = self._done(at)
        state.set_seed(seed)
        return self._packed(state.sample_memory(range(self.qubits), shots))

    def vector(self, at: Mapping[Any, float]) -> NDArray[np.complex128]:
        """Of shape (2**qubits,), up to a global phase, where the angles that are no numbers have these values."""
        vector: NDArray[np.complex128] = self._done(at).move_to_ndarray()
        return vector

    def _done(self, at: Mapping[Any, float]) -> State:
        state = State()
        state.configure("method", "statevector")
        state.configure("parallel_state_update", "1")  # threads, else those of the machine
        state.allocate_qubits(self.qubits)
        state.initialize()
        for apply, on, angles in self.gates:
            apply(state, on, *(at.get(angle, angle) for angle in angles))  # a number is its own value
        return state

    def _packed(self, memory: list[str]) -> Bits:
        """Of each shot a digit for each qubit, qubit 0 the last; the simulator takes the shots from the last on."""
        size = packed_bytes(self.clbits)
        columns = [self.qubits - 1 - qubit for qubit in self.measured.values()]
        places = [8 * size - 1 - clbit for clbit in self.measured]
        bits = np.zeros((len(memory), size), np.uint8)
        for start in range(0, len(memory), CHUNK):
            digits = np.frombuffer("".join(memory[start : start + CHUNK]).encode(), np.uint8)
            digits = digits.reshape(-1, self.qubits)
            unpacked = np.zeros((len(digits), 8 * size), np.uint8)
            unpacked[:, places] = digits[:, columns] & 1
            bits[start : start + len(digits)] = np.packbits(unpacked, axis=1)
        return bits[::-1]


def _angle(given: Any) -> float | ParameterExpression:
    return given if isinstance(given, ParameterExpression) and given.parameters else float(given)

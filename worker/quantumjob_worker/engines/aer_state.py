"""Runs a small circuit of standard gates on Aer's state class: the simulator's bits in at most half of its time.

The simulator formats, counts and lists each shot as text, and creates objects for gates and saved values, which takes
longer than the simulation. All other circuits run in the simulator.
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
"""Below this width Aer uses one thread for a statevector, and fuses no gates."""
CHUNK: Final = 1 << 14
"""Shots that are unpacked at once, at a byte for each bit."""

KNOWN: Final = frozenset(GATES) | {"measure", "barrier"}


class GateCall(NamedTuple):
    """One gate as a call of the state."""

    apply: Apply
    qubits: list[int]
    angles: list[float | ParameterExpression]


class GateCalls(NamedTuple):
    """A circuit as a list of calls of the state."""

    gates: list[GateCall]
    measured: dict[int, int]
    """The measured qubit of each classical bit."""
    qubits: int
    clbits: int

    @classmethod
    def of(cls, circuit: QuantumCircuit) -> Self | None:
        """Returns the calls; None unless the circuit is small, has only GATES, and measures all or none at its end."""
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
        """Returns the bits of the shots in the simulator's order, with these values of unbound angles."""
        state = self._done(at)
        state.set_seed(seed)
        return self._packed(state.sample_memory(range(self.qubits), shots))

    def vector(self, at: Mapping[Any, float]) -> NDArray[np.complex128]:
        """Returns the state of shape (2**qubits,), up to a global phase, with these values of unbound angles."""
        vector: NDArray[np.complex128] = self._done(at).move_to_ndarray()
        return vector

    def _done(self, at: Mapping[Any, float]) -> State:
        state = State()
        state.configure("method", "statevector")
        state.configure("parallel_state_update", "1")  # otherwise all CPUs of the node
        state.allocate_qubits(self.qubits)
        state.initialize()
        for apply, on, angles in self.gates:
            apply(state, on, *(at.get(angle, angle) for angle in angles))  # a number stands for itself
        return state

    def _packed(self, memory: list[str]) -> Bits:
        """Packs shots of a digit for each qubit, qubit 0 last. The simulator returns the last shot first."""
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

"""A small circuit of plain gates on Aer's state itself: what Aer's simulator gives, in half its time or less.

The simulator makes a text of each shot by a stream, counts it and lists it, and an object of each gate and of each
value that is saved, all of which costs more than the simulation. Whatever is not plain, or larger, is left to it.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping
from qiskit_aer.backends.controller_wrappers import AerStateWrapper as State

from quantumjob_worker import genuine
from quantumjob_worker.engines.base import Bits, packed_bytes

FUSED: Final = 15
"""From this many qubits on the simulator fuses gates, and has several threads."""
CHUNK: Final = 1 << 14
"""Shots unpacked at a time: a bit takes a byte then."""
PI: Final = math.pi

Apply = Callable[..., object]
"""To a state, on these qubits, by these angles: a gate, up to a global phase."""


def _turn(theta: float, phi: float, lam: float) -> Apply:
    return lambda state, on: state.apply_u(*on, theta, phi, lam)


def _phase(angle: float) -> Apply:
    return lambda state, on: state.apply_mcphase(on, angle)


def _rzz(state: State, on: list[int], angle: float) -> None:
    same, other = cmath.exp(-0.5j * angle), cmath.exp(0.5j * angle)
    state.apply_diagonal(on, [same, other, other, same])


def _matrix(name: str) -> Apply:
    gate = get_standard_gate_name_mapping()[name].base_class
    return lambda state, on, *angles: state.apply_unitary(on, gate(*angles).to_matrix())


GATES: Final[dict[str, Apply]] = {
    "id": lambda _state, _on: None,
    "x": lambda state, on: state.apply_x(*on),
    "y": lambda state, on: state.apply_y(*on),
    "z": lambda state, on: state.apply_z(*on),
    "h": lambda state, on: state.apply_h(*on),
    "s": _phase(PI / 2),
    "sdg": _phase(-PI / 2),
    "t": _phase(PI / 4),
    "tdg": _phase(-PI / 4),
    **dict.fromkeys(("p", "u1", "rz", "cp", "cu1"), State.apply_mcphase),
    "sx": _turn(PI / 2, -PI / 2, PI / 2),
    "sxdg": _turn(-PI / 2, -PI / 2, PI / 2),
    "rx": lambda state, on, angle: state.apply_u(*on, angle, -PI / 2, PI / 2),
    "ry": lambda state, on, angle: state.apply_u(*on, angle, 0, 0),
    "r": lambda state, on, angle, axis: state.apply_u(*on, angle, axis - PI / 2, PI / 2 - axis),
    "u2": lambda state, on, phi, lam: state.apply_u(*on, PI / 2, phi, lam),
    **dict.fromkeys(("u", "u3"), lambda state, on, *angles: state.apply_u(*on, *angles)),
    "cx": State.apply_cx,
    "cy": State.apply_cy,
    "cz": State.apply_cz,
    "csx": lambda state, on: state.apply_mcu(on, PI / 2, -PI / 2, PI / 2, PI / 4),
    "crx": lambda state, on, angle: state.apply_mcu(on, angle, -PI / 2, PI / 2, 0),
    "cry": lambda state, on, angle: state.apply_mcu(on, angle, 0, 0, 0),
    "crz": lambda state, on, angle: state.apply_mcu(on, 0, 0, angle, -angle / 2),
    "cu": State.apply_mcu,
    "cu3": lambda state, on, *angles: state.apply_mcu(on, *angles, 0),
    "ccx": State.apply_mcx,
    "ccz": State.apply_mcz,
    **dict.fromkeys(("swap", "cswap"), State.apply_mcswap),
    "rzz": _rzz,
    **{name: _matrix(name) for name in ("ecr", "rxx", "ryy", "rzx")},
}
KNOWN: Final = frozenset(GATES) | {"measure", "barrier"}


class Step(NamedTuple):
    """One gate."""

    apply: Apply
    qubits: list[int]
    angles: list[float | Parameter]


class Steps(NamedTuple):
    """A circuit as it is done on a state."""

    gates: list[Step]
    measured: dict[int, int]
    """Of each classical bit the qubit that it has at the end."""
    qubits: int
    clbits: int

    @classmethod
    def of(cls, circuit: QuantumCircuit) -> Self | None:
        """None where there is more than the gates above on a few qubits, all of which are measured at last, or none.

        Each angle is a number, or a parameter alone.
        """
        if circuit.num_qubits >= FUSED or circuit.num_vars or not genuine.names(circuit) <= KNOWN:
            return None
        qubit = {bit: index for index, bit in enumerate(circuit.qubits)}
        clbit = {bit: index for index, bit in enumerate(circuit.clbits)}
        gates: list[Step] = []
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
                angles = [each if isinstance(each, Parameter) else float(each) for each in instruction.params]
                gates.append(Step(GATES[instruction.name], on, angles))
            elif instruction.name != "barrier":
                return None
        if done and len(done) < circuit.num_qubits:
            return None
        return cls(gates, measured, circuit.num_qubits, circuit.num_clbits)

    def sample(self, shots: int, seed: int, at: Mapping[Any, float]) -> Bits:
        """Bits of the shots, in the simulator's order, where the parameters have these values."""
        state = self._done(at)
        state.set_seed(seed)
        return self._packed(state.sample_memory(range(self.qubits), shots))

    def vector(self, at: Mapping[Any, float]) -> NDArray[np.complex128]:
        """Of shape (2**qubits,), up to a global phase, where the parameters have these values."""
        vector: NDArray[np.complex128] = self._done(at).move_to_ndarray()
        return vector

    def _done(self, at: Mapping[Any, float]) -> State:
        state = State()
        state.configure("method", "statevector")
        state.configure("parallel_state_update", "1")  # threads, else those of the machine
        state.allocate_qubits(self.qubits)
        state.initialize()
        for apply, on, angles in self.gates:
            apply(state, on, *(at.get(angle, angle) for angle in angles))
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

"""Rewrites a Clifford circuit to the gates of stabilizer methods: rotations by quarter turns become Clifford gates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Gate
from qiskit.circuit.library import CXGate, CZGate, HGate, SdgGate, SGate, SXdgGate, SXGate, XGate, YGate, ZGate

from quantumjob_worker.passes import instruction_sets
from quantumjob_worker.passes.instruction_sets import CLIFFORD, CONTROL_FLOW, ERROR

KEPT: Final = CLIFFORD | {
    "iswap", "dcx", "pauli", "measure", "reset", "barrier", "store", "break_loop", "continue_loop", ERROR,
}  # fmt: skip
TOLERANCE: Final = 1e-9
"""Of an angle in quarter turns. A smaller difference cannot be detected with any number of shots."""

Parts = list[tuple[Gate, tuple[int, ...]]]

_Z: Final = ((), (SGate(),), (ZGate(),), (SdgGate(),))
_X: Final = ((), (SXGate(),), (XGate(),), (SXdgGate(),))
_Y: Final = ((), (ZGate(), HGate()), (YGate(),), (HGate(), ZGate()))
"""Gates by quarter turns about each axis, up to a global phase, in order of application."""


def rewrite(circuit: QuantumCircuit) -> QuantumCircuit | None:
    """Returns the circuit in Clifford gates; None if it has other gates."""
    names = instruction_sets.names(circuit)
    if names <= KEPT:
        return circuit
    if not names <= KEPT | CONTROL_FLOW | _ROTATIONS.keys():
        return None
    found = circuit.copy_empty_like()
    for instruction in circuit.data:
        replaced = _replaced(instruction)
        if replaced is None:
            return None
        for part in replaced:
            found._append(part)  # noqa: SLF001  append() checks each argument again
    return found


def _replaced(instruction: CircuitInstruction) -> list[CircuitInstruction] | None:
    name = instruction.name
    if name in KEPT:
        return [instruction]
    if name in CONTROL_FLOW:
        blocks = [rewrite(block) for block in instruction.operation.blocks]
        if any(block is None for block in blocks):
            return None
        return [instruction.replace(operation=instruction.operation.replace_blocks(blocks))]
    angles = [quarter_turns(angle) for angle in instruction.params]
    parts = None if None in angles else _ROTATIONS[name](*angles)
    if parts is None:
        return None
    qubits = instruction.qubits
    return [CircuitInstruction(gate, [qubits[at] for at in where], ()) for gate, where in parts]


def quarter_turns(angle: Any) -> int | None:
    """Returns the angle in quarter turns, 0 to 3; None if it is not a whole number of them."""
    if not isinstance(angle, int | float):
        return None
    turns = angle / (math.pi / 2)
    nearest = round(turns)
    return nearest % 4 if abs(turns - nearest) < TOLERANCE else None


def _on(gates: tuple[Gate, ...], *where: int) -> Iterator[tuple[Gate, tuple[int, ...]]]:
    return ((gate, (at,)) for gate in gates for at in where)


def _rz(angle: int) -> Parts:
    return list(_on(_Z[angle], 0))


def _rx(angle: int) -> Parts:
    return list(_on(_X[angle], 0))


def _ry(angle: int) -> Parts:
    return list(_on(_Y[angle], 0))


def _u(theta: int, phi: int, lam: int) -> Parts:
    return [*_on(_Z[lam], 0), *_on(_Y[theta], 0), *_on(_Z[phi], 0)]


def _u2(phi: int, lam: int) -> Parts:
    return _u(1, phi, lam)


def _r(theta: int, phi: int) -> Parts:
    return _u(theta, (phi - 1) % 4, (1 - phi) % 4)


def _zz(angle: int) -> Parts:
    return [(CXGate(), (0, 1)), *_on(_Z[angle], 1), (CXGate(), (0, 1))]


def _xx(angle: int) -> Parts:
    return [*_on((HGate(),), 0, 1), *_zz(angle), *_on((HGate(),), 0, 1)]


def _yy(angle: int) -> Parts:
    return [*_on((SXGate(),), 0, 1), *_zz(angle), *_on((SXdgGate(),), 0, 1)]


def _controlled_phase(angle: int) -> Parts | None:
    if angle % 2:
        return None
    return [(CZGate(), (0, 1))] if angle else []


_ROTATIONS: Final[dict[str, Any]] = {
    "rz": _rz,
    "p": _rz,
    "u1": _rz,
    "rx": _rx,
    "ry": _ry,
    "u": _u,
    "u3": _u,
    "u2": _u2,
    "r": _r,
    "rzz": _zz,
    "rxx": _xx,
    "ryy": _yy,
    "cp": _controlled_phase,
    "cu1": _controlled_phase,
}

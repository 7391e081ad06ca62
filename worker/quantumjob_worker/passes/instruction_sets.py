"""Sets of instructions: which are Qiskit's built-in ones, and which of them each method of Aer runs."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from qiskit import QuantumCircuit
from qiskit.circuit import (
    Barrier,
    BreakLoopOp,
    CircuitInstruction,
    ContinueLoopOp,
    ForLoopOp,
    IfElseOp,
    Measure,
    Reset,
    Store,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit.library import DiagonalGate, Initialize, MCPhaseGate, MCXGate, PauliGate, UnitaryGate
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping
from qiskit_aer.backends.backend_utils import BASIS_GATES
from qiskit_aer.noise.noise_model import QuantumErrorLocation

STANDARD: Final = frozenset(get_standard_gate_name_mapping()) - {"delay", "reset", "measure"}
PLAIN: Final = STANDARD | {"measure", "barrier"}
"""Instructions that need no pass."""
CONTROL_FLOW: Final = frozenset({"if_else", "while_loop", "for_loop", "switch_case"})
CLASSICAL: Final = CONTROL_FLOW | {"store"}
"""Instructions that only Aer runs: control flow, and assignments to bits and variables."""
ERROR: Final = "qerror_loc"
"""A noise channel: inserted by `insert_noise`; no circuit format can contain one."""
CLIFFORD: Final = frozenset({"id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "ecr"})
MISBOUND: Final = frozenset({"cp", "crx", "cry", "crz", "cu", "cu1", "cu3", "mcphase"})
"""Gates whose angles Aer silently ignores if they are arrays."""

_CLASSES: Final[dict[str, type]] = {
    "unitary": UnitaryGate,
    "diagonal": DiagonalGate,
    "pauli": PauliGate,
    "initialize": Initialize,
    "mcx": MCXGate,
    "mcphase": MCPhaseGate,
    "measure": Measure,
    "reset": Reset,
    "barrier": Barrier,
    ERROR: QuantumErrorLocation,
    "store": Store,
    "if_else": IfElseOp,
    "while_loop": WhileLoopOp,
    "for_loop": ForLoopOp,
    "switch_case": SwitchCaseOp,
    "break_loop": BreakLoopOp,
    "continue_loop": ContinueLoopOp,
}
"""Classes of instructions other than standard gates, by the name that Aer knows. Other names are inlined."""

_NOT_GATES: Final = frozenset(_CLASSES) - {"unitary", "diagonal", "pauli", "initialize", "mcx", "mcphase"}


def is_builtin(instruction: CircuitInstruction) -> bool:
    """Whether the instruction is of the class that Aer and Qiskit's passes assume for its name."""
    if instruction.is_standard_gate():
        return True
    expected = _CLASSES.get(instruction.name)
    if expected is None:
        return False
    operation: Any = instruction.operation
    return getattr(operation, "base_class", type(operation)) is expected


def is_plain(instruction: CircuitInstruction) -> bool:
    """Whether the instruction is a built-in one of PLAIN, with at least one qubit."""
    if instruction.is_standard_gate():
        return bool(instruction.qubits)
    return instruction.name in PLAIN and is_builtin(instruction)


def names(circuit: QuantumCircuit) -> set[str]:
    """Returns the names of all instructions outside control flow. Much faster than a loop over them."""
    return set(circuit.count_ops())


@cache
def basis(method: str) -> frozenset[str]:
    """Returns the gates that this method runs, of those with a known class."""
    gates = frozenset(BASIS_GATES[method]) & (STANDARD | frozenset(_CLASSES))
    return gates | {"initialize"} if method == "statevector" else gates


@cache
def allowed(method: str) -> frozenset[str]:
    """Returns the instructions that a circuit for this method of Aer may have."""
    return basis(method) | _NOT_GATES

"""Which instructions are what their name says, and which of them each method of Aer's runs."""

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
"""What most circuits are of: nothing is done to these."""
CONTROL_FLOW: Final = frozenset({"if_else", "while_loop", "for_loop", "switch_case"})
CLASSICAL: Final = CONTROL_FLOW | {"store"}
"""What only Aer has: decisions, and bits and variables that are set."""
ERROR: Final = "qerror_loc"
"""A place where noise may strike: `noise` puts it there, and no format can hold one."""
CLIFFORD: Final = frozenset({"id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "ecr"})
MISBOUND: Final = frozenset({"cp", "crx", "cry", "crz", "cu", "cu1", "cu3", "mcphase"})
"""Gates whose angles Aer ignores, without an error, where they come as an array."""

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
"""Instructions that are no standard gates, by the name that Aer takes them for. Other names are inlined."""

_NOT_GATES: Final = frozenset(_CLASSES) - {"unitary", "diagonal", "pauli", "initialize", "mcx", "mcphase"}


def is_builtin(instruction: CircuitInstruction) -> bool:
    """Whether the instruction is of the class that Aer and Qiskit's passes take it for by its name."""
    if instruction.is_standard_gate():
        return True
    expected = _CLASSES.get(instruction.name)
    if expected is None:
        return False
    operation: Any = instruction.operation
    return getattr(operation, "base_class", type(operation)) is expected


def is_plain(instruction: CircuitInstruction) -> bool:
    """Whether it is what its name in PLAIN says, on some qubits."""
    if instruction.is_standard_gate():
        return bool(instruction.qubits)
    return instruction.name in PLAIN and is_builtin(instruction)


def names(circuit: QuantumCircuit) -> set[str]:
    """Of all instructions, without those inside control flow. Much cheaper than to go through them."""
    return set(circuit.count_ops())


@cache
def basis(method: str) -> frozenset[str]:
    """The gates that this method runs, of those whose class we know."""
    gates = frozenset(BASIS_GATES[method]) & (STANDARD | frozenset(_CLASSES))
    return gates | {"initialize"} if method == "statevector" else gates


@cache
def allowed(method: str) -> frozenset[str]:
    """What a circuit may hold that goes to Aer."""
    return basis(method) | _NOT_GATES

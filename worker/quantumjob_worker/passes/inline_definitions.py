"""Inlines definitions of instructions that Aer would misread, recursively and within a limit of operations."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    BoxOp,
    BreakLoopOp,
    CircuitInstruction,
    Clbit,
    ContinueLoopOp,
    Delay,
    ForLoopOp,
    Gate,
    IfElseOp,
    ParameterExpression,
    Qubit,
    SwitchCaseOp,
)
from qiskit.circuit.annotated_operation import ControlModifier, InverseModifier, PowerModifier
from qiskit.circuit.library import GlobalPhaseGate
from qiskit.exceptions import QiskitError
from qiskit.qasm2.parse import _DefinedGate, _U0Gate

from quantumjob_contract.limits import MAX_OPERATIONS
from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import PubFailed, too_large
from quantumjob_worker.loaders.qasm3_gates import UserGate
from quantumjob_worker.passes import instruction_sets
from quantumjob_worker.passes.basis_translation import translator

WITHOUT_EFFECT: Final = (Delay, _U0Gate)
"""Without effect on samples of an ideal simulation; a delay matters for noise. `u0(n)` would be n identities."""

_NOISE: Final = "The circuit has noise instructions. Remove them, and declare the noise in spec.backend.noise."
AER_ONLY: Final = {
    "kraus": _NOISE,
    "superop": _NOISE,
    "quantum_channel": _NOISE,
    "roerror": _NOISE,
    "save_": "The circuit has one of Aer's save instructions. Remove it, and use the pub's field `save`.",
    "set_": "The circuit has one of Aer's instructions that set the state. Use `initialize` instead.",
}
"""Messages for Aer's own instructions, by the beginning of their names."""
NO_DEFINITION: Final = "The circuit has an instruction without a definition. Transpile the circuit first."


class Flattener:
    """Inlines the definitions of one circuit, and counts operations."""

    def __init__(self, *, keep_delays: bool = False) -> None:
        self._keep_delays = keep_delays
        self._operations = 0
        self._definitions: dict[Hashable, QuantumCircuit] = {}
        self._references: list[Any] = []
        """Objects whose ids are in keys of `_definitions`, which must not be reused."""

    def flatten(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Returns the circuit with built-in instructions only. Resets of unused qubits are removed."""
        if len(circuit.data) <= MAX_OPERATIONS and _is_flat(circuit):
            return circuit.copy()
        flat = circuit.copy_empty_like()
        fresh = set(circuit.qubits)
        for instruction in circuit.data:
            if (
                instruction.name == "reset"
                and instruction.qubits[0] in fresh
                and instruction_sets.is_builtin(instruction)
            ):
                continue
            self._append(flat, instruction)
            if instruction.name != "barrier":
                fresh.difference_update(instruction.qubits)
        if circuit.num_vars and not any(map(_reads_variables, flat.data)):
            flat.data = [instruction for instruction in flat.data if instruction.name != "store"]
        return flat

    def _block(self, block: QuantumCircuit) -> QuantumCircuit:
        flat = block.copy_empty_like()
        for instruction in block.data:
            self._append(flat, instruction)
        return flat

    def _branch(self, block: QuantumCircuit) -> QuantumCircuit:
        """Flattens a branch. Its phase has no effect, since classical bits decide whether it runs."""
        flat = self._block(block)
        flat.global_phase = block.global_phase  # it may refer to a loop variable, which must be kept
        return flat

    def _append(self, target: QuantumCircuit, instruction: CircuitInstruction) -> None:
        if instruction.is_standard_gate():
            if instruction.qubits:
                self._count(1)
                target._append(instruction)  # noqa: SLF001  append() checks each argument again
            else:  # the phase has an effect if the circuit is controlled later
                target.global_phase += instruction.params[0]
            return
        operation = instruction.operation
        if isinstance(operation, GlobalPhaseGate):
            target.global_phase += operation.params[0]
            return
        if isinstance(operation, WITHOUT_EFFECT):
            if self._keep_delays and isinstance(operation, Delay):
                self._count(1)
                target._append(instruction)  # noqa: SLF001
            return
        qubits, clbits = list(instruction.qubits), list(instruction.clbits)
        if isinstance(operation, BoxOp):
            self._inline(target, self._block(operation.blocks[0]), qubits, clbits)
        elif not instruction_sets.is_builtin(instruction):
            self._inline(target, self._definition(operation), qubits, clbits)
        elif isinstance(operation, ForLoopOp) and not exits_loop(operation.blocks[0]):
            self._unroll(target, operation, qubits, clbits)
        elif instruction.name in instruction_sets.CONTROL_FLOW:
            self._count(1)
            times = len(operation.params[0]) if isinstance(operation, ForLoopOp) else 1
            before = self._operations
            blocks = [self._branch(block) for block in operation.blocks]
            self._count((self._operations - before) * max(0, times - 1) + times)
            target.append(operation.replace_blocks(blocks), qubits, clbits, copy=False)
        else:
            self._count(1)
            target._append(instruction)  # noqa: SLF001

    def _unroll(self, target: QuantumCircuit, loop: ForLoopOp, qubits: list[Qubit], clbits: list[Clbit]) -> None:
        """Unrolls a loop, which Aer would run shot by shot."""
        indices, variable, body = loop.params
        self._count(len(indices))
        flat = self._block(body)
        bound = variable is not None and variable in flat.parameters
        for index in indices:
            self._inline(target, flat.assign_parameters({variable: index}) if bound else flat, qubits, clbits)

    def _inline(
        self, target: QuantumCircuit, flat: QuantumCircuit, qubits: Sequence[Qubit], clbits: Sequence[Clbit]
    ) -> None:
        self._count(len(flat.data))
        if any(instruction.name in instruction_sets.CONTROL_FLOW for instruction in flat.data):
            target.compose(flat, qubits, clbits, inplace=True, copy=False, inline_captures=True)
            return
        if isinstance(flat.global_phase, ParameterExpression) or flat.global_phase:
            target.global_phase += flat.global_phase
        outer_qubits = dict(zip(flat.qubits, qubits, strict=True))
        outer_clbits = dict(zip(flat.clbits, clbits, strict=True))
        for instruction in flat.data:
            target._append(  # noqa: SLF001
                instruction.replace(
                    qubits=[outer_qubits[bit] for bit in instruction.qubits],
                    clbits=[outer_clbits[bit] for bit in instruction.clbits],
                )
            )

    def _definition(self, operation: Any) -> QuantumCircuit:
        """Returns the flattened definition of an instruction."""
        key: Hashable = None
        if type(operation) is _DefinedGate:  # one definition for each `gate` statement and its angles
            key = (id(operation._gates), operation.name, tuple(operation.params))  # noqa: SLF001
        elif isinstance(operation, UserGate):
            key = (id(operation.body), tuple(operation.params))
        if key in self._definitions:
            return self._definitions[key]
        if isinstance(operation, AnnotatedOperation):
            operation = self._without_modifiers(operation)
        definition = getattr(operation, "definition", None)
        flat = self._block(_synthesize(operation) if definition is None else definition)
        if key is not None:
            self._definitions[key] = flat
            self._references.append(operation)
        return flat

    def _without_modifiers(self, annotated: AnnotatedOperation) -> Gate:
        base = QuantumCircuit(annotated.base_op.num_qubits)
        base.append(annotated.base_op, base.qubits)
        gate = self._block(base).to_gate()
        gate.name = "modified"
        for modifier in annotated.modifiers:
            if isinstance(modifier, InverseModifier):
                gate = gate.inverse(annotated=False)
            elif isinstance(modifier, PowerModifier):
                gate = gate.power(modifier.power, annotated=False)
            elif isinstance(modifier, ControlModifier):
                gate = gate.control(modifier.num_ctrl_qubits, ctrl_state=modifier.ctrl_state, annotated=False)
        return gate

    def _count(self, operations: int) -> None:
        self._operations += operations
        if self._operations > 2 * MAX_OPERATIONS:  # inlining counts an operation at each level
            what = "operations or more, with all definitions and loops expanded"
            raise too_large(what, self._operations, MAX_OPERATIONS)


def _is_flat(circuit: QuantumCircuit) -> bool:
    """Whether the circuit has only plain instructions, as most have."""
    return instruction_sets.names(circuit) <= instruction_sets.PLAIN and all(
        map(instruction_sets.is_plain, circuit.data)
    )


def _reads_variables(instruction: CircuitInstruction) -> bool:
    """Whether a result may depend on a variable here: in control flow, or where a bit is set."""
    if instruction.name == "store":
        return not getattr(instruction.operation.lvalue, "standalone", False)
    return instruction.name in instruction_sets.CONTROL_FLOW


def _synthesize(operation: Any) -> QuantumCircuit:
    """Synthesizes an instruction by Qiskit's passes, for gates without a definition (permutation, Clifford)."""
    whole = QuantumCircuit(operation.num_qubits, operation.num_clbits)
    whole.append(operation, whole.qubits, whole.clbits)
    try:
        made = translator(instruction_sets.basis("statevector")).run(whole)
    except QiskitError:
        made = whole
    if any(instruction.name == operation.name for instruction in made.data):
        message = next((text for name, text in AER_ONLY.items() if operation.name.startswith(name)), NO_DEFINITION)
        raise PubFailed(PubReason.INVALID_CIRCUIT, message)
    return made


def exits_loop(block: QuantumCircuit) -> bool:
    """Whether a `break` or `continue` in this body leaves this loop, and not an inner one."""
    for instruction in block.data:
        operation: Any = instruction.operation
        if isinstance(operation, BreakLoopOp | ContinueLoopOp):
            return True
        if isinstance(operation, IfElseOp | SwitchCaseOp | BoxOp) and any(map(exits_loop, operation.blocks)):
            return True
    return False

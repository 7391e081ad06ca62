"""OpenQASM 3 by the ANTLR loader: slow, but the native one crashes on malformed text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import openqasm3
from openqasm3.parser import QASM3ParsingError
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Clbit, Parameter, ParameterExpression
from qiskit_qasm3_import.exceptions import ConversionError
from qiskit_qasm3_import.state import add_dummy_parameter_reference

from quantumjob_contract.limits import MAX_QUBITS
from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import MessageTable, PubFailed, translate_message
from quantumjob_worker.loaders.lexer import syntax_error, tokenize
from quantumjob_worker.loaders.qasm3_converter import BoundedVisitor

MAX_DEPTH: Final = 64
"""Of brackets: the parser recurses some 20 frames for each."""
_PLACE: Final = re.compile(r"(?:L(\d+):C|(\d+),)(\d+): (.*)", re.DOTALL)

_MESSAGES: Final[MessageTable] = (
    ("is not supported", PubReason.UNSUPPORTED_FORMAT, "Qiskit does not support this statement of OpenQASM 3."),
    ("not currently supported", PubReason.UNSUPPORTED_FORMAT, "Qiskit does not support this part of OpenQASM 3."),
    ("are not supported", PubReason.UNSUPPORTED_FORMAT, "Qiskit does not support this statement of OpenQASM 3."),
    ("unhandled", PubReason.UNSUPPORTED_FORMAT, "Qiskit does not support this operator of OpenQASM 3."),
    ("unsupported", PubReason.UNSUPPORTED_FORMAT, "Qiskit does not support this part of OpenQASM 3."),
    (
        "conditions must be",
        PubReason.UNSUPPORTED_FORMAT,
        (
            "A condition is of bits and registers, combined by operators and compared: a register with a number, a "
            "single bit with true or false."
        ),
    ),
    ("is not defined", PubReason.SYNTAX_ERROR, "A name is used that is not defined."),
    ("Undefined symbol", PubReason.SYNTAX_ERROR, "A name is used that is not defined."),
    (
        "already",
        PubReason.SYNTAX_ERROR,
        "A name is defined twice; the gates of stdgates.inc have theirs (x, y, t, p, …).",
    ),
    (
        "cannot be resolved",
        PubReason.UNSUPPORTED_FORMAT,
        "Qiskit does not support this expression of OpenQASM 3. Write the number that it gives.",
    ),
    ("only indexing", PubReason.INVALID_CIRCUIT, "Only a register of qubits or bits has indices."),
    ("out of range", PubReason.INVALID_CIRCUIT, "An index is beyond the end of its register."),
    ("number of parameters", PubReason.SYNTAX_ERROR, "A gate is given the wrong number of parameters."),
    ("broadcast", PubReason.INVALID_CIRCUIT, "The registers of one statement differ in size."),
    ("measurements must save", PubReason.INVALID_CIRCUIT, "A measurement must be assigned to a bit."),
)
"""The loader's messages quote the text; these are ours for what they say."""


def load(text: str) -> QuantumCircuit:
    """The circuit; bits that are declared alone get a register of their name. Raises PubFailed."""
    scan(text)
    try:
        state = BoundedVisitor().convert(openqasm3.parse(text))
    except (QASM3ParsingError, ConversionError) as error:
        raise _explain(error) from None
    circuit: QuantumCircuit = state.circuit
    held = {bit for register in circuit.cregs for bit in register}
    taken = {register.name for register in circuit.cregs}
    circuit.global_phase = _phase(circuit, state.symbol_table.globals())
    for symbol in state.symbol_table.globals():
        if isinstance(symbol.data, Parameter) and symbol.data not in circuit.parameters:
            add_dummy_parameter_reference(
                circuit, symbol.data
            )  # an input that nothing uses wants its value all the same
        if isinstance(symbol.data, Clbit) and symbol.data not in held and symbol.name not in taken:
            circuit.add_register(ClassicalRegister(name=symbol.name, bits=[symbol.data]))
    return circuit


def _phase(circuit: QuantumCircuit, symbols: Iterable[Any]) -> ParameterExpression | float:
    """The global phase without the variables of loops, which the loader hides in it."""
    phase: ParameterExpression | float = circuit.global_phase
    inputs = {symbol.data for symbol in symbols if isinstance(symbol.data, Parameter)}
    if not isinstance(phase, ParameterExpression):
        return phase
    return phase.bind({parameter: 0.0 for parameter in phase.parameters if parameter not in inputs})


def scan(text: str) -> None:
    """Check what the loader would not, or too late: version, includes, physical qubits, depth. Raises PubFailed."""
    depth = 0
    previous = ""
    for token in tokenize(text):
        if previous == "OPENQASM" and not (token.kind == "number" and re.fullmatch(r"3(\.\d+)?", token.text)):
            raise _at(PubReason.UNSUPPORTED_FORMAT, "The version is not OpenQASM 3.", text, token.start)
        if previous == "include" and token.text != "stdgates.inc":
            message = 'The only file that can be included is "stdgates.inc".'
            raise _at(PubReason.UNSUPPORTED_FORMAT, message, text, token.start)
        if token.kind == "physical" and (len(token.text) > 9 or int(token.text[1:]) >= MAX_QUBITS):
            raise _at(PubReason.CIRCUIT_TOO_LARGE, f"Physical qubits end at ${MAX_QUBITS - 1}.", text, token.start)
        depth += (token.text in "([{") - (token.text in ")]}") if token.kind == "symbol" else 0
        if depth > MAX_DEPTH:
            raise _at(PubReason.CIRCUIT_TOO_LARGE, f"Nested more than {MAX_DEPTH} deep.", text, token.start)
        previous = token.text if token.kind == "word" else ""


def _at(reason: PubReason, message: str, text: str, position: int) -> PubFailed:
    error = syntax_error(text, position, message).error
    return PubFailed(reason, message, error.line, error.column)


def _explain(error: Exception) -> PubFailed:
    found = _PLACE.match(getattr(error, "message", None) or str(error))
    if found is None:
        return PubFailed(PubReason.SYNTAX_ERROR, "The text is not valid OpenQASM 3.", *_offending(error))
    line, column = int(found[1] or found[2]), int(found[3]) + 1
    otherwise = PubFailed(PubReason.SYNTAX_ERROR, "The text is not valid OpenQASM 3 here.", line, column)
    return translate_message(found[4], _MESSAGES, otherwise, line, column)


def _offending(error: Exception) -> tuple[int | None, int | None]:
    """Where ANTLR stopped: the token hangs on the cause of the cause."""
    cause: Any = error.__cause__
    inner = cause.args[0] if cause is not None and cause.args else cause
    token = getattr(inner, "offendingToken", None)
    return (token.line, token.column + 1) if token is not None else (None, None)

"""Loads OpenQASM 2 by Qiskit's parser, with user-defined gates renamed so that none is taken for a built-in one."""

from __future__ import annotations

import re
from typing import Final

from qiskit import QuantumCircuit, qasm2

from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import MessageTable, PubFailed, translate_message
from quantumjob_worker.loaders.qasm2_limits import Scanned, scan

LEGACY: Final = qasm2.LEGACY_CUSTOM_INSTRUCTIONS
_LEGACY_NAMES: Final = frozenset(custom.name for custom in LEGACY)
_RESERVED: Final = frozenset({"store"})
"""Names that QuantumCircuit.append() itself interprets."""
_PLACE: Final = re.compile(r"<input>:(\d+),(\d+): (.*)", re.DOTALL)

_MESSAGES: Final[MessageTable] = (
    ("is not defined", PubReason.SYNTAX_ERROR, "A name is used that is not defined."),
    ("already defined", PubReason.SYNTAX_ERROR, "A name is defined twice."),
    ("out-of-range", PubReason.INVALID_CIRCUIT, "An index is out of range of its register."),
    ("duplicate qubits", PubReason.INVALID_CIRCUIT, "A gate is applied to the same qubit twice."),
    ("cannot resolve broadcast", PubReason.INVALID_CIRCUIT, "The registers of one statement differ in size."),
    ("broadcast", PubReason.INVALID_CIRCUIT, "The registers of one statement differ in size."),
    ("parameter", PubReason.SYNTAX_ERROR, "A gate is given the wrong number of parameters."),
    ("quantum argument", PubReason.SYNTAX_ERROR, "A gate is given the wrong number of qubits."),
    ("divide by zero", PubReason.INVALID_CIRCUIT, "An angle is divided by zero."),
    ("constant folding", PubReason.INVALID_CIRCUIT, "An angle has no finite value."),
    ("end-of-file", PubReason.SYNTAX_ERROR, "The text ends within a statement."),
    ("needed", PubReason.SYNTAX_ERROR, "Unexpected token."),
)
"""Replacements for the parser's messages, which quote the text."""


def load(text: str) -> QuantumCircuit:
    """Loads strictly; if that fails, with the additional gates of Qiskit's legacy parser. Raises PubFailed."""
    scanned = scan(text)
    try:
        return qasm2.loads(rename_user_gates(scanned, _RESERVED), include_path=())
    except qasm2.QASM2ParseError as error:
        first = _pub_error(error)
    except TypeError:  # from a gate's class
        raise PubFailed(PubReason.SYNTAX_ERROR, "A gate is given the wrong number of parameters.") from None
    try:
        return qasm2.loads(
            rename_user_gates(scanned, _RESERVED | _LEGACY_NAMES), include_path=(), custom_instructions=LEGACY
        )
    except qasm2.QASM2ParseError:
        raise first from None


def rename_user_gates(scanned: Scanned, names: frozenset[str]) -> str:
    """Renames user-defined gates with these names. The text keeps its meaning: a defined name is used consistently."""
    clashes = scanned.gates & names
    if not clashes:
        return scanned.text
    words = "|".join(sorted(clashes))
    pattern = re.compile(rf'"[^"\n]*"|\b({words})\b(?!\s*\[)')
    return pattern.sub(lambda found: f"own_{found[1]}_gate" if found[1] else found[0], scanned.text)


def _pub_error(error: qasm2.QASM2ParseError) -> PubFailed:
    found = _PLACE.match(str(error.message))
    if found is None:
        return PubFailed(PubReason.SYNTAX_ERROR, "The text is not valid OpenQASM 2.")
    line, column, message = int(found[1]), int(found[2]) + 1, found[3]
    otherwise = PubFailed(PubReason.SYNTAX_ERROR, "The text is not valid OpenQASM 2 here.", line, column)
    return translate_message(message, _MESSAGES, otherwise, line, column)

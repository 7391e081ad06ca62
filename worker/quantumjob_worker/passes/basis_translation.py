"""Qiskit's passes that express a circuit in other gates, each set of them made once."""

from __future__ import annotations

from functools import cache
from typing import Any

from qiskit.circuit.equivalence_library import SessionEquivalenceLibrary
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import BasisTranslator, HighLevelSynthesis, UnrollCustomDefinitions


@cache
def translator(allowed: frozenset[str]) -> PassManager:
    """To these instructions. transpile() builds its passes on each call (65 to 110 ms) and refuses more than 30 qubits.

    Control flow must be among them, else it would be taken for gates to translate.
    """
    basis = sorted(allowed)
    library: Any = SessionEquivalenceLibrary
    return PassManager(
        [
            HighLevelSynthesis(basis_gates=basis, equivalence_library=library),
            UnrollCustomDefinitions(library, basis_gates=basis),
            BasisTranslator(library, basis),
        ]
    )

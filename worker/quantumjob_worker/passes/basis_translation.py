"""Translates circuits to a basis by Qiskit's passes, which are created once for each basis."""

from __future__ import annotations

from functools import cache
from typing import Any

from qiskit.circuit.equivalence_library import SessionEquivalenceLibrary
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import BasisTranslator, HighLevelSynthesis, UnrollCustomDefinitions


@cache
def translator(allowed: frozenset[str]) -> PassManager:
    """Returns a pass manager that translates to these instructions, which must include control flow.

    transpile() builds its passes at each call (65 to 110 ms), and refuses more than 30 qubits.
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

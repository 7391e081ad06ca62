"""A user-defined gate of OpenQASM 3, whose definition is built only when it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter


class UserGate(Gate):  # type: ignore[misc]  # Qiskit has no types for mypy
    """One call of a gate. Its name has a prefix, so that Qiskit and Aer do not take it for a built-in gate."""

    def __init__(self, name: str, body: QuantumCircuit, order: Sequence[Parameter], params: Sequence[Any]) -> None:
        self.body = body
        self._order = order
        super().__init__(name, body.num_qubits, list(params))

    def _define(self) -> None:
        values = dict(zip(self._order, self.params, strict=True))
        self._definition = self.body.assign_parameters(values) if values else self.body

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> UserGate:
        return UserGate(self.name, self.body, self._order, self.params)

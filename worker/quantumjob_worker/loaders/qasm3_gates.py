"""A gate that an OpenQASM 3 text defines itself, whose definition is made only when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter


class UserGate(Gate):  # type: ignore[misc]  # Qiskit has no types for mypy
    """One call of a `gate` statement. Its name is out of the way of those that Qiskit and Aer go by."""

    def __init__(self, name: str, body: QuantumCircuit, order: Sequence[Parameter], params: Sequence[Any]) -> None:
        self.body = body
        self._order = order
        super().__init__(name, body.num_qubits, list(params))

    def _define(self) -> None:
        values = dict(zip(self._order, self.params, strict=True))
        self._definition = self.body.assign_parameters(values) if values else self.body

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> UserGate:
        return UserGate(self.name, self.body, self._order, self.params)

"""Expectation values of Pauli strings in a statevector, by the loops that Qiskit has in Rust for its own."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit._accelerate.pauli_expval import expval_pauli_no_x, expval_pauli_with_x

X: Final = str.maketrans("IXYZ", "0110")
Z: Final = str.maketrans("IXYZ", "0011")


class PauliMasks(NamedTuple):
    """A Pauli string: the qubits where it has X or Y, and those where it has Z or Y, as bits of a number."""

    x: int
    z: int

    @classmethod
    def of(cls, pauli: str) -> PauliMasks:
        """Of a string with a letter for each qubit, qubit 0 the last."""
        bits = pauli.translate(X), pauli.translate(Z)
        return cls(*(int(each, 2) for each in bits))

    def value(self, vector: NDArray[np.complex128], qubits: int) -> float:
        """Its expectation value, where `vector` has shape (2**qubits,)."""
        if not self.x:
            return float(expval_pauli_no_x(vector, qubits, self.z))
        phase = (-1j) ** (self.x & self.z).bit_count()
        return float(expval_pauli_with_x(vector, qubits, self.z, self.x, phase, self.x.bit_length() - 1))

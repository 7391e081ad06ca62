"""Expectation values of Pauli strings in a statevector, by Qiskit's Rust functions."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit._accelerate.pauli_expval import expval_pauli_no_x, expval_pauli_with_x

X: Final = str.maketrans("IXYZ", "0110")
Z: Final = str.maketrans("IXYZ", "0011")


class PauliMasks(NamedTuple):
    """A Pauli string as two bit masks: the qubits with X or Y, and those with Z or Y."""

    x: int
    z: int

    @classmethod
    def of(cls, pauli: str) -> PauliMasks:
        """Parses a string with a letter for each qubit, qubit 0 last."""
        bits = pauli.translate(X), pauli.translate(Z)
        return cls(*(int(each, 2) for each in bits))

    def value(self, vector: NDArray[np.complex128], qubits: int) -> float:
        """Returns the expectation value in `vector` of shape (2**qubits,)."""
        if not self.x:
            return float(expval_pauli_no_x(vector, qubits, self.z))
        phase = (-1j) ** (self.x & self.z).bit_count()
        return float(expval_pauli_with_x(vector, qubits, self.z, self.x, phase, self.x.bit_length() - 1))

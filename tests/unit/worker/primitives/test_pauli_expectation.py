"""Expectation values of Pauli strings against their matrices."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from qiskit.quantum_info import Operator, Pauli, random_statevector

from quantumjob_worker.primitives.pauli_expectation import PauliMasks


@pytest.mark.parametrize("pauli", ["".join(letters) for letters in product("IXYZ", repeat=3)])
def test_every_string_on_three_qubits(pauli: str) -> None:
    vector = np.array(random_statevector(8, seed=3).data)
    exact = np.vdot(vector, Operator(Pauli(pauli)).data @ vector)
    assert np.isclose(PauliMasks.of(pauli).value(vector, 3), exact, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_wide_strings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pauli = "".join(rng.choice(list("IXYZ"), 10))
    state = random_statevector(1 << 10, seed=seed)
    assert np.isclose(
        PauliMasks.of(pauli).value(np.array(state.data), 10), state.expectation_value(Pauli(pauli)), atol=1e-12
    )

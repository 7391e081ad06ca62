"""Counts of packed samples, however many bytes a shot has."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from quantumjob_contract.limits import MAX_OUTCOMES
from quantumjob_worker.primitives.bit_arrays import counts


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 12, 13, 16, 17, 31])
@pytest.mark.parametrize("shots", [1, 1000, 20_000])
def test_counts(bits: int, shots: int) -> None:
    size = (bits + 7) // 8
    values = np.random.default_rng(bits).integers(0, 2**bits, shots).tolist()
    found = counts(b"".join(value.to_bytes(size, "big") for value in values), bits)
    exact = Counter(values)
    if len(exact) > MAX_OUTCOMES:
        assert found is None
    else:
        assert found == {f"{value:0{bits}b}": times for value, times in exact.items()}
        assert list(found) == sorted(found)

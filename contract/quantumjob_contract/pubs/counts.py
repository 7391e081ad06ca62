"""Counts the outcomes of a register."""

from __future__ import annotations

import base64

from quantumjob_contract.schema.results import Register


def counts(register: Register) -> dict[str, int]:
    """Returns the number of shots of each bit string (highest bit first), from the samples where counts are absent."""
    if register.counts is not None:
        return register.counts
    size = -(-register.num_bits // 8)
    if size == 0:
        return {}
    raw = base64.b64decode(register.samples)
    found: dict[str, int] = {}
    for start in range(0, len(raw), size):
        bits = format(int.from_bytes(raw[start : start + size], "big"), f"0{register.num_bits}b")
        found[bits] = found.get(bits, 0) + 1
    return found

"""The interface of an engine. It runs in a child process without network, under limits of memory and time."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from quantumjob_worker.passes.features import Profile
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.routing.router import Plan

Bits = NDArray[np.uint8]
"""Of shape (shots, bytes): the classical bits of each shot, bit 0 the lowest of the last byte, as in Qiskit."""


class Run(NamedTuple):
    """What a run has to go by."""

    shots: int
    seed: int
    threads: int
    memory: int
    """Bytes for the whole child."""
    errors: NoiseChannels | None = None
    """The noise whose places the circuit has; None for an ideal simulation."""


class Sampled(NamedTuple):
    """Each shot's bits, and the method that gave them."""

    bits: Bits
    method: str


class Engine(Protocol):
    """One simulator."""

    name: str
    version: str
    precision: str

    def bid(self, circuit: Profile) -> Plan | None:
        """How it would run such a circuit, with seconds and bytes by its cost model; None where it cannot, or will not.

        A function of the circuit alone, so that each attempt takes the same.
        """
        ...

    def sample(self, circuit: QuantumCircuit, plan: Plan, run: Run) -> Sampled:
        """Run a normalized circuit. The same arguments give the same bits. Raises PubFailed."""
        ...


def packed_bytes(bits: int) -> int:
    return (bits + 7) // 8

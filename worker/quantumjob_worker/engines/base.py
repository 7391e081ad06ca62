"""The interface of an engine, which runs in a child process without network, with limits of memory and time."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from quantumjob_worker.passes.features import Profile
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.routing.router import Plan

Bits = NDArray[np.uint8]
"""Array of shape (shots, bytes): the classical bits of each shot, bit 0 the lowest of the last byte, as in Qiskit."""


class Run(NamedTuple):
    """The options of a run."""

    shots: int
    seed: int
    threads: int
    memory: int
    """Bytes for the whole child."""
    errors: NoiseChannels | None = None
    """The noise that was inserted into the circuit; None for an ideal simulation."""


class Sampled(NamedTuple):
    """The bits of each shot, and the method that ran."""

    bits: Bits
    method: str


class Engine(Protocol):
    """One simulator."""

    name: str
    version: str
    precision: str

    def bid(self, circuit: Profile) -> Plan | None:
        """Returns a plan with estimated seconds and bytes; None if the engine cannot run the circuit.

        Depends on the circuit only, so that each attempt chooses the same plan.
        """
        ...

    def sample(self, circuit: QuantumCircuit, plan: Plan, run: Run) -> Sampled:
        """Runs a normalized circuit. The same arguments give the same bits. Raises PubFailed."""
        ...


def packed_bytes(bits: int) -> int:
    """Returns the bytes that hold this number of bits."""
    return (bits + 7) // 8

"""Samples one circuit at many points: as one array in Aer where that is exact, else point by point."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import msgspec
import numpy as np
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError

from quantumjob_contract.pubs import seeds
from quantumjob_contract.schema.backend import NoiseModel
from quantumjob_contract.schema.results import PubMetadata, Register
from quantumjob_worker.engines import aer, engines
from quantumjob_worker.engines.base import Run
from quantumjob_worker.ipc import Task
from quantumjob_worker.passes import normalize
from quantumjob_worker.passes.bind_parameters import Angles, Values, bound
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.primitives import sampler
from quantumjob_worker.primitives.bit_arrays import concatenate, registers
from quantumjob_worker.routing.router import Plan

CHUNK: Final = 100
"""Points in one call. More are slower, since Aer builds a circuit for each before it runs the first [m]."""
OPERATION_BYTES: Final = 1024
"""Memory of Aer for one operation of one point."""
CHUNK_PART: Final = 4
"""The points of one call may use this fraction (1/n) of the memory."""


class Sweep:
    """A circuit with the points of its parameters."""

    def __init__(self, circuit: QuantumCircuit, values: Values, noise: NoiseModel | None) -> None:
        """Takes the circuit as loaded. Raises PubFailed."""
        self.values = values
        self._circuit = circuit
        self._noise = noise
        self.template = _symbolic(circuit) if noise is None else None
        """The normalized circuit with unbound parameters; None if Qiskit cannot, or if there is noise."""

    def at(self, point: int) -> tuple[QuantumCircuit, NoiseChannels | None]:
        """Returns the normalized circuit at a point, and its noise. Raises PubFailed."""
        if self.template is not None:
            return bound(self.template, self.values, point), None
        errors = None if self._noise is None else NoiseChannels(self._noise)
        return normalize.normalize(bound(self._circuit, self.values, point), errors), errors

    def sample(self, task: Task, base: PubMetadata) -> tuple[PubMetadata, dict[str, Register]]:
        """Returns metadata and samples of all points. Raises PubFailed."""
        first, errors = self.at(0)
        sampler.check_result(first, task, self.values.points)
        if self.template is not None and not normalize.has_control_flow(self.template):
            plan, runnable, run = sampler.plan_run(
                self.template, task, None, shots=task.shots, points=self.values.points
            )
            if plan.bond_limit is None:
                together = _sample_array if plan.engine == aer.Aer.name else _sample_points
                parts = list(together(runnable, self.values, plan, run))
                return sampler.run_metadata(base, self.template, plan, plan.method), concatenate(
                    parts, self.values.shape
                )
        metadata, part = sampler.sample(first, task, base, errors)
        parts = [part]
        for point in range(1, self.values.points):
            seeded = msgspec.structs.replace(task, seed=seeds.point_seed(task.seed, point))
            circuit, errors = self.at(point)
            parts.append(sampler.sample(circuit, seeded, base, errors)[1])
        return metadata, concatenate(parts, self.values.shape)


def chunks(
    circuit: QuantumCircuit, values: Values, method: str, run: Run, point_bytes: int, **options: Any
) -> Iterator[list[dict[str, Any]]]:
    """Yields Aer's results of the points in chunks. The bits do not depend on the chunk size. Raises PubFailed.

    `circuit` is in the method's gates; `point_bytes` is the size of a point's result.
    """
    angles = Angles(circuit)
    fitting = _chunk_size(point_bytes + OPERATION_BYTES * len(circuit.data), run)
    for points in ranges(values.points, fitting if angles.differ else 1):
        seeded = run._replace(seed=seeds.point_seed(run.seed, points.start))
        yield aer.execute(angles.circuit, angles.at(values, points), method, seeded, **options)


def _chunk_size(point_bytes: int, run: Run) -> int:
    """Returns the largest number of points in one call."""
    return max(1, min(CHUNK, run.memory // CHUNK_PART // point_bytes))


def ranges(points: int, size: int) -> Iterator[range]:
    """Divides the points into ranges of this size."""
    return (range(start, min(start + size, points)) for start in range(0, points, size))


def _sample_points(circuit: QuantumCircuit, values: Values, plan: Plan, run: Run) -> Iterator[dict[str, Register]]:
    """Runs point by point, with one engine for all points, since the result names one."""
    for point in range(values.points):
        seeded = run._replace(seed=seeds.point_seed(run.seed, point))
        yield registers(circuit, engines()[plan.engine].sample(bound(circuit, values, point), plan, seeded).bits)


def _sample_array(circuit: QuantumCircuit, values: Values, plan: Plan, run: Run) -> Iterator[dict[str, Register]]:
    point_bytes = run.shots * (sampler.SHOT_BYTES + circuit.num_clbits)
    translated = normalize.for_method(circuit, plan.method)
    if (steps := aer.gate_calls(translated, plan, run)) is not None:
        angles = Angles(translated)
        for points in ranges(values.points, _chunk_size(point_bytes, run)):
            at = zip(points, angles.iterate(values, points), strict=True)
            bits = [steps.sample(run.shots, seeds.point_seed(run.seed, point), angle) for point, angle in at]
            yield registers(circuit, np.concatenate(bits))
        return
    translated = normalize.for_sweep(translated, plan.method)
    for parts in chunks(translated, values, plan.method, run, point_bytes, memory=True):
        memory = list(chain.from_iterable(part["data"]["memory"] for part in parts))
        yield registers(circuit, aer.from_hex(memory, circuit.num_clbits))


def _symbolic(circuit: QuantumCircuit) -> QuantumCircuit | None:
    try:
        return normalize.normalize(circuit.copy())
    except (TypeError, ValueError, ArithmeticError, QiskitError):  # a gate modifier with an unbound angle
        return None

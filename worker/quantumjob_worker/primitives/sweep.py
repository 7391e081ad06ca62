"""Many points of one circuit: as one array for Aer where that is right, else one after the other."""

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
"""Points in one call: more of them are slower, since Aer makes a circuit of each before it runs the first [m]."""
OPERATION_BYTES: Final = 1024
"""What Aer holds for one operation of one point."""
CHUNK_PART: Final = 4
"""Of the memory, what the points of one call may take."""


class Sweep:
    """A circuit and the points at which it is wanted."""

    def __init__(self, circuit: QuantumCircuit, values: Values, noise: NoiseModel | None) -> None:
        """`circuit` is as it was loaded. Raises PubFailed."""
        self.values = values
        self._circuit = circuit
        self._noise = noise
        self.template = _symbolic(circuit) if noise is None else None
        """Made ready with its parameters in it; None where Qiskit cannot, or noise is to go in."""

    def at(self, point: int) -> tuple[QuantumCircuit, NoiseChannels | None]:
        """The circuit at a point, made ready, and its noise. Raises PubFailed."""
        if self.template is not None:
            return bound(self.template, self.values, point), None
        errors = None if self._noise is None else NoiseChannels(self._noise)
        return normalize.normalize(bound(self._circuit, self.values, point), errors), errors

    def sample(self, task: Task, base: PubMetadata) -> tuple[PubMetadata, dict[str, Register]]:
        """Samples of all points, and how they were made. Raises PubFailed."""
        first, errors = self.at(0)
        sampler.check_result(first, task, self.values.points)
        if self.template is not None and not normalize.has_control_flow(self.template):
            plan, runnable, run = sampler.plan_run(
                self.template, task, None, shots=task.shots, points=self.values.points
            )
            if plan.bond_limit is None:
                together = _together if plan.engine == aer.Aer.name else _each
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
    """What Aer returns for each point, by chunks; the bits do not depend on their size. Raises PubFailed.

    `circuit` is in the method's gates; a point's result takes `point_bytes`.
    """
    angles = Angles(circuit)
    fitting = _fitting(point_bytes + OPERATION_BYTES * len(circuit.data), run)
    for points in ranges(values.points, fitting if angles.differ else 1):
        seeded = run._replace(seed=seeds.point_seed(run.seed, points.start))
        yield aer.execute(angles.circuit, angles.at(values, points), method, seeded, **options)


def _fitting(point_bytes: int, run: Run) -> int:
    """How many points a call may have."""
    return max(1, min(CHUNK, run.memory // CHUNK_PART // point_bytes))


def ranges(points: int, size: int) -> Iterator[range]:
    """The points in parts of this size."""
    return (range(start, min(start + size, points)) for start in range(0, points, size))


def _each(circuit: QuantumCircuit, values: Values, plan: Plan, run: Run) -> Iterator[dict[str, Register]]:
    """By an engine that takes one circuit at a time; the same for all points, so that the result names one."""
    for point in range(values.points):
        seeded = run._replace(seed=seeds.point_seed(run.seed, point))
        yield registers(circuit, engines()[plan.engine].sample(bound(circuit, values, point), plan, seeded).bits)


def _together(circuit: QuantumCircuit, values: Values, plan: Plan, run: Run) -> Iterator[dict[str, Register]]:
    point_bytes = run.shots * (sampler.SHOT_BYTES + circuit.num_clbits)
    translated = normalize.for_method(circuit, plan.method)
    if (steps := aer.gate_calls(translated, plan, run)) is not None:
        angles = Angles(translated)
        for points in ranges(values.points, _fitting(point_bytes, run)):
            at = zip(points, angles.each(values, points), strict=True)
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
    except (TypeError, ValueError, ArithmeticError, QiskitError):  # a modifier of an angle that is not known yet
        return None

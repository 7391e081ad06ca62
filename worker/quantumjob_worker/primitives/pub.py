"""Runs one pub, from the circuit's bytes to the result of its primitive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from qiskit import QuantumCircuit

from quantumjob_contract.limits import MAX_METADATA_BYTES, MAX_METADATA_DEPTH
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.results import PubMetadata, PubResult
from quantumjob_worker import loaders
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.ipc import Task
from quantumjob_worker.passes import bind_parameters, normalize
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.primitives import sampler
from quantumjob_worker.primitives.estimator import EstimatorPub
from quantumjob_worker.primitives.saved_state import StateSaver
from quantumjob_worker.primitives.sweep import Sweep


class PreparedPub:
    """A pub whose circuit is loaded and normalized."""

    def __init__(self, task: Task, data: bytes) -> None:
        """Loads the circuit and prepares the run. Raises PubFailed."""
        circuit = loaders.load(task.format, data)
        values = bind_parameters.resolve(circuit, task.parameter_values)
        self._task = task
        self._base = PubMetadata(
            seed=task.seed, shots=task.shots, target_precision=task.precision, circuit_metadata=_metadata(circuit)
        )
        self._shape = values.shape
        self._errors: NoiseChannels | None = None
        self._saving = StateSaver(circuit, values, task) if task.save else None
        self._work: StateSaver | EstimatorPub | Sweep | QuantumCircuit
        if self._saving is not None and not self._saving.first.measures:  # nothing to sample
            self._work = self._saving
        elif task.primitive == "Estimator":
            self._work = EstimatorPub(circuit, values, task.observables, task.noise)
        elif values.points > 1:
            self._work = Sweep(circuit, values, task.noise)
        else:
            self._errors = None if task.noise is None else NoiseChannels(task.noise)
            self._work = normalize.normalize(bind_parameters.bound(circuit, values, 0), self._errors)

    def run(self) -> tuple[PubResult, list[memoryview]]:
        """Returns the result, and the files of its saved arrays. Raises PubFailed."""
        result = self._result()
        if self._saving is None:
            return result, []
        arrays, files = self._saving.run()
        return msgspec.structs.replace(result, arrays=arrays), [memoryview(data) for data in files]

    def _result(self) -> PubResult:
        task, work = self._task, self._work
        if isinstance(work, StateSaver):
            return PubResult(index=task.index, name=task.name, metadata=work.made(self._base), data={})
        if isinstance(work, EstimatorPub):
            metadata, found = work.run(task, self._base)
            return PubResult(index=task.index, name=task.name, metadata=metadata, expectations=found)
        if isinstance(work, Sweep):
            metadata, registers = work.sample(task, self._base)
        else:
            metadata, registers = sampler.sample(work, task, self._base, self._errors)
            if self._shape:  # one point, in an array of one or more dimensions
                shape = list(self._shape)
                registers = {name: msgspec.structs.replace(found, shape=shape) for name, found in registers.items()}
        return PubResult(index=task.index, name=task.name, metadata=metadata, data=registers)


def _metadata(circuit: QuantumCircuit) -> dict[str, Any]:
    found: dict[str, Any] = circuit.metadata or {}
    size = len(msgspec.json.encode(found))
    if size > MAX_METADATA_BYTES:
        raise PubFailed(
            PubReason.CIRCUIT_TOO_LARGE, f"The circuit's metadata has {size} bytes; the limit is {MAX_METADATA_BYTES}."
        )
    level: list[Any] = [found]
    for _ in range(MAX_METADATA_DEPTH):
        level = [inner for each in level for inner in _nested(each)]
    if level:
        raise PubFailed(
            PubReason.CIRCUIT_TOO_LARGE, f"The circuit's metadata has more than {MAX_METADATA_DEPTH} levels of nesting."
        )
    return found


def _nested(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()

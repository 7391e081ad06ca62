"""Computes the arrays that a pub saves, from the final statevector, or from a density matrix if there is none.

This is a separate run, so that samples are the same with and without saved arrays.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Instruction
from qiskit.exceptions import QiskitError

from quantumjob_contract.limits import MAX_SAVED_BYTES
from quantumjob_contract.pubs import seeds
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema import saved_arrays
from quantumjob_contract.schema.backend import NoiseModel
from quantumjob_contract.schema.results import PubMetadata, Why
from quantumjob_contract.schema.saved_arrays import KINDS, Save, SavedArray
from quantumjob_worker.engines.base import Run
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.ipc import Task
from quantumjob_worker.passes import bind_parameters, features, final_measurements, normalize
from quantumjob_worker.passes.bind_parameters import Values, bound
from quantumjob_worker.passes.features import Profile
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.primitives import sampler
from quantumjob_worker.primitives.sweep import chunks
from quantumjob_worker.routing import cost_model, router
from quantumjob_worker.routing.router import Plan

COPIES: Final = 2
"""Copies of the state in memory: Aer's, and the one that it returns."""
DEPHASING: Final = Instruction("superop", 1, 0, [np.diag([1.0, 0.0, 0.0, 1.0]).astype(complex)])
"""The channel of a measurement whose outcome is not used."""

State = NDArray[np.complex128]
"""An array of shape (2**qubits,), or (2**qubits, 2**qubits) for a density matrix."""


class FinalState:
    """A circuit up to its final measurements, on all of its qubits, with or without bound parameters."""

    def __init__(self, circuit: QuantumCircuit, noise: NoiseModel | None) -> None:
        """Takes the circuit as loaded. Raises PubFailed."""
        flat = normalize.flatten(circuit, keep_delays=noise is not None)
        self.measures = any(found.name == "measure" for found in normalize.instructions(flat))
        unmeasured = final_measurements.without_final_measurements(flat)
        self.phase = unmeasured.global_phase
        unmeasured.global_phase = 0
        self.errors = None if noise is None else NoiseChannels(noise)
        self.circuit = normalize.with_noise(unmeasured, self.errors)
        if self.errors is not None:
            self.errors.place(range(circuit.num_qubits))
        self.decides = normalize.has_control_flow(unmeasured)
        """Whether control flow depends on measurements, so that runs differ."""
        self.pure = final_measurements.is_pure(unmeasured) and (self.errors is None or self.errors.kind == "readout")
        self.method = "statevector" if self.pure else "density_matrix"

    def figures(self, shots: int) -> Profile:
        """Returns the features for the cost model. Without control flow there is one run."""
        noise = "" if self.errors is None else self.errors.kind
        found = features.profile(self.circuit, shots if self.decides else 1, noise=noise)
        return found._replace(dynamic=self.decides)

    def states(self, values: Values, run: Run) -> Iterator[State]:
        """Yields the final state at each point. Raises PubFailed."""
        circuit = normalize.for_sweep(self.circuit, self.method, keep_phase=True)
        factors = np.exp(1j * bind_parameters.evaluated(self.phase + circuit.global_phase, values))
        saving = circuit if self.pure or self.decides else _dephase(circuit)
        saving = saving.copy()
        saving.global_phase = 0
        (saving.save_statevector if self.pure else saving.save_density_matrix)()
        found = chunks(saving, values, self.method, run, COPIES * _state_bytes(self.method, circuit.num_qubits))
        point = 0
        for parts in found:
            for part in parts:
                state: State = part["data"][self.method]
                yield state * factors[point] if self.pure else state
                point += 1


class ArrayFiles(NamedTuple):
    """Descriptions of arrays by name, and the arrays as `.npy` files in the same order."""

    arrays: dict[str, SavedArray]
    files: list[bytes]


class StateSaver:
    """Computes the arrays that one pub saves."""

    def __init__(self, circuit: QuantumCircuit, values: Values, task: Task) -> None:
        """Takes the circuit as loaded. Raises PubFailed for everything that can be refused before the run."""
        check_bytes(task.save, values.points, circuit.num_qubits)
        _check_names(circuit, task.save)
        self._loaded, self._values, self._task = circuit, values, task
        self._symbolic_state = self._symbolic()
        """The circuit with parameters, to run all points at once; None if Qiskit or Aer cannot."""
        self.first = self._symbolic_state or FinalState(bound(circuit, values, 0), task.noise)
        if "Statevector" in task.save and not self.first.pure:
            raise not_pure()
        self._plan = self._planned()

    def run(self) -> ArrayFiles:
        """Runs the circuit. Returns the arrays. Raises PubFailed."""
        task, qubits = self._task, self._loaded.num_qubits
        shapes = {save: saved_arrays.shape(save, self._values.shape, qubits) for save in task.save}
        values = {
            save: np.empty((self._values.points, *saved_arrays.shape(save, (), qubits)), KINDS[save].dtype)
            for save in task.save
        }
        for point, state in enumerate(self._states()):
            for save, array in values.items():
                array[point] = derive(state, save)
        method, shots = self._plan.method, task.shots if self.first.decides else 0
        return ArrayFiles(
            {KINDS[save].name: SavedArray(shapes[save], KINDS[save].dtype, method, shots) for save in task.save},
            [npy_bytes(values[save].reshape(shapes[save])) for save in task.save],
        )

    def made(self, base: PubMetadata) -> PubMetadata:
        """Returns the metadata of a pub without samples."""
        return sampler.run_metadata(base, self.first.circuit, self._plan, self._plan.method)

    def _states(self) -> Iterator[State]:
        if self._symbolic_state is not None:
            yield from self._symbolic_state.states(self._values, self._run(self._symbolic_state, self._task.seed))
            return
        for point in range(self._values.points):
            end = FinalState(bound(self._loaded, self._values, point), self._task.noise)
            yield from end.states(Values((), {}), self._run(end, seeds.point_seed(self._task.seed, point)))

    def _run(self, end: FinalState, seed: int) -> Run:
        found = end.figures(self._task.shots)
        threads = sampler.threads_for(end.method, found, self._task)
        return Run(found.shots, seed, threads, self._task.memory, end.errors)

    def _symbolic(self) -> FinalState | None:
        if self._task.noise is not None and self._values.columns:
            return None
        try:
            end = FinalState(self._loaded, self._task.noise)
        except (TypeError, ValueError, ArithmeticError, QiskitError):
            return None
        return None if end.decides and end.circuit.parameters else end

    def _planned(self) -> Plan:
        end, task = self.first, self._task
        found = end.figures(task.shots)
        seconds = cost_model.statevector_seconds if end.pure else cost_model.density_matrix_seconds
        needed = COPIES * _state_bytes(end.method, found.qubits)
        needed += saved_arrays.nbytes(task.save, self._values.points, found.qubits)
        if needed > cost_model.available(task.memory):
            raise PubFailed(
                PubReason.MEMORY_LIMIT,
                f"Saving {', '.join(task.save)} by the method {end.method} needs {router.size(needed)}; "
                f"the pod's memory limit leaves {router.size(cost_model.available(task.memory))}. "
                "Raise spec.resources.limits.memory, or use fewer qubits.",
            )
        plan = Plan("aer", end.method, Why.SAVED, seconds(found), needed)
        sampler.check_time(plan, task, self._values.points)
        return plan


def derive(state: State, save: Save) -> NDArray[Any]:
    """Derives a saved array from a statevector or a density matrix."""
    pure = state.ndim == 1
    match save:
        case "Statevector":
            return state
        case "DensityMatrix":
            return np.outer(state, state.conj()) if pure else state
        case "Probabilities":
            return np.abs(state) ** 2 if pure else state.diagonal().real


def npy_bytes(array: NDArray[Any]) -> bytes:
    """Encodes an array as a `.npy` file; the same values give the same bytes."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def check_bytes(wanted: Sequence[Save], points: int, qubits: int) -> None:
    """Raises PubFailed, before the run, if the arrays would exceed the limit."""
    size = saved_arrays.nbytes(wanted, points, qubits)
    if size > MAX_SAVED_BYTES:
        at = f" at {points} points" if points > 1 else ""
        raise PubFailed(
            PubReason.RESULT_TOO_LARGE,
            f"{', '.join(wanted)} of {qubits} qubits{at} would be {router.size(size)}; the limit is "
            f"{router.size(MAX_SAVED_BYTES)}. Save less, split the pub, or use fewer qubits.",
        )


def not_pure() -> PubFailed:
    return PubFailed(
        PubReason.NOT_PURE,
        "The circuit does not end in one statevector, because it has noise, or measures, resets or branches before "
        "its end. Save DensityMatrix or Probabilities, or use gates only.",
    )


def _check_names(circuit: QuantumCircuit, wanted: Sequence[Save]) -> None:
    names = {KINDS[save].name for save in wanted}
    if any(register.name in names for register in circuit.cregs):
        raise PubFailed(
            PubReason.INVALID_CIRCUIT,
            "A classical register has the name of an array that the pub saves. Rename the register.",
        )


def _dephase(circuit: QuantumCircuit) -> QuantumCircuit:
    """Replaces measurements whose outcomes are not used by their channel."""
    channels = circuit.copy_empty_like()
    for instruction in circuit.data:
        if instruction.name == "measure":
            channels._append(CircuitInstruction(DEPHASING, instruction.qubits, ()))  # noqa: SLF001
        elif instruction.name != "store":
            channels._append(instruction)  # noqa: SLF001  append() checks each argument again
    return channels


def _state_bytes(method: str, qubits: int) -> int:
    return cost_model.statevector_bytes(qubits) if method == "statevector" else cost_model.density_matrix_bytes(qubits)

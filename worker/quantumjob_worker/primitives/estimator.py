"""Expectation values of a circuit's final state, as Aer's EstimatorV2 computes them: not from sampled bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.quantum_info import Pauli

from quantumjob_contract.limits import TRAJECTORIES
from quantumjob_contract.pubs import seeds
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.backend import NoiseModel
from quantumjob_contract.schema.results import Expectations, PubMetadata
from quantumjob_worker.engines import aer
from quantumjob_worker.engines.base import Run
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.ipc import Task
from quantumjob_worker.passes import final_measurements, normalize
from quantumjob_worker.passes.bind_parameters import Angles, Values, bound
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.primitives import sampler
from quantumjob_worker.primitives.pauli_expectation import PauliMasks
from quantumjob_worker.primitives.sweep import CHUNK, chunks, ranges
from quantumjob_worker.routing import router
from quantumjob_worker.routing.router import Plan

VALUE_BYTES: Final = 256
"""Memory of Aer and Python for one value of one point."""
TABLE_PART: Final = 4
"""All values of a pub may use this fraction (1/n) of the memory."""

Table = NDArray[np.float64]
"""Values of shape (points, Pauli strings)."""


class PreparedCircuit:
    """A normalized circuit on the qubits that it uses, with or without bound parameters."""

    def __init__(self, circuit: QuantumCircuit, noise: NoiseModel | None) -> None:
        self.errors = None if noise is None else NoiseChannels(noise)
        whole = normalize.inline(circuit, self.errors)
        self._index = {index: place for place, index in enumerate(normalize.used_qubits(whole, self.errors))}
        """The new index of each qubit that is used."""
        self.circuit = normalize.compact(whole, list(self._index))

    def known(self, pauli: str) -> float | None:
        """Returns the value of a Pauli string on unused qubits, which are in state 0; None if it needs a run."""
        idle = {letter for index, letter in enumerate(reversed(pauli)) if letter != "I" and index not in self._index}
        if idle - {"Z"}:
            return 0.0
        return None if any(pauli[-1 - index] != "I" for index in self._index) else 1.0

    def saving(self, circuit: QuantumCircuit, paulis: Iterable[str], method: str) -> QuantumCircuit:
        """Returns the circuit in the method's gates, with instructions that save these expectation values."""
        saving = normalize.for_sweep(circuit, method).copy()
        for pauli in paulis:
            # On all qubits: otherwise Aer drops gates on other qubits, even a cx controlled by a saved one.
            saving.save_expectation_value(Pauli(self._here(pauli)), list(self._index.values()), label=pauli)
        return saving

    def _here(self, pauli: str) -> str:
        """Returns the letters of a Pauli string at the qubits that are used."""
        return "".join(pauli[-1 - index] for index in reversed(self._index))

    def measure(self, paulis: list[str], values: Values, task: Task) -> tuple[Table, Plan]:
        """Returns the value of each Pauli string at each point, and the plan of the run. Raises PubFailed."""
        known = {pauli: value for pauli in paulis if (value := self.known(pauli)) is not None}
        plan, runnable, run = sampler.plan_run(
            self.circuit, task, self.errors, shots=TRAJECTORIES, points=values.points, averaged=True
        )
        if plan.fallback is not None:
            plan = plan._replace(method=plan.fallback, bond_limit=None)
        if len(known) == len(paulis):
            return np.tile([known[pauli] for pauli in paulis], (values.points, 1)), plan
        found = self._found(runnable, [pauli for pauli in paulis if pauli not in known], values, plan, run)
        return np.array([[at[pauli] for pauli in paulis] for at in (known | each for each in found)]), plan

    def _found(
        self, circuit: QuantumCircuit, paulis: list[str], values: Values, plan: Plan, run: Run
    ) -> Iterator[dict[str, float]]:
        """Yields the values of these Pauli strings at each point. Raises PubFailed."""
        translated = normalize.for_method(circuit, plan.method)
        if (steps := aer.gate_calls(translated, plan, run)) is not None and not steps.measured:
            angles = Angles(translated)
            masks = {pauli: PauliMasks.of(self._here(pauli)) for pauli in paulis}
            for points in ranges(values.points, CHUNK):
                for vector in map(steps.vector, angles.iterate(values, points)):
                    yield {pauli: mask.value(vector, steps.qubits) for pauli, mask in masks.items()}
            return
        limits: dict[str, Any] = {}
        if plan.bond_limit is not None:
            limits = {"mps_log_data": True, "matrix_product_state_max_bond_dimension": plan.bond_limit}
        saving = self.saving(translated, paulis, plan.method)
        for parts in chunks(saving, values, plan.method, run, len(paulis) * VALUE_BYTES, **limits):
            if limits and any(aer.is_truncated(aer.mps_log(part), plan.bond_limit or 0) for part in parts):
                raise PubFailed(PubReason.MEMORY_LIMIT, router.no_method_message(saving.num_qubits, run.memory))
            yield from (part["data"] for part in parts)

    def runs(self, plan: Plan) -> int:
        """Returns the number of averaged runs; 0 if the values are exact."""
        exact = self.errors is None or plan.method == "density_matrix"
        return 0 if exact and final_measurements.is_pure(self.circuit) else TRAJECTORIES

    def errors_of(self, paulis: list[str], table: Table, plan: Plan) -> Table:
        """Returns upper bounds of the standard errors: the value of each run is between -1 and 1."""
        runs = self.runs(plan)
        exact = [not runs or self.known(pauli) is not None for pauli in paulis]
        return np.where(exact, 0.0, np.sqrt(np.clip(1 - table**2, 0, None) / max(1, runs)))


class EstimatorPub:
    """The pub of an Estimator: a circuit, parameter values and observables."""

    def __init__(self, circuit: QuantumCircuit, values: Values, nested: Any, noise: NoiseModel | None) -> None:
        """Takes the circuit as loaded. Raises PubFailed."""
        self._loaded = circuit
        self._values = values
        self._noise = noise
        self._observables = coerce_observables(nested, circuit.num_qubits)
        every = (pauli for observable in self._observables.ravel() for pauli in observable)
        self._paulis = list(dict.fromkeys(every))
        """Distinct Pauli strings of all observables."""
        self._symbolic_circuit = self._symbolic()
        """The circuit with parameters, to run all points at once; None if Qiskit or Aer cannot."""
        self._first = self._symbolic_circuit or PreparedCircuit(bound(circuit, values, 0), noise)

    def run(self, task: Task, base: PubMetadata) -> tuple[PubMetadata, Expectations]:
        """Returns metadata, and values and standard errors of the shape that Qiskit defines. Raises PubFailed."""
        self._check_memory(task)
        table, plan = self._table(task)
        shape, evs = self._weighted(table, float)
        _, stds = self._weighted(self._first.errors_of(self._paulis, table, plan), abs)
        precision = task.precision or 0.0
        if precision > 0:
            evs = np.random.default_rng(task.seed).normal(evs, precision)
        if not np.isfinite(evs).all():
            raise PubFailed(
                PubReason.INVALID_OBSERVABLES, "An expectation value is not a finite number. Use smaller coefficients."
            )
        metadata = sampler.run_metadata(base, self._first.circuit, plan, plan.method)
        metadata = msgspec.structs.replace(metadata, shots=self._first.runs(plan))
        return metadata, Expectations(shape=list(shape), evs=evs.tolist(), stds=np.hypot(stds, precision).tolist())

    def _symbolic(self) -> PreparedCircuit | None:
        if self._noise is not None and self._values.columns:
            return None
        try:
            ready = PreparedCircuit(self._loaded.copy(), self._noise)
        except (TypeError, ValueError, ArithmeticError, QiskitError):
            return None
        flow = normalize.has_control_flow(ready.circuit)
        return None if flow and ready.circuit.parameters else ready

    def _table(self, task: Task) -> tuple[Table, Plan]:
        if self._symbolic_circuit is not None:
            return self._symbolic_circuit.measure(self._paulis, self._values, task)
        tables = []
        for point in range(self._values.points):
            ready = PreparedCircuit(bound(self._loaded, self._values, point), self._noise)
            seeded = msgspec.structs.replace(task, seed=seeds.point_seed(task.seed, point))
            table, plan = ready.measure(self._paulis, Values((), {}), seeded)
            tables.append(table)
        return np.concatenate(tables), plan

    def _weighted(self, table: Table, weigh: Callable[[float], float]) -> tuple[tuple[int, ...], NDArray[np.float64]]:
        """Broadcasts points against observables. Returns the shape, and the weighted sums in C order."""
        points, numbers = np.broadcast_arrays(
            np.arange(self._values.points).reshape(self._values.shape),
            np.arange(self._observables.size).reshape(self._observables.shape),
        )
        column = {pauli: place for place, pauli in enumerate(self._paulis)}
        observables = self._observables.ravel()
        evs = np.zeros(points.size)
        ends = np.cumsum(np.bincount(numbers.ravel()))[:-1]
        for number, places in enumerate(np.split(np.argsort(numbers, axis=None, kind="stable"), ends)):
            at = points.ravel()[places]
            for pauli, weight in observables[number].items():  # in order: a sum of floats depends on the order
                evs[places] += table[at, column[pauli]] * weigh(weight)
        return points.shape, evs

    def _check_memory(self, task: Task) -> None:
        values = self._values.points * len(self._paulis)
        if values * VALUE_BYTES > task.memory // TABLE_PART:
            raise PubFailed(
                PubReason.MEMORY_LIMIT,
                f"{values} values ({self._values.points} points, {len(self._paulis)} different Pauli strings) do not "
                "fit into the pod's memory limit. Split the pub.",
            )


def coerce_observables(nested: Any, qubits: int) -> ObservablesArray:
    """Converts observables by Qiskit, which merges and sorts equal strings. Raises PubFailed if they are invalid."""
    try:
        found = ObservablesArray.coerce(nested)
    except (TypeError, ValueError):
        raise PubFailed(
            PubReason.INVALID_OBSERVABLES,
            "Qiskit does not accept these observables. Use Pauli strings, or maps from them to real coefficients.",
        ) from None
    if any(pauli.strip("IXYZ") for terms in found.ravel() for pauli in terms):  # Qiskit accepts projectors, too
        raise PubFailed(
            PubReason.INVALID_OBSERVABLES, "An observable has a letter other than I, X, Y and Z. Use Pauli strings."
        )
    if found.num_qubits != qubits:
        raise PubFailed(
            PubReason.INVALID_OBSERVABLES,
            f"The observables have {found.num_qubits} qubits, but the circuit has {qubits}. "
            "Write a letter for each qubit, qubit 0 last.",
        )
    return found

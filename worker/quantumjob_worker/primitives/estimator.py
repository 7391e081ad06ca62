"""Expectation values, as Aer's own EstimatorV2 gives them: of the state at the circuit's end, not of its bits."""

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
"""What Aer and Python hold for one value of one point."""
TABLE_PART: Final = 4
"""Of the memory, what all values of a pub may take."""

Table = NDArray[np.float64]
"""Of shape (points, Pauli strings)."""


class PreparedCircuit:
    """A circuit made ready, on the qubits that it uses, with or without its parameters."""

    def __init__(self, circuit: QuantumCircuit, noise: NoiseModel | None) -> None:
        self.errors = None if noise is None else NoiseChannels(noise)
        whole = normalize.inline(circuit, self.errors)
        self._kept = {index: place for place, index in enumerate(normalize.kept(whole, self.errors))}
        """Of each qubit that is used, which one it is now."""
        self.circuit = normalize.compact(whole, list(self._kept))

    def known(self, pauli: str) -> float | None:
        """The value of a Pauli string that needs no run: a qubit that nothing touches is 0."""
        idle = {letter for index, letter in enumerate(reversed(pauli)) if letter != "I" and index not in self._kept}
        if idle - {"Z"}:
            return 0.0
        return None if any(pauli[-1 - index] != "I" for index in self._kept) else 1.0

    def saving(self, circuit: QuantumCircuit, paulis: Iterable[str], method: str) -> QuantumCircuit:
        """The circuit that ends with saving the values of these, in the method's gates."""
        saving = normalize.for_sweep(circuit, method).copy()
        for pauli in paulis:
            # On all qubits: else Aer leaves out gates that reach others, a cx from the part that is asked about, too.
            saving.save_expectation_value(Pauli(self._here(pauli)), list(self._kept.values()), label=pauli)
        return saving

    def _here(self, pauli: str) -> str:
        """Its letters at the qubits that are kept."""
        return "".join(pauli[-1 - index] for index in reversed(self._kept))

    def measure(self, paulis: list[str], values: Values, task: Task) -> tuple[Table, Plan]:
        """The value of each Pauli string at each point, and how it was found. Raises PubFailed."""
        known = {pauli: value for pauli in paulis if (value := self.known(pauli)) is not None}
        plan, runnable, run = sampler.plan_run(
            self.circuit, task, self.errors, shots=TRAJECTORIES, points=values.points, averaged=True
        )
        if plan.otherwise is not None:
            plan = plan._replace(method=plan.otherwise, bond_limit=None)
        if len(known) == len(paulis):
            return np.tile([known[pauli] for pauli in paulis], (values.points, 1)), plan
        found = self._found(runnable, [pauli for pauli in paulis if pauli not in known], values, plan, run)
        return np.array([[at[pauli] for pauli in paulis] for at in (known | each for each in found)]), plan

    def _found(
        self, circuit: QuantumCircuit, paulis: list[str], values: Values, plan: Plan, run: Run
    ) -> Iterator[dict[str, float]]:
        """The values of these at each point. Raises PubFailed."""
        translated = normalize.for_method(circuit, plan.method)
        if (steps := aer.gate_calls(translated, plan, run)) is not None and not steps.measured:
            angles = Angles(translated)
            masks = {pauli: PauliMasks.of(self._here(pauli)) for pauli in paulis}
            for points in ranges(values.points, CHUNK):
                for vector in map(steps.vector, angles.each(values, points)):
                    yield {pauli: mask.value(vector, steps.qubits) for pauli, mask in masks.items()}
            return
        limits: dict[str, Any] = {}
        if plan.bond_limit is not None:
            limits = {"mps_log_data": True, "matrix_product_state_max_bond_dimension": plan.bond_limit}
        saving = self.saving(translated, paulis, plan.method)
        for parts in chunks(saving, values, plan.method, run, len(paulis) * VALUE_BYTES, **limits):
            if limits and any(aer.reached_limit(aer.mps_log(part), plan.bond_limit or 0) for part in parts):
                raise PubFailed(PubReason.MEMORY_LIMIT, router.nothing_fits(saving.num_qubits, run.memory))
            yield from (part["data"] for part in parts)

    def runs(self, plan: Plan) -> int:
        """How many runs were averaged; 0 where one is exact."""
        exact = self.errors is None or plan.method == "density_matrix"
        return 0 if exact and final_measurements.is_pure(self.circuit) else TRAJECTORIES

    def errors_of(self, paulis: list[str], table: Table, plan: Plan) -> Table:
        """The standard errors of these means, at most: each run gives something between -1 and 1."""
        runs = self.runs(plan)
        exact = [not runs or self.known(pauli) is not None for pauli in paulis]
        return np.where(exact, 0.0, np.sqrt(np.clip(1 - table**2, 0, None) / max(1, runs)))


class EstimatorPub:
    """A circuit, the points at which it is wanted, and what is asked of it there."""

    def __init__(self, circuit: QuantumCircuit, values: Values, nested: Any, noise: NoiseModel | None) -> None:
        """`circuit` is as it was loaded. Raises PubFailed."""
        self._loaded = circuit
        self._values = values
        self._noise = noise
        self._observables = coerce_observables(nested, circuit.num_qubits)
        every = (pauli for observable in self._observables.ravel() for pauli in observable)
        self._paulis = list(dict.fromkeys(every))
        """Each once."""
        self._together = self._symbolic()
        """All points at once; None where Qiskit or Aer cannot."""
        self._first = self._together or PreparedCircuit(bound(circuit, values, 0), noise)

    def run(self, task: Task, base: PubMetadata) -> tuple[PubMetadata, Expectations]:
        """Values and standard errors, of the shape that Qiskit gives them, and how they were made. Raises PubFailed."""
        self._check_memory(task)
        table, plan = self._table(task)
        shape, evs = self._weighted(table, float)
        _, stds = self._weighted(self._first.errors_of(self._paulis, table, plan), abs)
        precision = task.precision or 0.0
        if precision > 0:
            evs = np.random.default_rng(task.seed).normal(evs, precision)
        if not np.isfinite(evs).all():
            raise PubFailed(PubReason.INVALID_OBSERVABLES, "An expectation value is beyond what a number can hold.")
        made = sampler.run_metadata(base, self._first.circuit, plan, plan.method)
        made = msgspec.structs.replace(made, shots=self._first.runs(plan))
        return made, Expectations(shape=list(shape), evs=evs.tolist(), stds=np.hypot(stds, precision).tolist())

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
        if self._together is not None:
            return self._together.measure(self._paulis, self._values, task)
        tables = []
        for point in range(self._values.points):
            ready = PreparedCircuit(bound(self._loaded, self._values, point), self._noise)
            seeded = msgspec.structs.replace(task, seed=seeds.point_seed(task.seed, point))
            table, plan = ready.measure(self._paulis, Values((), {}), seeded)
            tables.append(table)
        return np.concatenate(tables), plan

    def _weighted(self, table: Table, weigh: Callable[[float], float]) -> tuple[tuple[int, ...], NDArray[np.float64]]:
        """Parameter values and observables, broadcast against each other: the shape, and the sums in C order."""
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
            for pauli, weight in observables[number].items():  # in order: a sum of floats depends on it
                evs[places] += table[at, column[pauli]] * weigh(weight)
        return points.shape, evs

    def _check_memory(self, task: Task) -> None:
        values = self._values.points * len(self._paulis)
        if values * VALUE_BYTES > task.memory // TABLE_PART:
            raise PubFailed(
                PubReason.MEMORY_LIMIT,
                f"{self._values.points} points and {len(self._paulis)} different Pauli strings are {values} values, "
                "more than the pod's memory limit leaves room for. Split the pub.",
            )


def coerce_observables(nested: Any, qubits: int) -> ObservablesArray:
    """By Qiskit, which sums up equal strings and sorts them. Raises PubFailed where they do not fit the circuit."""
    try:
        found = ObservablesArray.coerce(nested)
    except (TypeError, ValueError):
        raise PubFailed(PubReason.INVALID_OBSERVABLES, "Qiskit does not take these observables.") from None
    if any(pauli.strip("IXYZ") for terms in found.ravel() for pauli in terms):  # Qiskit takes projectors, too
        raise PubFailed(PubReason.INVALID_OBSERVABLES, "A Pauli string is of the letters I, X, Y and Z.")
    if found.num_qubits != qubits:
        raise PubFailed(
            PubReason.INVALID_OBSERVABLES,
            f"The observables are on {found.num_qubits} qubits, and the circuit has {qubits}: "
            "a Pauli string has a letter for each qubit, qubit 0 the last.",
        )
    return found

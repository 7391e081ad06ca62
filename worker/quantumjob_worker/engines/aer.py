"""Qiskit Aer, with each method that the router plans for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import qiskit_aer
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit_aer import AerSimulator
from qiskit_aer.backends.aer_compiler import generate_aer_config

from quantumjob_contract.limits import MIB
from quantumjob_contract.reasons import PubReason
from quantumjob_worker.engines.aer_assembly import assemble
from quantumjob_worker.engines.aer_state import GateCalls
from quantumjob_worker.engines.base import Bits, Run, Sampled, packed_bytes
from quantumjob_worker.errors import PubFailed, out_of_memory
from quantumjob_worker.passes import normalize
from quantumjob_worker.passes.features import Profile
from quantumjob_worker.routing import router
from quantumjob_worker.routing.cost_model import available
from quantumjob_worker.routing.router import Plan

PROBE_PART: Final = 8
"""A run with a bond limit is first tried on this fraction (1/n) of the circuit, to detect a reached limit early."""
CHUNK: Final = 1 << 14
"""Shots that are converted to bytes at once."""


class Aer:
    """The engine whose methods the router knows itself, so it makes no bids."""

    name = "aer"
    version = qiskit_aer.__version__
    precision = "double"

    def bid(self, _circuit: Profile) -> Plan | None:
        return None

    def sample(self, circuit: QuantumCircuit, plan: Plan, run: Run) -> Sampled:
        if plan.bond_limit is not None:
            return _try_mps(circuit, plan, plan.bond_limit, run)
        translated = normalize.for_method(circuit, plan.method)
        steps = gate_calls(translated, plan, run)
        bits = _run(translated, plan.method, run)[0] if steps is None else steps.sample(run.shots, run.seed, {})
        return Sampled(bits, plan.method)


def gate_calls(circuit: QuantumCircuit, plan: Plan, run: Run) -> GateCalls | None:
    """Returns the calls for a circuit that is faster on Aer's state; None if it needs the simulator."""
    return GateCalls.of(circuit) if plan.method == "statevector" and run.errors is None else None


def from_hex(memory: list[str], clbits: int) -> Bits:
    """Converts Aer's list of hexadecimal numbers to bits."""
    size = packed_bytes(clbits)
    parts = []
    for start in range(0, len(memory), CHUNK):
        part = memory[start : start + CHUNK]
        parts.append(b"".join(map(_HexToBytes(size).__getitem__, part)))
    return np.frombuffer(b"".join(parts), np.uint8).reshape(len(memory), size)


class _HexToBytes(dict[str, bytes]):
    """Cache of hexadecimal numbers as bytes of a given length."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def __missing__(self, number: str) -> bytes:
        return self.setdefault(number, int(number, 16).to_bytes(self._size, "big"))


def _try_mps(circuit: QuantumCircuit, plan: Plan, limit: int, run: Run) -> Sampled:
    """Runs as a matrix product state; if its bonds reach the limit, by the plan's other method."""
    translated = normalize.for_method(circuit, plan.method)
    limits = {"mps_log_data": True, "matrix_product_state_max_bond_dimension": limit}
    for part, shots in ((_first_part(translated, PROBE_PART), 1), (translated, run.shots)):
        bits, log = _run(part, plan.method, run._replace(shots=shots), **limits)
        if is_truncated(log, limit):
            break
    else:
        return Sampled(bits, plan.method)
    if plan.fallback is None:
        raise PubFailed(PubReason.MEMORY_LIMIT, router.no_method_message(circuit.num_qubits, run.memory))
    return Sampled(_run(normalize.for_method(circuit, plan.fallback), plan.fallback, run)[0], plan.fallback)


def is_truncated(log: str, limit: int) -> bool:
    """Whether a bond in Aer's log reached the limit: then the state may have been truncated."""
    return re.search(rf"[\[ ]{limit}[ \]]", log) is not None


def _first_part(circuit: QuantumCircuit, part: int) -> QuantumCircuit:
    """Returns the first gates and all measurements: Aer drops gates that no measurement depends on."""
    gates = [instruction for instruction in circuit.data if instruction.name != "measure"]
    measurements = [instruction for instruction in circuit.data if instruction.name == "measure"]
    start = circuit.copy_empty_like()
    for instruction in gates[: len(gates) // part] + measurements:
        start._append(instruction)  # noqa: SLF001  append() checks each argument again
    return start


def _run(circuit: QuantumCircuit, method: str, run: Run, **options: Any) -> tuple[Bits, str]:
    """Returns the bits of each shot, and Aer's log. Raises PubFailed."""
    (part,) = execute(circuit, {}, method, run, memory=True, **options)
    return from_hex(part["data"].get("memory", []), circuit.num_clbits), mps_log(part)


def mps_log(part: dict[str, Any]) -> str:
    """Returns Aer's log of bond dimensions."""
    return str(part["metadata"].get("MPS_log_data", ""))


def execute(
    circuit: QuantumCircuit, values: Mapping[Parameter, Sequence[float]], method: str, run: Run, **options: Any
) -> list[dict[str, Any]]:
    """Returns Aer's result of each point, whose seeds differ by a fixed step. Raises PubFailed if any point fails."""
    options |= {
        "shots": run.shots,
        "seed_simulator": run.seed,
        "max_memory_mb": max(1, available(run.memory) // MIB),
        "max_parallel_threads": run.threads,
    }
    if normalize.has_loops(circuit):
        options["enable_truncation"] = False  # truncation drops the end of a loop without later measurements
    if run.errors is not None:
        options["noise_model"] = run.errors.aer
    result = _run_simulator(_simulator(method), circuit, values, options)
    parts: list[dict[str, Any]] = result["results"]
    points = len(next(iter(values.values()), (None,)))
    if not result["success"] or len(parts) != points or not all(part["success"] for part in parts):
        statuses = [str(result["status"]), *(str(part["status"]) for part in parts)]
        if any("memory" in status.lower() or "bad_alloc" in status for status in statuses):
            raise PubFailed(PubReason.MEMORY_LIMIT, out_of_memory(run.memory))
        raise PubFailed(
            PubReason.SIMULATION_FAILED,
            f"Qiskit Aer failed to run the circuit by the method {method}. Check that it runs with Aer alone.",
        )
    return parts


def _run_simulator(
    simulator: AerSimulator,
    circuit: QuantumCircuit,
    values: Mapping[Parameter, Sequence[float]],
    options: dict[str, Any],
) -> dict[str, Any]:
    """Returns the data of run().result(), but runs in this thread and creates no result objects."""
    ready = assemble(circuit) if not values and "noise_model" not in options else None
    if ready is None:
        binds = [values] if values else None
        return simulator._execute_circuits_job([circuit], binds, options, format_result=False)  # type: ignore[no-any-return]  # noqa: SLF001
    config = generate_aer_config([circuit], simulator.options, **options)
    return simulator._execute_circuits([ready], None, config)  # type: ignore[no-any-return]  # noqa: SLF001


@cache
def _simulator(method: str) -> AerSimulator:
    """Returns a simulator, created once before the fork: that takes longer than a small run."""
    return AerSimulator(method=method)
